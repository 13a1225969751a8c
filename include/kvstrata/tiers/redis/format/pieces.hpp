// How the pages of a put are cut into values: each layer for itself, one behind the other, at equal lengths, so that a value
// with its head fills what the server's allocator gives for it, and layer 0 of everything can come first. Where bodies are
// encoded a value has whole pages, as many as fit whatever their codes turn out to be, and is as long as these turn out.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/tiers/redis/format/value_head.hpp>
#include <kvstrata/tiers/stores/codes/coded_part.hpp>

#include <algorithm>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// Of what is put at one time, in one layer.
struct layer_cut
{
  std::uint64_t layer_bytes = 0;  ///< of all pages
  std::uint64_t body_bytes = 1;   ///< of the layer in a value; the last may have fewer

  [[nodiscard]] constexpr std::uint32_t pieces() const noexcept
  {
    return static_cast<std::uint32_t>((layer_bytes + body_bytes - 1) / body_bytes);
  }
  [[nodiscard]] constexpr std::uint64_t begin_of(std::uint32_t piece) const noexcept { return piece * body_bytes; }
  [[nodiscard]] constexpr std::uint32_t bytes_of(std::uint32_t piece) const noexcept
  {
    return static_cast<std::uint32_t>((std::min)(body_bytes, layer_bytes - begin_of(piece)));
  }
  /// The piece that holds this byte.
  [[nodiscard]] constexpr std::uint32_t piece_at(std::uint64_t byte) const noexcept
  {
    return static_cast<std::uint32_t>(byte / body_bytes);
  }
};

/// `value_bytes`: of a value with its head. `codec`: of its body.
[[nodiscard]] constexpr layer_cut cut_of(page_count pages, std::uint32_t page_bytes, std::uint32_t layers,
                                         std::uint32_t value_bytes, std::uint64_t codec) noexcept
{
  const std::uint64_t page = page_bytes / layers;
  const std::uint64_t body = value_bytes - value_head_bytes;
  if (codec == 0) return {pages * page, body};
  return {pages * page, (std::max)(std::uint64_t{1}, body / stores::most_part_bytes(1, page)) * page};
}

}  // namespace kvstrata::redis
