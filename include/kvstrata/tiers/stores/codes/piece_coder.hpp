// A page in one layer is encoded, or kept as it is, and decoded, and checked, whatever store keeps it.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/stores/codes/body_code.hpp>
#include <kvstrata/tiers/stores/codes/coded_part.hpp>
#include <kvstrata/tiers/stores/format/crc32c.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::stores {

/// Bytes of a page in one layer, in one piece, and aligned as codecs want it. Not for several threads.
class piece_buffer
{
 public:
  explicit piece_buffer(std::size_t bytes) : bytes_(bytes) {}

  [[nodiscard]] std::span<std::byte> all() noexcept { return bytes_; }

  /// What lies in these parts of memory, each with data and bytes; copied only where it is not in one piece and aligned.
  template <class Part>
  [[nodiscard]] std::span<const std::byte> gather(std::span<const Part> parts) noexcept
  {
    constexpr std::uintptr_t alignment = 16;
    if (parts.size() == 1 && reinterpret_cast<std::uintptr_t>(parts.front().data) % alignment == 0) {
      return {parts.front().data, bytes_.size()};
    }
    std::size_t at = 0;
    for (const Part& part : parts) {
      std::memcpy(bytes_.data() + at, part.data, part.bytes);
      at += part.bytes;
    }
    return bytes_;
  }
  template <class Part>
  static void scatter(std::span<const std::byte> from, std::span<const Part> parts) noexcept
  {
    std::size_t at = 0;
    for (const Part& part : parts) {
      std::memcpy(part.data, from.data() + at, part.bytes);
      at += part.bytes;
    }
  }

 private:
  std::vector<std::byte> bytes_;
};

/// Not for several threads.
class piece_encoder
{
 public:
  explicit piece_encoder(const body_code& code)
      : code_(&code), most_(code.most_bytes()), back_(code.lossy() ? code.piece().bytes() : 0)
  {
  }

  /// Most bytes that encode writes.
  [[nodiscard]] std::size_t most_bytes() const noexcept { return (std::max)(most_, code_->piece().bytes()); }

  /// Writes to `room` the code of `raw`, or with `as_it_is`, or where the code is no shorter, `raw` itself. A lossy codec's
  /// checksum is of what decoding gives. Throws error where the codec cannot decode its own code.
  [[nodiscard]] page_code encode(std::span<const std::byte> raw, std::span<std::byte> room, bool as_it_is)
  {
    const std::size_t made = as_it_is ? raw.size() : code_->encode(raw, room);
    if (made >= raw.size()) {
      std::memcpy(room.data(), raw.data(), raw.size());
      return {room.first(raw.size()), crc32c(raw), true};
    }
    if (!code_->lossy()) return {room.first(made), crc32c(raw), false};
    if (!code_->decode(room.first(made), back_.all())) throw error("a store's codec cannot decode its own code");
    return {room.first(made), crc32c(back_.all()), false};
  }

 private:
  const body_code* code_;
  std::size_t most_;
  piece_buffer back_;
};

/// Not for several threads.
class piece_decoder
{
 public:
  explicit piece_decoder(const body_code& code) : code_(&code), raw_(code.piece().bytes()) {}

  /// The bytes of the page, valid until the next call. Empty: the code is malformed, or gives other bytes than were put.
  [[nodiscard]] std::span<const std::byte> decode(const page_code& from)
  {
    std::span<const std::byte> raw = from.code;
    if (!from.as_it_is) {
      if (!code_->decode(from.code, raw_.all())) return {};
      raw = raw_.all();
    }
    if (raw.size() != code_->piece().bytes() || crc32c(raw) != from.raw_crc) return {};
    return raw;
  }

 private:
  const body_code* code_;
  piece_buffer raw_;
};

}  // namespace kvstrata::stores
