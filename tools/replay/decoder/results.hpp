// What a run of the decoder's cases found, and how it is shown.
#pragma once

#include "replay/decoder/ways.hpp"
#include "replay/statistics.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace replay {

struct decoder_case_result
{
  decoder_case which;
  std::uint64_t requests = 0;
  double seconds = 0;                   ///< of all batches, one after the other
  std::vector<double> batch_seconds{};  ///< of each of them
  latency_summary latency{};            ///< of requests: from their batch's start to its end
  decoder_counts counts{};
  token_split warm_prompts{};    ///< of counts.prompts, those of batches that filled caches first
  std::uint64_t found = 0;       ///< tuples that were answered
  std::uint64_t invalid = 0;     ///< of these, no items
  std::uint64_t verified = 0;    ///< requests that were computed again
  std::uint64_t mismatches = 0;  ///< of these, with other beams

  [[nodiscard]] double per_second() const noexcept { return seconds > 0 ? static_cast<double>(requests) / seconds : 0; }
  [[nodiscard]] double visited_share() const noexcept
  {
    return counts.candidates == 0 ? 0 : static_cast<double>(counts.visited) / static_cast<double>(counts.candidates);
  }
};

struct decoder_results
{
  decoder_options how;
  workload_facts workload{};
  std::uint64_t items = 0;
  std::vector<decoder_case_result> cases{};
};

/// A column a case.
[[nodiscard]] std::string decoder_table(const decoder_results& r);
/// The table, and sentences on what was served.
[[nodiscard]] std::string decoder_summary(const decoder_results& r);
/// Every figure as JSON. Throws kvstrata::data_error where the file cannot be written.
void write_decoder_json(const decoder_results& r, const std::string& file);

}  // namespace replay
