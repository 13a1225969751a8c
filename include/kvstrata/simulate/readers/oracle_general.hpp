// libCacheSim's oracleGeneral: little-endian records of 24 bytes, each u32 time in seconds, u64 object, u32 bytes, and
// i64 place of the object's next access in the trace, counted from 1; -1 (and, in some files, the largest i64) for
// none. So Belady needs no second pass.
#pragma once

#include <kvstrata/replacement/object_info.hpp>
#include <kvstrata/simulate/readers/key_text.hpp>
#include <kvstrata/simulate/readers/record_source.hpp>
#include <kvstrata/simulate/trace_access.hpp>
#include <kvstrata/simulate/trace_notes.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A next access that does not lie behind its record is unknown: it matters to Belady only, whose caller looks.
class oracle_general_format
{
 public:
  static constexpr std::size_t record_bytes = 24;

  /// Throws config_error.
  explicit oracle_general_format(double ms_per_time = 1000) : ms_per_time_(ms_per_time)
  {
    check_ms_per_time("oracle_general_format's ms_per_time", ms_per_time);
  }

  [[nodiscard]] trace_access decode(const char* bytes, const record_place& where) const noexcept
  {
    const auto next = static_cast<std::int64_t>(detail::little_endian<std::uint64_t>(bytes + 16));
    trace_access access{.key = detail::little_endian<std::uint64_t>(bytes + 4),
                        .time_ms = std::llround(detail::little_endian<std::uint32_t>(bytes) * ms_per_time_),
                        .bytes = detail::little_endian<std::uint32_t>(bytes + 12),
                        .next_request = reuse_hint::never};
    if (next == -1 || next == (std::numeric_limits<std::int64_t>::max)()) return access;
    const bool later = next >= 1 && static_cast<std::uint64_t>(next) > where.position + 1;
    access.next_request = later ? static_cast<std::uint64_t>(next) - 1 : reuse_hint::unknown;
    return access;
  }

  void note(trace_notes& notes) const { notes.time_unit = unit_of_ms(ms_per_time_); }

 private:
  double ms_per_time_;
};

using oracle_general_source = record_source<oracle_general_format>;

static_assert(access_source<oracle_general_source>);

}  // namespace kvstrata
