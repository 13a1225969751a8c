// The code that exp_zstd writes and reads. Its bytes: codec/exp_zstd.hpp. Needs libzstd: link kvstrata::zstd.
#pragma once

#include <kvstrata/codec/scratch.hpp>
#include <kvstrata/codec/zstd/alphabet.hpp>
#include <kvstrata/codec/zstd/frames.hpp>
#include <kvstrata/codec/zstd/sevens.hpp>
#include <kvstrata/codec/zstd/split.hpp>
#include <kvstrata/core/geometry.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec::zstd {

class exp_code
{
 public:
  static constexpr std::size_t head_bytes = 16;

  exp_code(std::size_t values, element_type element, std::uint32_t crowded, bool measures) noexcept
      : values_(values), element_(element), crowded_(crowded), measures_(measures)
  {
  }

  [[nodiscard]] std::size_t raw_bytes() const noexcept { return values_ * bytes_of(element_); }
  [[nodiscard]] std::size_t most_bytes() const noexcept { return head_bytes + raw_bytes(); }

  [[nodiscard]] std::size_t encode(std::span<const std::byte> raw, std::span<std::byte> code) const
  {
    if (values_ != 0) {
      if (const std::size_t bytes = by_planes(raw, code); bytes != 0) return bytes;
    }
    write(code, {});
    if (values_ != 0) std::memcpy(code.data() + head_bytes, raw.data(), raw_bytes());
    return most_bytes();
  }

  [[nodiscard]] bool decode(std::span<const std::byte> code, std::span<std::byte> raw) const
  {
    if (code.size() < head_bytes || code.size() > most_bytes() || raw.size() < raw_bytes()) return false;
    const std::optional<head> h = read(code);
    if (!h) return false;
    if (h->kind == kind_planes) return from_planes(*h, code.subspan(head_bytes), raw);
    if (code.size() != most_bytes()) return false;
    if (values_ != 0) std::memcpy(raw.data(), code.data() + head_bytes, raw_bytes());
    return true;
  }

 private:
  static constexpr std::uint8_t magic = 0x7a;
  static constexpr std::uint8_t version = 1;
  static constexpr std::uint8_t kind_raw = 0;
  static constexpr std::uint8_t kind_planes = 1;

  struct head
  {
    std::uint8_t kind = kind_raw;
    std::uint32_t frame_bytes = 0;
    std::uint32_t crowded = 0;
    std::uint32_t first = 0;  ///< exponent
    std::uint32_t more = 0;   ///< exponents behind it
  };
  [[nodiscard]] static std::size_t pair_bytes(const head& h) noexcept
  {
    return (2 * (std::size_t{h.more} + 1) + 7) / 8;
  }

  void write(std::span<std::byte> code, const head& h) const noexcept
  {
    const auto byte = [](std::uint64_t v) { return static_cast<std::byte>(v & 255U); };
    const std::uint64_t n = values_;
    const std::uint64_t f = h.frame_bytes;
    const std::array<std::byte, head_bytes> out{
        byte(magic),     byte(version),         byte(h.kind),   byte(static_cast<std::uint64_t>(element_)),
        byte(n),         byte(n >> 8U),         byte(n >> 16U), byte(n >> 24U),
        byte(f),         byte(f >> 8U),         byte(f >> 16U), byte(f >> 24U),
        byte(h.crowded), byte(h.crowded >> 8U), byte(h.first),  byte(h.more)};
    std::memcpy(code.data(), out.data(), out.size());
  }

  /// Empty unless it is of such a piece and says nothing that cannot be.
  [[nodiscard]] std::optional<head> read(std::span<const std::byte> code) const noexcept
  {
    const auto at = [&](std::size_t i) { return std::to_integer<std::uint32_t>(code[i]); };
    const auto number = [&](std::size_t i) { return at(i) | at(i + 1) << 8U | at(i + 2) << 16U | at(i + 3) << 24U; };
    if (at(0) != magic || at(1) != version || at(2) > kind_planes || at(3) != static_cast<std::uint32_t>(element_) ||
        number(4) != values_) {
      return std::nullopt;
    }
    const head h{static_cast<std::uint8_t>(at(2)), number(8), at(12) | at(13) << 8U, at(14), at(15)};
    if (h.kind == kind_raw) {
      if (h.frame_bytes != 0 || h.crowded != 0 || h.first != 0 || h.more != 0) return std::nullopt;
      return h;
    }
    if (h.frame_bytes == 0 || h.first + h.more > 255 || (h.crowded >= planes::pairs && h.crowded != planes::no_pair)) {
      return std::nullopt;
    }
    return h;
  }

