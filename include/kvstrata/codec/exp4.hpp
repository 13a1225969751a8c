// exp4: bf16 in three quarters of its bytes, none of them lost. The 15 commonest exponents get codes of four bits, the others
// are escapes, whose places and exponents are listed; sign and mantissa stay a byte. Fixed-size codes at memory speed: a
// piece of 16 or 32 KiB costs raw bytes / 1.32. An f32 has its exponent coded and three bytes beside it: / 1.138, for what
// that is worth. f16 and one-byte elements are refused: a 4-bit code of a 5- or 4-bit exponent saves next to nothing.
//
// There is room for a share of escapes. A unit (8,192 values) that has more is kept raw, elsewhere: values unlike those that
// the table was counted on, or the rest of a page that no token fills yet, if that is noise. Whatever it holds, every
// pattern comes back as it was, NaN payloads, signed zeros and denormals among them. A unit's code has its table with it,
// so that it can be decoded whichever table serves by now.
//
// How a unit lies: exp4/unit.hpp. Its arithmetic: exp4/portable.hpp, with AVX2 and AVX-512 beside it.
#pragma once

#include <kvstrata/codec/concepts.hpp>
#include <kvstrata/codec/exp4/paths.hpp>
#include <kvstrata/codec/exponent_table.hpp>
#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

/// exp4, bound to the shape of a piece. A page coder (codec/concepts.hpp).
class exp4_coder
{
 public:
  /// `values` of `width` bytes, 2 or 4; room for `escapes` in every 8,192.
  constexpr exp4_coder(std::size_t values, std::uint32_t width, double escape_share, const exp4_table& table) noexcept
      : values_(values), table_(table)
  {
    const auto room = [&](std::uint32_t of) { return static_cast<std::uint32_t>(of * escape_share); };
    const auto last = static_cast<std::uint32_t>((values - 1) % exp4_unit::most_values) + 1;
    whole_ = exp4_unit::of(exp4_unit::most_values, width, room(exp4_unit::most_values));
    last_ = exp4_unit::of(last, width, room(last));
  }

  [[nodiscard]] constexpr std::uint32_t units() const noexcept
  {
    return static_cast<std::uint32_t>((values_ + exp4_unit::most_values - 1) / exp4_unit::most_values);
  }
  [[nodiscard]] constexpr std::size_t code_bytes() const noexcept { return code_at(units() - 1) + last_.code_bytes(); }

  /// How one unit lies; where its raw bytes begin in the piece, and its code in the code.
  [[nodiscard]] constexpr const exp4_unit& unit(std::uint32_t unit) const noexcept
  {
    return unit + 1 < units() ? whole_ : last_;
  }
  [[nodiscard]] constexpr std::size_t raw_at(std::uint32_t unit) const noexcept
  {
    return std::size_t{unit} * whole_.raw_bytes();
  }
  [[nodiscard]] constexpr std::size_t code_at(std::uint32_t unit) const noexcept
  {
    return std::size_t{unit} * whole_.code_bytes();
  }
  [[nodiscard]] constexpr const exp4_table& table() const noexcept { return table_; }

  unit_kind encode(std::uint32_t unit, const std::byte* raw, std::byte* code) const noexcept
  {
    return encode(exp4_paths().front(), unit, raw, code);
  }
  void mark_raw(std::uint32_t unit, std::byte* code) const noexcept
  {
    const std::uint64_t head = this->unit(unit).head_of_raw();
    std::memcpy(code + code_at(unit), &head, sizeof(head));
  }
  [[nodiscard]] unit_kind kind_of(std::uint32_t unit, const std::byte* code) const noexcept
  {
    const exp4_unit& how = this->unit(unit);
    const auto head = exp4_portable::load<std::uint64_t>(code + code_at(unit));
    if (head == how.head_of_raw()) return unit_kind::raw;
    return how.escapes_of(head) <= how.room ? unit_kind::coded : unit_kind::malformed;
  }
  /// Malformed, too, where the table's exponents do not ascend, or the list and the codes do not say the same escapes.
  unit_kind decode(std::uint32_t unit, const std::byte* code, std::byte* raw) const noexcept
  {
    return decode(exp4_paths().front(), unit, code, raw);
  }
  void copy_raw(std::uint32_t unit, const std::byte* from, std::byte* to) const noexcept
  {
    std::memcpy(to + raw_at(unit), from + raw_at(unit), this->unit(unit).raw_bytes());
  }

