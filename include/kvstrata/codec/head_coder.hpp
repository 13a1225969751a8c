// A page coder of units that are heads (codec/head_units.hpp), from the arithmetic of one: what int8, fp8 and int4 share.
//
// expression of arithmetic a                        meaning
// ------------------------------------------------- ----------------------------------------------------------------
// a.letters() -> std::uint32_t                      whose code it is
// a.template encode<E>(units, from, code)           `from`: the unit's first value; `code`: of the unit. The values are
//   -> unit_kind                                    read twice. unit_kind::raw: nothing was written
// a.template decode<E>(units, head, code, to)       what is in `code` was of kind coded
//   -> unit_kind
#pragma once

#include <kvstrata/codec/head_units.hpp>
#include <kvstrata/codec/values.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

template <class Arithmetic>
class head_coder
{
 public:
  constexpr head_coder(const head_units& units, const Arithmetic& arithmetic) noexcept
      : units_(units), arithmetic_(arithmetic)
  {
  }

  [[nodiscard]] constexpr std::uint32_t units() const noexcept { return units_.count(); }
  [[nodiscard]] constexpr std::size_t code_bytes() const noexcept { return units_.code_begin(units_.count()); }

  [[nodiscard]] unit_kind encode(std::uint32_t unit, const std::byte* raw, std::byte* code) const noexcept
  {
    switch (units_.element) {
      case element_type::f32: return encode_as<element_type::f32>(unit, raw, code);
      case element_type::f16: return encode_as<element_type::f16>(unit, raw, code);
      default: return encode_as<element_type::bf16>(unit, raw, code);
    }
  }

  [[nodiscard]] unit_kind decode(std::uint32_t unit, const std::byte* code, std::byte* raw) const noexcept
  {
    switch (units_.element) {
      case element_type::f32: return decode_as<element_type::f32>(unit, code, raw);
      case element_type::f16: return decode_as<element_type::f16>(unit, code, raw);
      default: return decode_as<element_type::bf16>(unit, code, raw);
    }
  }

  void mark_raw(std::uint32_t unit, std::byte* code) const noexcept
  {
    unit_head{}.write(code + units_.code_begin(unit));
  }

  [[nodiscard]] unit_kind kind_of(std::uint32_t unit, const std::byte* code) const noexcept
  {
    return unit_head::at(code + units_.code_begin(unit)).kind(arithmetic_.letters());
  }

  void copy_raw(std::uint32_t unit, const std::byte* from, std::byte* to) const noexcept
  {
    units_.copy(unit, from, to);
  }
  /// The unit's bytes in the piece at `raw`, all of that value.
  void fill(std::uint32_t unit, std::byte* raw, std::byte value) const noexcept { units_.fill(unit, raw, value); }

  [[nodiscard]] constexpr const head_units& layout() const noexcept { return units_; }
  [[nodiscard]] constexpr const Arithmetic& arithmetic() const noexcept { return arithmetic_; }
  /// By which a decoded value may differ: see the codec.
  [[nodiscard]] float scale_of(std::uint32_t unit, const std::byte* code) const noexcept
  {
    return unit_head::at(code + units_.code_begin(unit)).scale;
  }

 private:
  template <element_type E>
  [[nodiscard]] unit_kind encode_as(std::uint32_t unit, const std::byte* raw, std::byte* code) const noexcept
  {
    using bits = typename element_bits<E>::bits;
    std::byte* const to = code + units_.code_begin(unit);
    const unit_kind kind =
        arithmetic_.template encode<E>(units_, reinterpret_cast<const bits*>(raw) + units_.begin(unit), to);
    if (kind != unit_kind::coded) unit_head{}.write(to);
    else std::memset(to + units_.used_bytes, 0, units_.code_bytes - units_.used_bytes);
    return kind;
  }

  template <element_type E>
  [[nodiscard]] unit_kind decode_as(std::uint32_t unit, const std::byte* code, std::byte* raw) const noexcept
  {
    using bits = typename element_bits<E>::bits;
    const std::byte* const from = code + units_.code_begin(unit);
    const unit_head head = unit_head::at(from);
    const unit_kind kind = head.kind(arithmetic_.letters());
    if (kind != unit_kind::coded) return kind;
    return arithmetic_.template decode<E>(units_, head, from, reinterpret_cast<bits*>(raw) + units_.begin(unit));
  }

  head_units units_;
  Arithmetic arithmetic_;
};

}  // namespace kvstrata::codec
