// The command line of `replay --model mtgr`.
#pragma once

#include "mtgr/config.hpp"
#include "replay/options.hpp"

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace replay {

struct mtgr_options
{
  options common;
  std::string cut = "daily";                           ///< when U and S are made anew: daily or weekly
  std::uint32_t sequence = 1000;                       ///< tokens of S
  std::uint32_t recent = 100;                          ///< tokens of R at most; when it is full, U and S are made anew
  std::vector<std::uint32_t> candidates{1, 100, 512};  ///< each is a run over all requests
  std::uint32_t sessions_a_day = 0;                    ///< of every user, evenly; 0: as the workload has them
  std::vector<std::string> cases;                      ///< keys; empty: those that are right
};

/// Where a case keeps K and V.
enum class mtgr_keeping : std::uint8_t {
  nowhere,
  device,       ///< in the slab alone
  host,         ///< in the arena; the slab has room for one batch
  both,         ///< default_cache
  append_only,  ///< U and S as an ordinary prefix that is never replaced, with room for all: a mistake
};

struct mtgr_case
{
  std::string_view key, name, description;
  mtgr_keeping keeping = mtgr_keeping::both;
  bool is_right = true;  ///< runs without being asked for
};

[[nodiscard]] const std::vector<mtgr_case>& mtgr_cases();
[[nodiscard]] std::vector<mtgr_case> chosen_cases(const mtgr_options& o);

/// The options that the command line changes. A run on a CPU is short with these.
[[nodiscard]] mtgr_options usual_mtgr_options();

/// As parse() of the replay.
[[nodiscard]] std::optional<int> parse_mtgr(int argc, const char* const* argv, mtgr_options& o, std::ostream& out,
                                            std::ostream& err);

/// Throws kvstrata::config_error naming the option, its value and the limit it breaks.
void check(const mtgr_options& o);

[[nodiscard]] mtgr::config config_of(const mtgr_options& o);

}  // namespace replay
