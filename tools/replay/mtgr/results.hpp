// What a run of MTGR's cases found, and how it is shown.
#pragma once

#include "replay/mtgr/options.hpp"
#include "replay/results.hpp"
#include "replay/statistics.hpp"

#include "mtgr/flops.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace replay {

/// Tokens of one part.
struct mtgr_part_result
{
  token_split tokens;
  std::uint64_t again = 0;  ///< of the computed: an earlier request had computed them, and nothing had replaced them
  std::uint64_t superseded = 0;  ///< of those that the cache had: forgotten, because another version replaced them
  friend bool operator==(const mtgr_part_result&, const mtgr_part_result&) = default;
};

struct mtgr_case_result
{
  mtgr_case which;
  std::uint64_t requests = 0;
  double processor_seconds = 0;           ///< all threads', with what is still written down
  std::vector<double> latency_seconds{};  ///< of batches, by the wall's clock
  mtgr_part_result statics{}, recents{}, candidates{};
  mtgr::part_flops flops{};
  std::uint64_t verified = 0;  ///< requests that were computed again
  std::uint64_t wrong = 0;     ///< of these, with another score
  double furthest = 0;         ///< of the scores: how far from the right one
};

/// All cases over the same requests, with one number of candidates.
struct mtgr_pass
{
  std::uint32_t candidates = 0;
  double bound = 1;  ///< FLOPs of no cache over those of a cache that forgets nothing
  std::vector<mtgr_case_result> cases;
};

struct mtgr_results
{
  mtgr_options how;
  workload_facts workload;
  machine_facts machine;
  std::vector<mtgr_pass> passes;
};

/// How often the case is as quick as no cache, in processor seconds; 0: no cache did not run.
[[nodiscard]] double speed_up(const mtgr_pass& p, const mtgr_case_result& c);

/// A row of the table. Two spaces in front of a name a level: what the row above it is made of.
struct mtgr_row
{
  std::string name;
  std::vector<std::string> values;  ///< [cases]
};
[[nodiscard]] std::vector<mtgr_row> mtgr_rows(const mtgr_pass& p);
/// What the stream allows, in a sentence without a full stop.
[[nodiscard]] std::string mtgr_bound_sentence(const mtgr_pass& p);
/// What the rows' names mean.
[[nodiscard]] std::string mtgr_words();
[[nodiscard]] double mean_batch_seconds(const mtgr_case_result& c);
[[nodiscard]] double p99_batch_seconds(const mtgr_case_result& c);

[[nodiscard]] std::string mtgr_table(const mtgr_results& r);
/// The table and sentences on what was served.
[[nodiscard]] std::string mtgr_summary(const mtgr_results& r);
/// A sentence on answers that are not those of recomputation; empty: there are none.
[[nodiscard]] std::string mtgr_wrong_answers(const mtgr_results& r);
/// Every figure as JSON, in a text.
[[nodiscard]] std::string mtgr_json(const mtgr_results& r);
/// The same, to a file. Throws kvstrata::data_error where the file cannot be written.
void write_mtgr_json(const mtgr_results& r, const std::string& file);

}  // namespace replay
