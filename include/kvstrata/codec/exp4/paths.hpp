// The ways in which a CPU can do exp4's arithmetic, and the best of those that this one has: asked once, at run time, so that
// nothing has to be compiled for a CPU.
#pragma once

#include <kvstrata/codec/exp4/avx2.hpp>
#include <kvstrata/codec/exp4/avx512.hpp>
#include <kvstrata/codec/exp4/portable.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

/// What the functions do: exp4/portable.hpp. All of a unit's whole tiles at once.
struct exp4_path
{
  std::string_view name;
  void (*classify)(exp4_unit, const exp4_table&, std::uint32_t from, std::uint32_t to, const std::byte* raw,
                   std::byte* codes, exp4_escapes&) noexcept;
  void (*split)(exp4_unit, std::uint32_t from, std::uint32_t to, const std::byte* raw, std::byte* code) noexcept;
  std::uint32_t (*escapes)(exp4_unit, std::uint32_t from, std::uint32_t to, const std::byte* codes) noexcept;
  void (*join)(exp4_unit, const std::byte* exponents, std::uint32_t from, std::uint32_t to, const std::byte* code,
               std::byte* raw) noexcept;
};

template <class Path>
inline constexpr exp4_path exp4_path_of{Path::name, Path::classify, Path::split, Path::escapes, Path::join};

/// Those that this CPU has, the best one first; the portable one is the last. Thread-safe.
[[nodiscard]] inline std::span<const exp4_path> exp4_paths() noexcept
{
#if defined(__x86_64__)
  static constexpr std::array all{exp4_path_of<exp4_avx512>, exp4_path_of<exp4_avx2>, exp4_path_of<exp4_portable>};
  static const std::size_t first = [] {
    __builtin_cpu_init();  // where a static object asks
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("popcnt")) return std::size_t{0};
    return std::size_t{__builtin_cpu_supports("avx2") ? 1U : 2U};
  }();
#else
  static constexpr std::array all{exp4_path_of<exp4_portable>};
  static constexpr std::size_t first = 0;
#endif
  return std::span<const exp4_path>(all).subspan(first);
}

}  // namespace kvstrata::codec
