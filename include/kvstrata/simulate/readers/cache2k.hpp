// The traces of the cache2k benchmarks (J. Wilke), as they are unpacked: nothing but big-endian 32-bit keys; and the same
// with 64-bit ones.
#pragma once

#include <kvstrata/simulate/readers/record_source.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Notices a file of 64-bit keys: of its first `looked_at` numbers every other one is 0, and few of those between.
class cache2k_format
{
 public:
  static constexpr std::size_t record_bytes = 4;
  static constexpr std::uint64_t looked_at = 64;

  /// `insists`: the keys have 32 bits, whatever they look like.
  explicit cache2k_format(bool insists = false) noexcept : insists_(insists) {}

  [[nodiscard]] trace_access decode(const char* bytes, const record_place& where)
  {
    const auto key = detail::big_endian<std::uint32_t>(bytes);
    if (where.position < looked_at) {
      zeros_[where.position % 2] += key == 0 ? 1U : 0U;
      const auto [fewer, more] = std::minmax(zeros_[0], zeros_[1]);
      const bool every_other = more == looked_at / 2 && fewer <= looked_at / 8;
      if (!insists_ && where.position + 1 == looked_at && every_other) {
        where.file.fail("every other of the first " + std::to_string(looked_at) +
                        " keys is 0: these are 64-bit keys, not 32-bit ones (format cache2k_64; cache2k insists)");
      }
    }
    return {.key = key};
  }

 private:
  bool insists_;
  std::uint64_t zeros_[2] = {0, 0};  // at even places, and at odd ones
};

struct cache2k_64_format
{
  static constexpr std::size_t record_bytes = 8;

  [[nodiscard]] static trace_access decode(const char* bytes, const record_place&) noexcept
  {
    return {.key = detail::big_endian<std::uint64_t>(bytes)};
  }
};

using cache2k_source = record_source<cache2k_format>;
using cache2k_64_source = record_source<cache2k_64_format>;

static_assert(access_source<cache2k_source> && access_source<cache2k_64_source>);

}  // namespace kvstrata
