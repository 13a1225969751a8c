// libCacheSim's oracleGeneral: little-endian records of 24 bytes, each u32 time in seconds, u64 object, u32 bytes, and
// i64 place of the object's next access in the trace, counted from 1; -1 (and, in some files, the largest i64) for
// none. So Belady needs no second pass.
#pragma once

#include <kvstrata/replacement/object_info.hpp>
#include <kvstrata/simulate/readers/record_source.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

namespace kvstrata {

struct oracle_general_format
{
  static constexpr std::size_t record_bytes = 24;

  [[nodiscard]] static trace_access decode(const char* bytes, const record_place& where)
  {
    const auto next = static_cast<std::int64_t>(detail::little_endian<std::uint64_t>(bytes + 16));
    trace_access access{.key = detail::little_endian<std::uint64_t>(bytes + 4),
                        .time_ms = std::int64_t{detail::little_endian<std::uint32_t>(bytes)} * 1000,
                        .bytes = detail::little_endian<std::uint32_t>(bytes + 12),
                        .next_request = reuse_hint::never};
    if (next == -1 || next == (std::numeric_limits<std::int64_t>::max)()) return access;
    if (next < 1 || static_cast<std::uint64_t>(next) <= where.position + 1) {
      where.fail("the next access is record " + std::to_string(next) + ", but it must come after this one");
    }
    access.next_request = static_cast<std::uint64_t>(next) - 1;
    return access;
  }
};

using oracle_general_source = record_source<oracle_general_format>;

static_assert(access_source<oracle_general_source>);

}  // namespace kvstrata
