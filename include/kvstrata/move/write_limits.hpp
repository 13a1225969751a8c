// How much the writes down may have under way, and when the cleaner writes ahead of need.
#pragma once

#include <kvstrata/core/error.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct write_limits
{
  /// Bytes of commits and of the cleaner that may be on their way down at once, for each compute stream. A write that would begin beyond that
  /// waits for its turn and keeps its place; what an eviction needs is written all the same.
  std::uint64_t in_flight_bytes = (std::numeric_limits<std::uint64_t>::max)();
  /// When more than this share of the device's tokens is dirty after a commit, the coldest are written down ...
  double clean_above = 1;
  /// ... until no more than this share is.
  double clean_below = 1;

  friend void check(const write_limits& w)
  {
    const auto share = [](const char* field, double value, double most, const char* limit) {
      if (value >= 0 && value <= most) return;
      throw config_error(field, std::to_string(value), limit);
    };
    if (w.in_flight_bytes == 0) {
      throw config_error("writes.in_flight_bytes", w.in_flight_bytes, "nothing could ever be written then");
    }
    share("writes.clean_above", w.clean_above, 1, "it must be a share of the slab, from 0 to 1");
    share("writes.clean_below", w.clean_below, w.clean_above, "it must lie between 0 and writes.clean_above");
  }
};

}  // namespace kvstrata
