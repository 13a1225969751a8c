// The command line of the replay tool.
#pragma once

#include "replay/case_list.hpp"
#include "replay/codec_cases.hpp"
#include "replay/results.hpp"

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace replay {

struct options
{
  // workload
  std::string trace;  ///< KuaiRand files; empty: synthetic
  std::string stream = "session";
  std::uint32_t most_history = 0;  ///< tokens at which a history stops to grow; 0: it never does
  double history_scale = 0;        ///< 0: so that a request's history has about `usual_events` events
  std::uint64_t users = 64;        ///< users kept (a seeded sample) or made
  std::uint64_t requests = 480;    ///< requests served at most
  std::uint32_t batch = 4;
  double window_seconds = 0;  ///< trace time a batch waits for more requests; 0: until it is full
  std::uint32_t candidates = 32;
  std::string users_of;  ///< "7/16": users whose number leaves 7 when divided by 16; empty: all
  // model
  std::string weights;  ///< a file of a trained model; empty: random weights of the sizes below
  std::uint32_t layers = 4;
  std::uint32_t hidden = 256;
  std::uint32_t heads = 4;
  std::uint32_t head_dim = 64;
  std::string precision = "f32";  ///< of the model's products: f32 or bf16
  bool position_bias = false;
  bool time_bias = false;
  // cache
  std::optional<std::uint64_t> device_mib;  ///< absent: device_share of the working set
  std::optional<std::uint64_t> host_mib;    ///< absent: host_share of the working set
  double device_share = 0.25;
  double host_share = 1.25;  ///< the paper's arena has no limit
  std::uint32_t page_tokens = 32;
  std::optional<std::uint32_t> chunk_tokens;  ///< absent: 1,024 scaled as the histories are
  // store
  std::string nvme;                         ///< file of the store below the arena, made by the run; empty: no store
  std::optional<std::uint64_t> nvme_bytes;  ///< of the file
  std::optional<std::uint64_t> nvme_region_bytes;  ///< absent: 64 MiB, or a sixteenth of the file
  std::optional<std::uint64_t> restart_at;         ///< requests after which the process ends and another goes on
  std::string cluster;          ///< "host:port" of a server of the cluster below the arena; empty: none
  std::uint32_t processes = 1;  ///< that serve the requests over the cluster, beside the cases
  std::vector<std::string> routers{"round_robin", "user"};  ///< that hand the requests out to them, one after the other
  codec_options codec;
  // link
  double link_gbps = 2.0;  ///< GB/s each way; 0: as fast as this machine copies
  double link_latency_us = 10.0;
  // run
  std::vector<std::string> cases = plain_cases();  ///< keys; parse() resolves groups
  std::uint32_t rounds = 12;
  double verify = 0;  ///< share of the requests; 0: don't
  std::string json;
  std::string report;
  std::string timeline;
  std::uint64_t seed = 1;
  bool quiet = false;
};

/// Events that a request's history has on average where --history-scale leaves it to us: short enough for a CPU.
inline constexpr double usual_events = 600;

/// Host memory as a share of the working set where a store is below it and nobody says how much: too little.
inline constexpr double host_share_over_store = 0.35;

[[nodiscard]] inline bool is_synthetic(const options& o) { return o.trace.empty(); }

/// Throws kvstrata::config_error naming the option, its value and the limit it breaks.
void check(const options& o);

/// The model that a command line asks for: what follows the first `--model`, known or not; hstu where nothing does.
[[nodiscard]] std::string_view asked_model(int argc, const char* const* argv);

/// Reads the command line into `o`. Returns nothing when the run should go on, else the exit code: 0 after --help
/// (printed to `out`), 2 after a bad argument (a sentence to `err`).
[[nodiscard]] std::optional<int> parse(int argc, const char* const* argv, options& o, std::ostream& out,
                                       std::ostream& err);

/// Every option with its value and what it means, for the report.
[[nodiscard]] std::vector<setting> describe(const options& o);

}  // namespace replay