  /// 0 where that gains nothing.
  [[nodiscard]] std::size_t by_planes(std::span<const std::byte> raw, std::span<std::byte> code) const
  {
    const std::span<const std::uint16_t> high = upper_halves(raw);
    const planes::pair_counts counts = planes::count_pairs(high);
    const std::uint32_t crowded = crowded_in(high, counts);
    head h{.kind = kind_planes, .frame_bytes = 0, .crowded = crowded, .first = 255, .more = 0};
    std::uint32_t last = 0;
    planes::pair_set set{};
    for (std::uint32_t pair = 0; pair < planes::pairs; ++pair) {
      if (counts[pair] == 0 || pair == crowded) continue;
      planes::add(set, pair);
      h.first = (std::min)(h.first, pair & 255U);
      last = (std::max)(last, pair & 255U);
    }
    h.first = (std::min)(h.first, last);
    h.more = last - h.first;
    const planes::alphabet letters = planes::alphabet_of(set, crowded);
    if (!letters.fits()) return 0;

    auto* const symbols = reinterpret_cast<std::uint8_t*>(scratch(0, values_ + planes::slack).data());
    auto* const mantissas = reinterpret_cast<std::uint8_t*>(scratch(1, values_ + planes::slack).data());
    const std::size_t found = planes::split(high, letters, symbols, mantissas);
    const std::size_t before = head_bytes + pair_bytes(h);
    const std::size_t behind = planes::packed_sevens(found) + lower_bytes();
    if (before + behind >= raw_bytes()) return 0;
    const std::size_t frame = frames::mine().compress({reinterpret_cast<const std::byte*>(symbols), values_},
                                                      code.subspan(before, raw_bytes() - before - behind));
    if (frame == 0) return 0;
    h.frame_bytes = static_cast<std::uint32_t>(frame);

    write(code, h);
    std::memset(code.data() + head_bytes, 0, pair_bytes(h));
    for (std::uint32_t bit = 0; bit < 2 * (h.more + 1); ++bit) {
      if (planes::has(set, h.first + bit / 2 + bit % 2 * 256)) {
        code[head_bytes + bit / 8] |= static_cast<std::byte>(1U << bit % 8);
      }
    }
    std::memset(mantissas + found, 0, 8);  // of the last eight, which are written whole
    planes::pack_sevens(mantissas, found, code.data() + before + frame);
    copy_lower_out(raw, code.subspan(before + frame + planes::packed_sevens(found)));
    return before + frame + behind;
  }

  /// None where it would leave no room for the others.
  [[nodiscard]] std::uint32_t crowded_in(std::span<const std::uint16_t> high, const planes::pair_counts& counts) const
  {
    const std::uint32_t pair = measures_ ? planes::find_crowded(high, counts) : crowded_;
    if (pair == planes::no_pair || counts[pair] == 0) return planes::no_pair;
    const auto occurring = planes::pairs - static_cast<std::size_t>(std::count(counts.begin(), counts.end(), 0U));
    return occurring <= planes::mantissas + 1 ? pair : planes::no_pair;
  }

  [[nodiscard]] bool from_planes(const head& h, std::span<const std::byte> rest, std::span<std::byte> raw) const
  {
    const std::size_t before = pair_bytes(h);
    if (rest.size() < before + lower_bytes() || h.frame_bytes > rest.size() - before - lower_bytes()) return false;
    planes::pair_set set{};
    for (std::uint32_t bit = 0; bit < 8 * before; ++bit) {
      if ((std::to_integer<std::uint32_t>(rest[bit / 8]) >> bit % 8 & 1U) == 0) continue;
      if (bit >= 2 * (h.more + 1)) return false;
      planes::add(set, h.first + bit / 2 + bit % 2 * 256);
    }
    if (h.crowded != planes::no_pair && planes::has(set, h.crowded)) return false;
    const planes::alphabet letters = planes::alphabet_of(set, h.crowded);
    if (!letters.fits() || letters.size() == 0) return false;

    const std::span<std::byte> plane = scratch(0, values_ + planes::slack).first(values_);
    if (!frames::mine().decompress(rest.subspan(before, h.frame_bytes), plane)) return false;
    const std::span<const std::uint8_t> symbols{reinterpret_cast<const std::uint8_t*>(plane.data()), values_};
    const planes::found_symbols found = planes::look_at(symbols, letters.plain);
    const std::span<const std::byte> packed = rest.subspan(before + h.frame_bytes);
    if (found.largest >= letters.size()) return false;
    if (packed.size() != planes::packed_sevens(found.plain) + lower_bytes()) return false;

    auto* const mantissas =
        reinterpret_cast<std::uint8_t*>(scratch(1, planes::packed_sevens(found.plain) / 7 * 8 + planes::slack).data());
    planes::unpack_sevens(packed.data(), found.plain, mantissas);
    if (element_ == element_type::bf16) {
      planes::join(symbols, mantissas, letters, reinterpret_cast<std::uint16_t*>(raw.data()));
    } else {
      auto* const high = reinterpret_cast<std::uint16_t*>(scratch(2, 2 * values_).data());
      planes::join(symbols, mantissas, letters, high);
      merge(high, packed.subspan(packed.size() - lower_bytes()), raw);
    }
    return true;
  }

  // ---- f32: two halves ----
  [[nodiscard]] std::size_t lower_bytes() const noexcept { return element_ == element_type::f32 ? 2 * values_ : 0; }

  [[nodiscard]] std::span<const std::uint16_t> upper_halves(std::span<const std::byte> raw) const
  {
    if (element_ == element_type::bf16) return {reinterpret_cast<const std::uint16_t*>(raw.data()), values_};
    auto* const high = reinterpret_cast<std::uint16_t*>(scratch(2, 2 * values_).data());
    for (std::size_t i = 0; i < values_; ++i) std::memcpy(high + i, raw.data() + 4 * i + 2, 2);
    return {high, values_};
  }
  void copy_lower_out(std::span<const std::byte> raw, std::span<std::byte> to) const noexcept
  {
    if (element_ != element_type::f32) return;
    for (std::size_t i = 0; i < values_; ++i) std::memcpy(to.data() + 2 * i, raw.data() + 4 * i, 2);
  }
  void merge(const std::uint16_t* high, std::span<const std::byte> low, std::span<std::byte> raw) const noexcept
  {
    for (std::size_t i = 0; i < values_; ++i) {
      std::memcpy(raw.data() + 4 * i, low.data() + 2 * i, 2);
      std::memcpy(raw.data() + 4 * i + 2, high + i, 2);
    }
  }

  std::size_t values_;
  element_type element_;
  std::uint32_t crowded_;
  bool measures_;
};

}  // namespace kvstrata::codec::zstd
