// The head of a record: one block in front of its body, which says all of it.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/tiers/nvme/format/body.hpp>
#include <kvstrata/tiers/nvme/format/log_head.hpp>
#include <kvstrata/tiers/stores/record.hpp>

#include <cstdint>
#include <optional>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

struct record_head
{
  store_id store{};
  block_place place{};              ///< of this head
  std::uint64_t order = 0;          ///< grows with every put and erase
  std::uint64_t durable_order = 0;  ///< orders up to it were durable when this was written
  sequence_key key{};
  record_header header{};  ///< of at least one token
  token_interval put{};    ///< all tokens of the put that this is a record of; records of one put have one order
  std::uint32_t page_bytes = 0;
  std::uint32_t layers = 1;
  std::uint64_t code = 0;          ///< fingerprint of the codec that its body is encoded by; 0: it is not
  std::uint64_t coded_blocks = 0;  ///< of such a body

  /// Blocks behind the head.
  [[nodiscard]] constexpr std::uint64_t body_blocks() const noexcept
  {
    if (code != 0) return coded_blocks;
    return nvme::body_blocks(header.pages().size(), page_bytes, layers);
  }
  friend constexpr bool operator==(const record_head&, const record_head&) = default;
};

namespace at_record {
inline constexpr field64 key_id{at_log::end};
inline constexpr field32 key_space{72};
inline constexpr field32 page_tokens{76};
inline constexpr field64 incarnation{80};
inline constexpr field64 epoch{88};
inline constexpr field64 format{96};
inline constexpr field32 tokens_begin{104};
inline constexpr field32 tokens_end{108};
inline constexpr field32 first_token{112};
inline constexpr field32 earlier_until{116};
inline constexpr field32 vouched_tokens{120};
inline constexpr field32 stretch_stride{124};
inline constexpr field64 vouched_hash{128};
inline constexpr field64 stretch_hash{136};
inline constexpr field32 stretch_end{144};
inline constexpr field32 page_bytes{148};
inline constexpr field32 layers{152};
inline constexpr field32 put_begin{156};
inline constexpr field32 put_end{160};
inline constexpr field32 exact_until{164};            // that much less than all; from version 3 on
inline constexpr std::size_t layer_crcs = 168;        // 4 bytes each
inline constexpr field64 version{block_crc.at - 16};  // from version 4 on, and so is:
inline constexpr field32 atomic{block_crc.at - 8};
static_assert(apart(at_log::end, layer_crcs, key_id, key_space, page_tokens, incarnation, epoch, format, tokens_begin,
                    tokens_end, first_token, earlier_until, vouched_tokens, stretch_stride, vouched_hash, stretch_hash,
                    stretch_end, page_bytes, layers, put_begin, put_end, exact_until));
static_assert(layer_crcs + 4 * std::size_t{most_layers} <= version.at);
static_assert(layer_crcs + 4 * (std::size_t{most_layers} + 1) > version.at, "most_layers: as many as fit");

[[nodiscard]] constexpr field32 crc_of(std::uint32_t layer) noexcept { return {layer_crcs + 4 * std::size_t{layer}}; }

// Of a record with codes, in place of the checksums: the codec, and of each layer's part its checksum and its blocks.
inline constexpr field64 code{layer_crcs};
inline constexpr std::size_t parts = code.end();
static_assert(parts + 8 * std::size_t{most_coded_layers} <= version.at);
static_assert(parts + 8 * (std::size_t{most_coded_layers} + 1) > version.at, "most_coded_layers: as many as fit");

[[nodiscard]] constexpr field32 part_crc(std::uint32_t layer) noexcept { return {parts + 8 * std::size_t{layer}}; }
[[nodiscard]] constexpr field32 part_blocks(std::uint32_t layer) noexcept { return {part_crc(layer).end()}; }
}  // namespace at_record

/// A layer's part of a body that is encoded.
struct coded_part_mark
{
  std::uint32_t crc = 0;  ///< of the part as it lies, with its padding
  std::uint32_t blocks = 0;
};

namespace format_detail {

/// All but the checksums, and the end.
inline void begin_record_head(const record_head& from, block_kind kind, block_span out) noexcept
{
  const std::uint32_t inexact = ~from.header.inexact_from;  // 0: all is exact, as in heads that knew of nothing else
  const bool plain = kind == block_kind::record && inexact == 0;
  const bool versioned = from.header.version != 0 || from.header.atomic;
  begin_log_block(out, kind, from.store, from.place, from.order, from.durable_order,
                  versioned ? newest_version
                  : plain   ? format_version
                            : coded_version);
  std::byte* const to = out.data();
  const record_header& header = from.header;
  store(to, at_log::body_blocks, static_cast<std::uint32_t>(from.body_blocks()));
  store(to, at_record::key_id, from.key.id);
  store(to, at_record::key_space, from.key.space);
  store(to, at_record::page_tokens, header.page_tokens);
  store(to, at_record::incarnation, to_number(header.incarnation));
  store(to, at_record::epoch, to_number(header.epoch));
  store(to, at_record::format, static_cast<std::uint64_t>(header.format));
  store(to, at_record::tokens_begin, header.tokens.begin);
  store(to, at_record::tokens_end, header.tokens.end);
  store(to, at_record::first_token, header.first_token);
  store(to, at_record::earlier_until, header.earlier_until);
  store(to, at_record::vouched_tokens, header.vouched_tokens);
  store(to, at_record::vouched_hash, header.vouched_hash);
  store(to, at_record::stretch_stride, header.stretch_stride);
  store(to, at_record::stretch_end, header.stretch_end);
  store(to, at_record::stretch_hash, header.stretch_hash);
  store(to, at_record::page_bytes, from.page_bytes);
  store(to, at_record::layers, from.layers);
  store(to, at_record::put_begin, from.put.begin);
  store(to, at_record::put_end, from.put.end);
  store(to, at_record::exact_until, inexact);
  if (!versioned) return;
  store(to, at_record::version, header.version);
  store(to, at_record::atomic, header.atomic ? 1U : 0U);
}

}  // namespace format_detail

