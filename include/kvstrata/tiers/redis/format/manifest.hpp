// What a cluster has of a sequence: one small value, which is changed in one step and says which others belong to it.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/tiers/redis/format/keys.hpp>
#include <kvstrata/tiers/redis/format/record_fields.hpp>
#include <kvstrata/tiers/redis/format/value_head.hpp>
#include <kvstrata/tiers/stores/format/crc32c.hpp>
#include <kvstrata/tiers/stores/format/fields.hpp>
#include <kvstrata/tiers/stores/record.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// Pages that were put at one time, and which of them still count.
struct put_pages
{
  std::uint64_t number = 0;  ///< in the names of its values
  page_interval put;         ///< all of them
  page_interval used;        ///< not empty

  friend constexpr bool operator==(const put_pages& a, const put_pages& b) noexcept
  {
    return a.number == b.number && a.put.begin == b.put.begin && a.put.end == b.put.end &&
           a.used.begin == b.used.begin && a.used.end == b.used.end;
  }
};

inline constexpr std::size_t most_puts = 1024;      ///< of a manifest
inline constexpr std::size_t most_past_lives = 32;  ///< that are remembered, the newest last

struct manifest
{
  sequence_key key{};
  std::uint64_t number = 0;     ///< grows with every change, also where the manifest itself was lost meanwhile
  std::uint64_t erased_at = 0;  ///< puts by who has not heard of this number are too late; 0: never erased
  record_header header{};       ///< no tokens: there is nothing, though its life may go on
  std::uint32_t page_bytes = 0;
  std::uint32_t layers = 1;
  std::uint32_t value_bytes = 0;          ///< at most, with its head
  std::uint64_t codec = 0;                ///< of its values' bodies, as in their heads
  std::vector<put_pages> puts;            ///< side by side, in the order of their pages, together those of the header
  std::vector<std::uint64_t> past_lives;  ///< that are over: others, or an erasure, came after; life_number of each

  [[nodiscard]] bool has_tokens() const noexcept { return !header.tokens.empty(); }
  /// Also where its tokens are gone, but not after an erasure.
  [[nodiscard]] bool has_life() const noexcept { return has_tokens() || header.incarnation != incarnation_id{}; }
  friend bool operator==(const manifest&, const manifest&) = default;
};

/// One number for a life: equal where same_life says so, else as good as never.
[[nodiscard]] constexpr std::uint64_t life_number(const record_header& header) noexcept
{
  std::uint64_t x = 0x6c696665U;
  for (const std::uint64_t part : {to_number(header.incarnation), to_number(header.epoch),
                                   static_cast<std::uint64_t>(header.format), std::uint64_t{header.page_tokens}}) {
    x = (x ^ part) + 0x9e3779b97f4a7c15U;
    x = (x ^ x >> 30U) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27U) * 0x94d049bb133111ebU;
    x ^= x >> 31U;
  }
  return x;
}

namespace at_manifest {
using namespace stores;
inline constexpr field64 magic{0};
inline constexpr field32 version{8};
inline constexpr field32 key_space{12};
inline constexpr field64 key_id{16};
inline constexpr field64 number{24};
inline constexpr field64 erased_at{32};
inline constexpr field32 page_bytes{40};
inline constexpr field32 layers{44};
inline constexpr field32 value_bytes{48};
inline constexpr field32 puts{52};
inline constexpr field32 past_lives{56};
inline constexpr std::size_t header = 64;
inline constexpr field64 codec{header + at_header::end};
inline constexpr std::size_t rows = codec.end();  // puts, then past lives, then a checksum of all before
inline constexpr std::size_t put_bytes = 24;
inline constexpr field64 row_number{0};
inline constexpr field32 row_put_begin{8};
inline constexpr field32 row_put_end{12};
inline constexpr field32 row_used_begin{16};
inline constexpr field32 row_used_end{20};
static_assert(apart(0, header, magic, version, key_space, key_id, number, erased_at, page_bytes, layers, value_bytes,
                    puts, past_lives));
static_assert(apart(0, put_bytes, row_number, row_put_begin, row_put_end, row_used_begin, row_used_end));
}  // namespace at_manifest

inline constexpr std::uint64_t manifest_magic = 0x54534546494e414dU;  // "MANIFEST"
inline constexpr std::size_t most_manifest_bytes =
    at_manifest::rows + most_puts * at_manifest::put_bytes + most_past_lives * 8 + 4;

