// What stands in front of each value: it says whose it is and what of it, so that nothing is believed because of the name it
// was found under. A server that was away gives old values back, a slot that moved half leaves two.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/tiers/redis/format/record_fields.hpp>
#include <kvstrata/tiers/stores/format/crc32c.hpp>
#include <kvstrata/tiers/stores/format/fields.hpp>
#include <kvstrata/tiers/stores/record.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

struct value_head
{
  sequence_key key{};
  record_header header{};    ///< of the put: its life, and its tokens
  std::uint64_t number = 0;  ///< of the put
  std::uint64_t codec = 0;   ///< what the body is encoded by, and what of (fingerprint_with_piece); 0: it is not
  std::uint32_t page_bytes = 0;
  std::uint32_t layers = 1;
  std::uint32_t layer = 0;
  std::uint32_t piece = 0;  ///< of this layer of the put's pages, cut at equal lengths
  std::uint64_t begin = 0;  ///< of what the body holds, in bytes of this layer of the put's pages
  std::uint32_t bytes = 0;  ///< of the body, as it is there; never 0
  std::uint32_t crc = 0;    ///< of the body

  friend constexpr bool operator==(const value_head&, const value_head&) = default;
};

namespace at_value {
using namespace stores;
inline constexpr field64 magic{0};
inline constexpr field32 version{8};
inline constexpr field32 bytes{12};
inline constexpr field64 key_id{16};
inline constexpr field32 key_space{24};
inline constexpr field32 page_bytes{28};
inline constexpr field64 number{32};
inline constexpr field64 codec{40};
inline constexpr field64 begin{48};
inline constexpr field32 layers{56};
inline constexpr field32 layer{60};
inline constexpr field32 piece{64};
inline constexpr field32 crc{68};
inline constexpr std::size_t header = 72;
inline constexpr field32 head_crc{188};  // of all before it
inline constexpr std::size_t end = 192;
static_assert(apart(0, header, magic, version, bytes, key_id, key_space, page_bytes, number, codec, begin, layers,
                    layer, piece, crc));
static_assert(header + at_header::end <= head_crc.at);
}  // namespace at_value

inline constexpr std::size_t value_head_bytes = at_value::end;
inline constexpr std::uint64_t value_magic = 0x45554c4156564b4bU;  // "KKVVALUE"

using value_head_span = std::span<std::byte, value_head_bytes>;
using const_value_head_span = std::span<const std::byte, value_head_bytes>;

inline void encode(const value_head& from, value_head_span out) noexcept
{
  using stores::store;
  std::byte* const to = out.data();
  for (std::byte& b : out) b = std::byte{0};
  store(to, at_value::magic, value_magic);
  store(to, at_value::version, format_for(from.header, from.codec));
  store(to, at_value::bytes, from.bytes);
  store(to, at_value::key_id, from.key.id);
  store(to, at_value::key_space, from.key.space);
  store(to, at_value::page_bytes, from.page_bytes);
  store(to, at_value::number, from.number);
  store(to, at_value::codec, from.codec);
  store(to, at_value::begin, from.begin);
  store(to, at_value::layers, from.layers);
  store(to, at_value::layer, from.layer);
  store(to, at_value::piece, from.piece);
  store(to, at_value::crc, from.crc);
  encode_header(from.header, to + at_value::header);
  store(to, at_value::head_crc, stores::crc32c(out.first(at_value::head_crc.at)));
}

/// Empty: it is no head of a value of a known format, or a byte of it is another.
[[nodiscard]] inline std::optional<value_head> decode_value_head(const_value_head_span bytes) noexcept
{
  using stores::load;
  const std::byte* const from = bytes.data();
  if (load(from, at_value::magic) != value_magic ||
      !is_known_format(load(from, at_value::version), load(from, at_value::codec)) ||
      load(from, at_value::head_crc) != stores::crc32c(bytes.first(at_value::head_crc.at))) {
    return std::nullopt;
  }
  const value_head out{.key = {.space = load(from, at_value::key_space), .id = load(from, at_value::key_id)},
                       .header = decode_header(from + at_value::header),
                       .number = load(from, at_value::number),
                       .codec = load(from, at_value::codec),
                       .page_bytes = load(from, at_value::page_bytes),
                       .layers = load(from, at_value::layers),
                       .layer = load(from, at_value::layer),
                       .piece = load(from, at_value::piece),
                       .begin = load(from, at_value::begin),
                       .bytes = load(from, at_value::bytes),
                       .crc = load(from, at_value::crc)};
  if (out.bytes == 0 || out.layers == 0 || out.layer >= out.layers || out.header.page_tokens == 0) return std::nullopt;
  return out;
}

/// Is it what a reader expects, whatever its body turns out to be? What a value says of itself alone are its checksum, and the
/// tokens of its put, of which a manifest has the pages; and where it is encoded how long it is, which is at most as expected.
[[nodiscard]] inline bool is_expected(const value_head& found, const value_head& expected) noexcept
{
  return found.key == expected.key && same_life(found.header, expected.header) && found.number == expected.number &&
         found.codec == expected.codec && found.page_bytes == expected.page_bytes && found.layers == expected.layers &&
         found.layer == expected.layer && found.piece == expected.piece && found.begin == expected.begin &&
         (expected.codec == 0 ? found.bytes == expected.bytes : found.bytes <= expected.bytes);
}

}  // namespace kvstrata::redis
