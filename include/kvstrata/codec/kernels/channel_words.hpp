// int4 by the threads of a block (block_coder.hpp): what encoder and decoder (channel_coder.hpp) have in common. A thread has
// some neighbouring channels, a column, in some tokens: 16 raw bytes of a token, or two channels where rows of a head do not
// come in such words.
#pragma once

#include <kvstrata/codec/kernels/head_words.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Machine, element_type E, bool In_words>
struct channel_words
{
  using bits = typename codec::element_bits<E>::bits;
  static constexpr std::uint32_t channels = In_words ? 16 / sizeof(bits) : 2;
  using values = std::array<bits, channels>;
  using codes = std::array<std::uint8_t, channels / 2>;
  using floats = std::array<float, channels>;

  const codec::head_units& units;
  std::uint32_t unit;

  [[nodiscard]] constexpr std::uint32_t columns() const { return (units.head_dim + channels - 1) / channels; }
  [[nodiscard]] constexpr bool has(std::uint32_t channel) const { return In_words || channel < units.head_dim; }

  [[nodiscard]] constexpr values load(const std::byte* raw, std::uint32_t token, std::uint32_t column) const
  {
    const std::byte* const from = raw + at(token, column);
    if constexpr (In_words) return std::bit_cast<values>(Machine::template load<16>(from));
    values out = {};
    unrolled<channels>([&](auto i) {
      if (!has(column * channels + i)) return;
      out[i] = std::bit_cast<bits>(Machine::template load<sizeof(bits)>(from + i * sizeof(bits)));
    });
    return out;
  }
  constexpr void store(std::byte* raw, std::uint32_t token, std::uint32_t column, const values& v) const
  {
    std::byte* const to = raw + at(token, column);
    if constexpr (In_words) {
      Machine::template store<16>(to, std::bit_cast<typename Machine::template word<16>>(v));
    } else {
      unrolled<channels>([&](auto i) {
        if (!has(column * channels + i)) return;
        Machine::template store<sizeof(bits)>(to + i * sizeof(bits),
                                              std::bit_cast<typename Machine::template word<sizeof(bits)>>(v[i]));
      });
    }
  }
  /// Where a column's codes of a token lie in the unit's code.
  [[nodiscard]] constexpr std::size_t code_at(std::uint32_t token, std::uint32_t column) const
  {
    const std::size_t row = (std::size_t{units.head_dim} + 1) / 2;
    return codec::unit_head_bytes + 2 * std::size_t{units.head_dim} + token * row + std::size_t{column} * channels / 2;
  }
  [[nodiscard]] static constexpr std::size_t scale_at(std::uint32_t channel)
  {
    return codec::unit_head_bytes + 2 * std::size_t{channel};
  }
  [[nodiscard]] static constexpr std::uint16_t load_scale(const std::byte* code, std::uint32_t channel)
  {
    return std::bit_cast<std::uint16_t>(Machine::template load<2>(code + scale_at(channel)));
  }
  static constexpr void store_scale(std::byte* code, std::uint32_t channel, std::uint16_t scale)
  {
    Machine::template store<2>(code + scale_at(channel), std::bit_cast<typename Machine::template word<2>>(scale));
  }
  /// Codes are written byte by byte where they are not aligned.
  constexpr void store_codes(std::byte* code, std::uint32_t token, std::uint32_t column, const codes& c) const
  {
    std::byte* const to = code + code_at(token, column);
    constexpr std::uint32_t count = channels / 2;
    if constexpr (In_words) {
      Machine::template store<count>(to, std::bit_cast<typename Machine::template word<count>>(c));
    } else {
      Machine::template store<1>(to, std::bit_cast<typename Machine::template word<1>>(c[0]));
    }
  }
  [[nodiscard]] constexpr codes load_codes(const std::byte* code, std::uint32_t token, std::uint32_t column) const
  {
    return std::bit_cast<codes>(Machine::template load<channels / 2>(code + code_at(token, column)));
  }

 private:
  [[nodiscard]] constexpr std::size_t at(std::uint32_t token, std::uint32_t column) const
  {
    return (units.begin(unit) + token * units.token_stride() + std::size_t{column} * channels) * sizeof(bits);
  }
};

/// Calls visit(words) with the channel_words of a unit.
template <class Machine, class Task, class Visit>
constexpr void with_channels(const Task& task, Visit&& visit)
{
  with_words_of<Machine, channel_words>(task, visit);
}

}  // namespace kvstrata
