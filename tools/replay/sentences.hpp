// What the figures of a run mean, in sentences that the terminal and the report share.
#pragma once

#include "replay/results.hpp"

#include <string>
#include <vector>

namespace replay {

/// "default_cache serves these requests 4.20x as fast as computing every history again", or what can be said instead.
[[nodiscard]] std::string headline(const results& r);

/// L* of this run, where it comes from, and that it is a CPU's.
[[nodiscard]] std::string break_even_sentence(const break_even& b);

/// verification_sentence() and first_difference() in one.
[[nodiscard]] std::string verdict(const results& r);

/// What was compared with recomputation and how it came out.
[[nodiscard]] std::string verification_sentence(const results& r);

/// The first difference, or an empty text.
[[nodiscard]] std::string first_difference(const results& r);

/// The workload in a sentence.
[[nodiscard]] std::string workload_sentence(const workload_facts& w);

[[nodiscard]] std::string machine_sentence(const machine_facts& m);

/// A row of the big table: what is measured, its explanation, and a text per case.
struct metric
{
  std::string name;
  std::string meaning;
  std::vector<std::string> values;  ///< [cases]
  bool rare = false;                ///< most cases have nothing to say here: "0"
};

/// Every row of the table, in reading order.
[[nodiscard]] std::vector<metric> metrics(const results& r);

}  // namespace replay
