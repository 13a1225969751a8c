// The 15 commonest exponents of cached K and V: what exp4 gives a code of four bits.
//
// An exponent is the 8 bits below the sign, of a bf16 or of an f32, which have the same ones: one table serves both, and all
// heads, layers, K and V of a model. It belongs to the weights that serve. Training doubles to triples the values' size, so
// that of trained KV 6.5 % lie outside a table that was counted on random weights; count on pages of the weights that serve,
// and keep the table with their epoch.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/geometry.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

/// Each exponent once, in any order. As it is: for K and V behind a SiLU, counted on 64 pieces of 16 KiB of an HSTU that was
/// trained on KuaiRand (hidden 256, 4 heads of 64, 4 layers): 0.04 % of 524,288 values lie outside.
struct exponent_table
{
  static constexpr std::uint32_t entries = 15;

  std::array<std::uint8_t, entries> exponents = {116, 117, 118, 119, 120, 121, 122, 123,
                                                 124, 125, 126, 127, 128, 129, 130};

  [[nodiscard]] constexpr bool has(std::uint32_t exponent) const noexcept
  {
    return std::any_of(exponents.begin(), exponents.end(), [=](std::uint8_t e) { return e == exponent; });
  }
  friend constexpr bool operator==(const exponent_table&, const exponent_table&) = default;
};

/// How often each exponent occurs. Not thread-safe; counts of several threads are added.
class exponent_counts
{
 public:
  /// Counts the values of a page, or of a part of one. O(values). Throws config_error for elements other than bf16 and f32,
  /// and where `raw` ends within a value.
  void count(std::span<const std::byte> raw, element_type element)
  {
    if (element != element_type::bf16 && element != element_type::f32) {
      throw config_error("element", name_of(element), "exponents are counted of bf16 and f32");
    }
    const std::size_t width = bytes_of(element);
    if (raw.size() % width != 0) {
      throw config_error("raw.size()", raw.size(),
                         "it must be a multiple of a value's " + std::to_string(width) + " bytes");
    }
    for (std::size_t at = width - 2; at < raw.size(); at += width) {
      std::uint16_t top;  // a bf16 is the upper half of an f32
      std::memcpy(&top, raw.data() + at, sizeof(top));
      ++counts_[at / width % counts_.size()][(top >> 7) & 0xFF];
    }
  }

  exponent_counts& operator+=(const exponent_counts& other) noexcept
  {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      for (std::size_t e = 0; e < 256; ++e) counts_[i][e] += other.counts_[i][e];
    }
    return *this;
  }

  [[nodiscard]] std::uint64_t of(std::uint8_t exponent) const noexcept
  {
    std::uint64_t sum = 0;
    for (const auto& counts : counts_) sum += counts[exponent];
    return sum;
  }
  [[nodiscard]] std::uint64_t total() const noexcept
  {
    std::uint64_t sum = 0;
    for (std::uint32_t e = 0; e < 256; ++e) sum += of(static_cast<std::uint8_t>(e));
    return sum;
  }

  /// The commonest, ascending; of equals those closer to the very commonest. Where nothing was counted, the default one.
  [[nodiscard]] exponent_table table() const
  {
    std::array<std::uint64_t, 256> counts;
    std::array<std::uint32_t, 256> order;
    std::iota(order.begin(), order.end(), 0U);
    for (const std::uint32_t e : order) counts[e] = of(static_cast<std::uint8_t>(e));
    const auto peak = static_cast<std::uint32_t>(std::max_element(counts.begin(), counts.end()) - counts.begin());
    exponent_table out;
    if (counts[peak] == 0) return out;
    const auto distance = [&](std::uint32_t e) { return e < peak ? peak - e : e - peak; };
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return counts[a] != counts[b] ? counts[a] > counts[b] : distance(a) < distance(b);
    });
    std::sort(order.begin(), order.begin() + exponent_table::entries);
    for (std::size_t i = 0; i < out.exponents.size(); ++i) out.exponents[i] = static_cast<std::uint8_t>(order[i]);
    return out;
  }

  /// Which share of the values counted is not in `table`; 0 where none were.
  [[nodiscard]] double share_outside(const exponent_table& table) const noexcept
  {
    std::uint64_t inside = 0;
    for (std::uint32_t e = 0; e < 256; ++e) inside += table.has(e) ? of(static_cast<std::uint8_t>(e)) : 0;
    const std::uint64_t all = total();
    return all == 0 ? 0 : static_cast<double>(all - inside) / static_cast<double>(all);
  }

 private:
  // Turn by turn, so that equal neighbours do not wait for each other's store.
  std::array<std::array<std::uint64_t, 256>, 4> counts_ = {};
};

}  // namespace kvstrata::codec