  void fill(std::uint32_t unit, std::byte* raw, std::byte value) const noexcept
  {
    std::fill_n(raw + raw_at(unit), this->unit(unit).raw_bytes(), value);
  }

  /// As above, by a path of one's choice, one of exp4_paths().
  unit_kind encode(const exp4_path& path, std::uint32_t unit, const std::byte* raw, std::byte* code) const noexcept
  {
    const exp4_unit& how = this->unit(unit);
    raw += raw_at(unit);
    std::byte* const to = code + code_at(unit);
    alignas(64) std::byte codes[exp4_unit::most_values / 2];
    std::uint16_t places[exp4_unit::most_head_bytes / 3];
    exp4_escapes escapes{places, 0, how.room};
    const std::uint32_t tiled = how.tiles() * exp4_unit::tile_groups;
    path.classify(how, table_, 0, tiled, raw, codes, escapes);
    if (!escapes.overflow()) exp4_portable::classify(how, table_, tiled, how.groups(), raw, codes, escapes);
    if (escapes.overflow()) {
      mark_raw(unit, code);
      return unit_kind::raw;
    }

    std::memset(to, 0, how.head_bytes());
    const std::uint64_t head = how.head_of_coded(escapes.count);
    std::memcpy(to, &head, sizeof(head));
    std::memcpy(to + exp4_unit::table_at, table_.exponents, sizeof(table_.exponents));
    std::memcpy(to + exp4_unit::places_at, places, escapes.count * sizeof(places[0]));
    for (std::uint32_t i = 0; i < escapes.count; ++i) {
      const std::uint32_t top = exp4_portable::load<std::uint16_t>(raw + how.top_at(places[i]));
      to[how.exponents_at() + i] = static_cast<std::byte>(top >> 7 & 0xFF);
    }
    std::memcpy(to + how.plane_at(0, 0), codes, how.plane_bytes());
    path.split(how, 0, tiled, raw, to);
    exp4_portable::split(how, tiled, how.groups(), raw, to);
    return unit_kind::coded;
  }

  unit_kind decode(const exp4_path& path, std::uint32_t unit, const std::byte* code, std::byte* raw) const noexcept
  {
    const unit_kind kind = kind_of(unit, code);
    if (kind != unit_kind::coded) return kind;
    const exp4_unit& how = this->unit(unit);
    const std::byte* const from = code + code_at(unit);
    raw += raw_at(unit);
    const std::uint32_t escapes = how.escapes_of(exp4_portable::load<std::uint64_t>(from));
    if (!is_sound(how, from, escapes)) return unit_kind::malformed;
    const std::uint32_t tiled = how.tiles() * exp4_unit::tile_groups;
    const std::byte* const codes = from + how.plane_at(0, 0);
    if (path.escapes(how, 0, tiled, codes) + exp4_portable::escapes(how, tiled, how.groups(), codes) != escapes) {
      return unit_kind::malformed;
    }

    const std::byte* const exponents = from + exp4_unit::table_at;
    path.join(how, exponents, 0, tiled, from, raw);
    exp4_portable::join(how, exponents, tiled, how.groups(), from, raw);
    for (std::uint32_t i = 0; i < escapes; ++i) {
      const std::uint32_t place = place_of(from, i);
      const std::uint16_t top = exp4_portable::top_of(std::to_integer<std::uint32_t>(from[how.exponents_at() + i]),
                                                      std::to_integer<std::uint32_t>(from[how.rest_at(place)]));
      std::memcpy(raw + how.top_at(place), &top, sizeof(top));
    }
    return unit_kind::coded;
  }

