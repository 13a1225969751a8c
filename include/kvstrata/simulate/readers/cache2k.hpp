// The traces of the cache2k benchmarks (J. Wilke), as they are unpacked: nothing but big-endian 32-bit keys.
#pragma once

#include <kvstrata/simulate/readers/record_source.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <cstddef>
#include <cstdint>

namespace kvstrata {

struct cache2k_format
{
  static constexpr std::size_t record_bytes = 4;

  [[nodiscard]] static trace_access decode(const char* bytes, const record_place&) noexcept
  {
    return {.key = detail::big_endian<std::uint32_t>(bytes)};
  }
};

using cache2k_source = record_source<cache2k_format>;

static_assert(access_source<cache2k_source>);

}  // namespace kvstrata