[[nodiscard]] inline std::vector<std::byte> encode(const manifest& from)
{
  using stores::store;
  const std::size_t rows = at_manifest::rows;
  const std::size_t lives = rows + from.puts.size() * at_manifest::put_bytes;
  const std::size_t end = lives + from.past_lives.size() * 8;
  std::vector<std::byte> out(end + 4);
  std::byte* const to = out.data();
  store(to, at_manifest::magic, manifest_magic);
  store(to, at_manifest::version, format_for(from.header, from.codec));
  store(to, at_manifest::key_space, from.key.space);
  store(to, at_manifest::key_id, from.key.id);
  store(to, at_manifest::number, from.number);
  store(to, at_manifest::erased_at, from.erased_at);
  store(to, at_manifest::page_bytes, from.page_bytes);
  store(to, at_manifest::layers, from.layers);
  store(to, at_manifest::value_bytes, from.value_bytes);
  store(to, at_manifest::codec, from.codec);
  store(to, at_manifest::puts, static_cast<std::uint32_t>(from.puts.size()));
  store(to, at_manifest::past_lives, static_cast<std::uint32_t>(from.past_lives.size()));
  encode_header(from.header, to + at_manifest::header);
  for (std::size_t i = 0; i < from.puts.size(); ++i) {
    std::byte* const row = to + rows + i * at_manifest::put_bytes;
    store(row, at_manifest::row_number, from.puts[i].number);
    store(row, at_manifest::row_put_begin, from.puts[i].put.begin);
    store(row, at_manifest::row_put_end, from.puts[i].put.end);
    store(row, at_manifest::row_used_begin, from.puts[i].used.begin);
    store(row, at_manifest::row_used_end, from.puts[i].used.end);
  }
  for (std::size_t i = 0; i < from.past_lives.size(); ++i) {
    store(to, stores::field64{lives + i * 8}, from.past_lives[i]);
  }
  store(to, stores::field32{end}, stores::crc32c(std::span(out).first(end)));
  return out;
}

namespace manifest_detail {

/// Do its parts agree? A reader takes nothing on trust that another wrote.
[[nodiscard]] inline bool holds_together(const manifest& m) noexcept
{
  if (!m.has_tokens()) return m.puts.empty();
  if (m.header.page_tokens == 0 || m.layers == 0 || m.page_bytes == 0 || m.page_bytes % m.layers != 0 ||
      m.value_bytes <= value_head_bytes || m.puts.empty()) {
    return false;
  }
  page_count at = m.header.pages().begin;
  for (const put_pages& p : m.puts) {
    if (p.used.empty() || p.used.begin != at || p.used.begin < p.put.begin || p.used.end > p.put.end) return false;
    at = p.used.end;
  }
  return at == m.header.pages().end;
}

}  // namespace manifest_detail

/// Empty: these are not the bytes of a manifest of a known format, or it contradicts itself. Takes no more memory than the
/// bytes are.
[[nodiscard]] inline std::optional<manifest> decode_manifest(std::span<const std::byte> bytes)
{
  using stores::load;
  const std::byte* const from = bytes.data();
  if (bytes.size() < at_manifest::rows + 4 || bytes.size() > most_manifest_bytes ||
      load(from, at_manifest::magic) != manifest_magic ||
      !is_known_format(load(from, at_manifest::version), load(from, at_manifest::codec))) {
    return std::nullopt;
  }
  const std::size_t puts = load(from, at_manifest::puts);
  const std::size_t lives = load(from, at_manifest::past_lives);
  if (puts > most_puts || lives > most_past_lives) return std::nullopt;
  const std::size_t end = at_manifest::rows + puts * at_manifest::put_bytes + lives * 8;
  if (bytes.size() != end + 4 || load(from, stores::field32{end}) != stores::crc32c(bytes.first(end))) {
    return std::nullopt;
  }
  manifest out{.key = {.space = load(from, at_manifest::key_space), .id = load(from, at_manifest::key_id)},
               .number = load(from, at_manifest::number),
               .erased_at = load(from, at_manifest::erased_at),
               .header = decode_header(from + at_manifest::header),
               .page_bytes = load(from, at_manifest::page_bytes),
               .layers = load(from, at_manifest::layers),
               .value_bytes = load(from, at_manifest::value_bytes),
               .codec = load(from, at_manifest::codec),
               .puts = {},
               .past_lives = {}};
  for (std::size_t i = 0; i < puts; ++i) {
    const std::byte* const row = from + at_manifest::rows + i * at_manifest::put_bytes;
    out.puts.push_back({.number = load(row, at_manifest::row_number),
                        .put = {load(row, at_manifest::row_put_begin), load(row, at_manifest::row_put_end)},
                        .used = {load(row, at_manifest::row_used_begin), load(row, at_manifest::row_used_end)}});
  }
  for (std::size_t i = 0; i < lives; ++i) {
    out.past_lives.push_back(load(from, stores::field64{at_manifest::rows + puts * at_manifest::put_bytes + i * 8}));
  }
  if (!manifest_detail::holds_together(out)) return std::nullopt;
  return out;
}

}  // namespace kvstrata::redis
