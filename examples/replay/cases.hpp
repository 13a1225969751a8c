// The cases by name: which cache each of them is. To compare your own, add a line to cases.cpp.
#pragma once

#include "replay/serving.hpp"

#include <memory>
#include <string>
#include <vector>

namespace replay {

/// A case ready to serve, by its key in all_cases(). The context must outlive it.
[[nodiscard]] std::unique_ptr<served_case> make_case(const std::string& key, const serving_context& context);

/// What the case is called in the table, and what it does in a sentence.
struct case_name
{
  std::string name;
  std::string description;
};
[[nodiscard]] case_name name_of_case(const std::string& key);

/// The split of every batch's tokens that a case's cache reaches with tiers of other sizes: the same cache code on an
/// emulated device in virtual time without data, so no model runs. Empty for "none".
[[nodiscard]] std::vector<token_split> simulate_case(const std::string& key, const workload& w, const cache_sizes& s);

}  // namespace replay