/// `layer_crcs`: crc32c of each layer's part of the body, with its padding; from.layers of them.
inline void encode(const record_head& from, std::span<const std::uint32_t> layer_crcs, block_span out) noexcept
{
  format_detail::begin_record_head(from, block_kind::record, out);
  for (std::uint32_t layer = 0; layer != from.layers; ++layer) {
    store(out.data(), at_record::crc_of(layer), layer_crcs[layer]);
  }
  format_detail::end_block(out);
}
/// Of a record with codes: from.code is one, from.coded_blocks are those of all parts, from.layers of them.
inline void encode(const record_head& from, std::span<const coded_part_mark> parts, block_span out) noexcept
{
  format_detail::begin_record_head(from, block_kind::coded_record, out);
  store(out.data(), at_record::code, from.code);
  for (std::uint32_t layer = 0; layer != from.layers; ++layer) {
    store(out.data(), at_record::part_crc(layer), parts[layer].crc);
    store(out.data(), at_record::part_blocks(layer), parts[layer].blocks);
  }
  format_detail::end_block(out);
}

namespace format_detail {

/// What a head says of an encoded body. False: it says nonsense.
[[nodiscard]] inline bool read_coded_body(const std::byte* from, record_head& head) noexcept
{
  head.code = load(from, at_record::code);
  if (head.code == 0 || head.layers > most_coded_layers) return false;
  for (std::uint32_t layer = 0; layer != head.layers; ++layer) {
    const std::uint32_t blocks = load(from, at_record::part_blocks(layer));
    if (blocks == 0) return false;
    head.coded_blocks += blocks;
  }
  return true;
}

}  // namespace format_detail

/// Empty: no head of a record of this store that belongs to this place. Of what is returned, the body's geometry holds
/// together, whatever it says.
[[nodiscard]] inline std::optional<record_head> decode_record_head(const_block_span block, const store_id& id,
                                                                   const block_place& place) noexcept
{
  const bool coded = format_detail::is_log_block(block, block_kind::coded_record, id, place);
  if (!coded && !format_detail::is_log_block(block, block_kind::record, id, place)) return std::nullopt;
  const std::byte* const from = block.data();
  record_head head{.store = id,
                   .place = place,
                   .order = load(from, at_log::order),
                   .durable_order = load(from, at_log::durable_order),
                   .key = {.space = load(from, at_record::key_space), .id = load(from, at_record::key_id)},
                   .header = {.incarnation = static_cast<incarnation_id>(load(from, at_record::incarnation)),
                              .epoch = static_cast<epoch_id>(load(from, at_record::epoch)),
                              .format = static_cast<kv_format>(load(from, at_record::format)),
                              .page_tokens = load(from, at_record::page_tokens),
                              .tokens = {load(from, at_record::tokens_begin), load(from, at_record::tokens_end)},
                              .first_token = load(from, at_record::first_token),
                              .earlier_until = load(from, at_record::earlier_until),
                              .vouched_tokens = load(from, at_record::vouched_tokens),
                              .vouched_hash = load(from, at_record::vouched_hash),
                              .stretch_stride = load(from, at_record::stretch_stride),
                              .stretch_end = load(from, at_record::stretch_end),
                              .stretch_hash = load(from, at_record::stretch_hash)},
                   .put = {load(from, at_record::put_begin), load(from, at_record::put_end)},
                   .page_bytes = load(from, at_record::page_bytes),
                   .layers = load(from, at_record::layers)};
  if (head.header.page_tokens == 0 || head.header.tokens.empty() || head.page_bytes == 0 || head.layers == 0 ||
      head.layers > most_layers || head.page_bytes % head.layers != 0 || !head.put.contains(head.header.tokens) ||
      (coded && !format_detail::read_coded_body(from, head)) || head.body_blocks() != load(from, at_log::body_blocks)) {
    return std::nullopt;
  }
  const std::uint32_t version = load(from, at_head::version);
  if (version != format_version) head.header.inexact_from = ~load(from, at_record::exact_until);
  if (version == newest_version) {
    head.header.version = load(from, at_record::version);
    head.header.atomic = load(from, at_record::atomic) != 0;
  }
  return head;
}

/// The checksum of a layer's part, of a block that decode_record_head took, and whose body is not encoded.
[[nodiscard]] inline std::uint32_t layer_crc(const_block_span block, std::uint32_t layer) noexcept
{
  return load(block.data(), at_record::crc_of(layer));
}
/// Of one whose body is encoded.
[[nodiscard]] inline coded_part_mark coded_part_of(const_block_span block, std::uint32_t layer) noexcept
{
  return {load(block.data(), at_record::part_crc(layer)), load(block.data(), at_record::part_blocks(layer))};
}

}  // namespace kvstrata::nvme
