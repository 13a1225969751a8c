// The command line of kvstrata-gpu-replay: the replay's options, presets of them, and what a GPU adds.
#pragma once

#include "replay/options.hpp"

#include <kvstrata/core/ids.hpp>

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpu_replay {

struct options
{
  std::string preset = "paper";
  std::string machine = "cuda";         ///< or "emulated"
  std::uint32_t gpu = 0;                ///< which one
  bool plan = false;                    ///< say what would be served, and serve nothing
  replay::options serve;                ///< requests, model, cache, cases; some of its options are not ours
  std::uint32_t no_cache_every = 1;     ///< "no cache" serves every n-th batch
  std::string small_copies = "kernel";  ///< how a pass's arrays and scores travel; or "copy-engine"
  // single steps
  std::vector<std::uint32_t> step_tokens;   ///< lengths of histories; empty: no steps are taken
  std::vector<std::uint32_t> step_batches;  ///< requests a step
  std::uint32_t step_new = 32;              ///< tokens a step computes behind the history
  std::uint32_t step_rounds = 5;
  std::string markdown;  ///< the tables, to this file
};

/// Names of presets and what each is for, a line each.
[[nodiscard]] std::string describe_presets();

/// All options as a preset has them. Throws kvstrata::config_error for an unknown one.
[[nodiscard]] options preset(std::string_view name);

/// Throws kvstrata::config_error naming the option, its value and the limit it breaks.
void check(const options& o);

/// Reads the command line; what it does not name is as the preset says. Returns nothing when the run should go on, else
/// the exit code: 0 after --help (printed to `out`), 2 after a bad argument (a sentence to `err`).
[[nodiscard]] std::optional<int> parse(int argc, const char* const* argv, options& o, std::ostream& out,
                                       std::ostream& err);

/// Every option of the run with its value, for the report.
[[nodiscard]] std::vector<replay::setting> describe(const options& o);

}  // namespace gpu_replay
