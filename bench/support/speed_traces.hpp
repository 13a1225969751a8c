// Traces in memory, with the future told, so that Belady can run as well.
#pragma once

#include "command_line/source_dir.hpp"

#include <kvstrata/simulate/readers/memory_source.hpp>
#include <kvstrata/simulate/readers/open_trace.hpp>
#include <kvstrata/simulate/readers/zipf.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <boost/unordered/unordered_flat_set.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace bench {

struct speed_trace
{
  std::string name;
  std::uint64_t objects = 0;  ///< capacities are shares of it
  std::vector<kvstrata::trace_access> accesses;
};

/// The trace again and again until there are enough accesses to be timed.
[[nodiscard]] inline std::vector<kvstrata::trace_access> in_laps(const std::vector<kvstrata::trace_access>& once,
                                                                 std::size_t enough)
{
  std::vector<kvstrata::trace_access> laps = once;
  for (std::int64_t lap = 1; laps.size() < enough; ++lap) {
    const std::int64_t later_ms = lap * (once.back().time_ms - once.front().time_ms + 1);
    for (kvstrata::trace_access next : once) {
      next.time_ms += later_ms;
      laps.push_back(next);
    }
  }
  kvstrata::fill_next_requests(laps);
  return laps;
}

inline constexpr std::uint64_t zipf_keys = 1'000'000;

/// Scattered keys: neighbours in popularity are strangers in a hash table.
[[nodiscard]] inline speed_trace zipf_trace(std::uint64_t requests, std::uint64_t keys = zipf_keys)
{
  kvstrata::zipf_source source({.keys = keys, .requests = requests, .seed = 1, .scattered = true});
  return {"Zipf, " + std::to_string(keys) + " keys", keys, kvstrata::read_all(source)};
}

/// Capacities are shares of the distinct keys.
template <class Source>
[[nodiscard]] speed_trace real_trace(std::string name, Source&& source)
{
  speed_trace all{std::move(name), 0, kvstrata::read_all(source)};
  boost::unordered_flat_set<std::uint64_t> keys;
  for (const kvstrata::trace_access& one : all.accesses) keys.insert(one.key);
  all.objects = keys.size();
  return all;
}

/// Those of the real traces that are on this machine, in $KVSTRATA_DATA or beside the project.
[[nodiscard]] inline std::vector<speed_trace> real_traces()
{
  const char* const set = std::getenv("KVSTRATA_DATA");
  const std::filesystem::path root =
      set != nullptr && *set != '\0' ? std::filesystem::path(set) : tools::source_dir() / ".." / "shared" / "data";
  std::vector<speed_trace> found;
  for (const auto& [name, file] :
       {std::pair{"KuaiRand-Pure, sessions", "kuairand-pure-2w"},
        std::pair{"Mooncake, conversation", "mooncake-conversation/conversation_trace.jsonl"},
        std::pair{"cache2k, web12", "cache2k-web12/web12.i32be"}}) {
    std::error_code ignored;
    if (std::filesystem::exists(root / file, ignored)) {
      found.push_back(real_trace(name, kvstrata::open_trace(root / file)));
    }
  }
  return found;
}

}  // namespace bench