 private:
  [[nodiscard]] static std::uint32_t place_of(const std::byte* from, std::uint32_t i) noexcept
  {
    return exp4_portable::load<std::uint16_t>(from + exp4_unit::places_at + 2 * i);
  }

  /// Whether the head could be that of an encoded unit: the table, and the places and exponents of escapes.
  [[nodiscard]] static bool is_sound(const exp4_unit& how, const std::byte* from, std::uint32_t escapes) noexcept
  {
    const std::byte* const exponents = from + exp4_unit::table_at;
    if (exponents[0] != std::byte{0}) return false;
    for (std::uint32_t c = 2; c < 16; ++c) {
      if (exponents[c - 1] >= exponents[c]) return false;
    }
    for (std::uint32_t i = 0; i < escapes; ++i) {
      const std::uint32_t place = place_of(from, i);
      if (place >= how.values || (i != 0 && place <= place_of(from, i - 1))) return false;
      const auto both = std::to_integer<std::uint32_t>(from[how.code_at(place)]);
      if ((exp4_unit::is_high(place) ? both >> 4 : both & 15) != 0) return false;
      const std::byte exponent = from[how.exponents_at() + i];
      if (std::find(exponents + 1, exponents + 16, exponent) != exponents + 16) return false;
    }
    const auto is_zero = [](std::byte b) { return b == std::byte{0}; };
    return std::all_of(from + exp4_unit::places_at + 2 * escapes, from + how.exponents_at(), is_zero) &&
           std::all_of(from + how.exponents_at() + escapes, from + how.head_bytes(), is_zero);
  }

  std::size_t values_;
  exp4_unit whole_, last_;
  exp4_table table_;
};

struct exp4
{
  using option_kind = codec_option;
  static constexpr std::string_view name = "exp4";
  static constexpr bool lossy = false;

  /// Room for 29 escapes in 8,192 values: what keeps a piece of 16 KiB at raw bytes / 1.32. Trained KV had at most 8.
  static constexpr double default_escape_share = 29.0 / exp4_unit::most_values;

  struct config
  {
    exponent_table table = {};
    double escape_share = default_escape_share;  ///< of values, with room: 0 to 1/8
  };

  /// Throws config_error for elements other than bf16 and f32, a piece without values or of 2^44 and more, an exponent that
  /// the table has twice, and a share beyond its bounds.
  [[nodiscard]] static exp4_coder coder(const piece_shape& piece, const config& told)
  {
    if (piece.element != element_type::bf16 && piece.element != element_type::f32) {
      throw config_error("piece.element", name_of(piece.element),
                         "exp4 codes exponents of 8 bits: those of bf16, and of f32, where it gains less");
    }
    constexpr std::size_t most = std::size_t{1} << 44;
    if (piece.values() == 0 || piece.values() >= most) {
      throw config_error("piece.values()", piece.values(),
                         "exp4 encodes 1 to " + std::to_string(most - 1) + " values at a time");
    }
    constexpr double most_share = 1.0 * exp4_unit::most_escapes / exp4_unit::most_values;
    if (!(told.escape_share >= 0 && told.escape_share <= most_share)) {
      throw config_error("exp4::config.escape_share", std::to_string(told.escape_share), "it must be 0 to 0.125");
    }
    std::array<std::uint8_t, exponent_table::entries> ascending = told.table.exponents;
    std::sort(ascending.begin(), ascending.end());
    const auto twice = std::adjacent_find(ascending.begin(), ascending.end());
    if (twice != ascending.end()) {
      throw config_error("exp4::config.table.exponents", *twice, "each exponent may be there once only");
    }
    return exp4_coder(piece.values(), static_cast<std::uint32_t>(bytes_of(piece.element)), told.escape_share,
                      exp4_table(ascending));
  }
};

static_assert(page_codec<exp4>);

}  // namespace kvstrata::codec
