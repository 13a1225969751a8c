// Serves requests with one of the named caches on a described machine.
#pragma once

#include "sim/parts.hpp"

#include <kvstrata/simulate/machine.hpp>
#include <kvstrata/simulate/readers/any_source.hpp>
#include <kvstrata/simulate/serving_simulator.hpp>
#include <kvstrata/tiers/pinned_arena.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

/// What all runs of a grid have in common.
struct machine_load
{
  std::uint32_t event_tokens = 2;
  std::uint32_t longest = 40'960;
  std::uint64_t requests = 20'000;
  std::uint64_t warm_up = 0;
  bool warm_start = false;      ///< of the warm-up, only what the cache needs to be warm is served
  double requests_a_day = 0;    ///< of a user who comes in sessions; 0: requests come from the trace
  double session_requests = 8;  ///< on average
  double gap_seconds = 30;      ///< between requests of a session, on average
  std::uint32_t prefetch = 0;   ///< of the queue behind a batch
  part_arguments parts{};       ///< that requests are made of

  /// Of a history that is asked for.
  [[nodiscard]] std::uint32_t most_tokens() const noexcept { return parts.any() ? ~std::uint32_t{0} : longest; }
};

/// What arenas have that keep codes.
inline constexpr double default_raw_share = kvstrata::pinned_arena<>::config{}.raw_share;

/// One run of the grid.
struct machine_point
{
  std::string cache = "default";
  std::string slab_policy = "lru";
  std::string arena_policy = "lru";
  double device_gib = 0;  ///< 0: the machine's
  double host_gib = 0;
  std::uint32_t batch = 8;
  double rate = 0;                       ///< requests a second; 0: a closed loop
  std::uint32_t streams = 1;             ///< that compute, on one GPU: they take turns at its multiprocessors
  std::string codec = "identity";        ///< in which the arena keeps its pages (machine_codes.hpp)
  std::string codes = "direct";          ///< how they travel: direct_codes or staged_codes
  double exact_share = 0;                ///< of the requests that want nothing that came through a lossy codec
  double raw_share = default_raw_share;  ///< of an arena that keeps codes: for pages as they are
};

/// Throws kvstrata::config_error naming the option.
void check(const machine_load& load);
void check(const machine_point& point);
void check_policy(const char* option, const std::string& name);

/// The requests of a trace of users, at their times in the trace. Throws kvstrata::error for a trace that tells no
/// histories.
[[nodiscard]] std::vector<kvstrata::arrival> read_arrivals(kvstrata::any_source& source, const machine_load& load);

/// As many requests of users who come in sessions, at their times.
[[nodiscard]] std::vector<kvstrata::arrival> draw_sessions(const machine_load& load, std::uint32_t users,
                                                           double history_scale, std::uint64_t seed);

/// The same, their times stretched to so many a second. Throws kvstrata::error where that cannot be.
[[nodiscard]] std::vector<kvstrata::arrival> at_rate(std::vector<kvstrata::arrival> requests, double rate,
                                                     std::string_view trace);

struct machine_result
{
  kvstrata::serving_report report;
  std::vector<std::string_view> levels;  ///< of the cache, from the slab down
  std::vector<std::string> warnings;     ///< of its configuration
  std::string rows;                      ///< of the CSV of requests, where it is asked for
  std::uint64_t inexact_tokens = 0;  ///< computed though cached, since a request wanted exact ones; the warm-up's, too
  double code_sm_seconds = 0;   ///< of the multiprocessors that kernels had which encode and decode; the warm-up's, too
  std::uint64_t raw_pages = 0;  ///< of which the arena kept no code, so far: filled in part
};

/// `requests` are at the point's rate. `row_start`: what a row of the CSV of requests begins with; null: none is made.
[[nodiscard]] machine_result serve(const kvstrata::machine_description& m, std::span<const kvstrata::arrival> requests,
                                   const machine_load& load, const machine_point& point, const std::string* row_start);

/// The names of the caches, and of the policies that both tiers may have.
[[nodiscard]] std::span<const std::string_view> machine_caches();
[[nodiscard]] std::span<const std::string_view> machine_policies();

/// The memory of a point on a machine, in bytes.
struct tier_bytes
{
  std::uint64_t device = 0;
  std::uint64_t host = 0;
};
[[nodiscard]] tier_bytes bytes_of(const machine_point& point, const kvstrata::machine_description& m);

inline constexpr std::string_view request_columns =
    "user,history,arrived,began,ended,latency,slab_tokens,arena_tokens,computed_tokens,recomputed_tokens,unserved,"
    "batch_requests,warm_up\n";

namespace parts {

/// As serve, for LRU in both tiers, and for policies that are chosen at run time.
[[nodiscard]] machine_result serve_plain(const kvstrata::machine_description& m,
                                         std::span<const kvstrata::arrival> requests, const machine_load& load,
                                         const machine_point& point, const std::string* row_start);
/// As serve_chosen, for default_cache whose arena keeps codes.
[[nodiscard]] machine_result serve_lossless(const kvstrata::machine_description& m,
                                            std::span<const kvstrata::arrival> requests, const machine_load& load,
                                            const machine_point& point, const std::string* row_start);
[[nodiscard]] machine_result serve_lossy(const kvstrata::machine_description& m,
                                         std::span<const kvstrata::arrival> requests, const machine_load& load,
                                         const machine_point& point, const std::string* row_start);
[[nodiscard]] machine_result serve_chosen(const kvstrata::machine_description& m,
                                          std::span<const kvstrata::arrival> requests, const machine_load& load,
                                          const machine_point& point, const std::string* row_start);

}  // namespace parts
}  // namespace sim
