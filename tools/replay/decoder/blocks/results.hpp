// What a run of the cases of blocks found, and how it is shown.
#pragma once

#include "replay/decoder/blocks/load.hpp"
#include "replay/decoder/blocks/options.hpp"
#include "replay/decoder/blocks/ways.hpp"
#include "replay/statistics.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace replay {

/// Against the same prompts computed anew; means of those that were.
struct block_errors
{
  std::uint64_t verified = 0;
  std::uint64_t mismatches = 0;  ///< of these, with other logits than the case gives without a cache
  double kv = 0;                 ///< relative error of K and V, mean of layers
  std::vector<double> layers{};  ///< of each layer
  double logits = 0;             ///< relative error
  double top = 0;                ///< of the ten best words those that are among the ten best
  double ranks = 0;              ///< Spearman's correlation of all words
};

struct block_case_result
{
  block_case which;
  std::uint64_t requests = 0;
  double seconds = 0;  ///< of all prompts, one after the other
  latency_summary latency{};
  token_split texts{};  ///< where tokens of blocks, or of prefixes, came from
  std::uint64_t reused = 0, reused_exactly = 0, stood_in = 0, recomputed = 0, own = 0;  ///< tokens of all prompts
  std::uint64_t encoded = 0;  ///< that the cache lacked, of blocks or of prefixes
  std::uint64_t rows = 0;     ///< tokens through whole layers: what was computed, in tokens x layers
  std::uint64_t exact = 0;    ///< answers into which nothing inexact went
  block_errors errors{};

  [[nodiscard]] double per_second() const noexcept { return seconds > 0 ? static_cast<double>(requests) / seconds : 0; }
};

struct block_results
{
  block_options how;
  workload_facts workload{};
  block_sizes sizes{};
  std::uint64_t prototypes = 0, prototype_bytes = 0;
  std::uint64_t texts = 0;     ///< distinct ones
  double prompt_mean = 0;      ///< tokens
  double candidate_share = 0;  ///< of them
  std::vector<block_case_result> cases{};
};

/// "exact" or "approximate", by what the answers say of themselves.
[[nodiscard]] std::string answers_text(const block_case_result& c);
/// A row a case.
[[nodiscard]] std::string block_table(const block_results& r);
/// The table, and sentences on what was served and what does not beat the control.
[[nodiscard]] std::string block_summary(const block_results& r);
/// Those sentences.
[[nodiscard]] std::vector<std::string> block_remarks(const block_results& r);
/// Every figure as JSON. Throws kvstrata::data_error where the file cannot be written, and so does the next.
void write_block_json(const block_results& r, const std::string& file);
/// A page: curves of errors and time against the share computed anew, and the table.
void write_block_page(const block_results& r, const std::string& file);

}  // namespace replay
