// The cases at work, by the keys of case_list.hpp.
#pragma once

#include "replay/cpu_place.hpp"
#include "replay/serving.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace replay {

/// A case ready to serve. Context and machine must outlive it.
[[nodiscard]] std::unique_ptr<served_case> make_case(const std::string& key, const serving_context& context,
                                                     const cpu_machine& machine);

/// The split of every batch's tokens that a case's cache reaches with tiers of other sizes: the same cache code on an
/// emulated device in virtual time without data, so no model runs. Empty for "none".
[[nodiscard]] std::vector<token_split> simulate_case(const std::string& key, const workload& w, const cache_sizes& s);

/// Device memory that a case's cache takes for users' pages: that of the sizes, or more where a batch would not fit.
[[nodiscard]] std::size_t device_bytes_of(const std::string& key, const cache_sizes& s);

}  // namespace replay
