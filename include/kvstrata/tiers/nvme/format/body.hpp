// How the bytes of a record's pages lie behind its head: layer by layer, each layer's part padded to whole blocks, so
// that a layer can be read, and checked, without the others.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/tiers/nvme/io/block_engine.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// A record's head is one block, and has a checksum for each layer.
inline constexpr std::uint32_t most_layers = 977;
/// Of a record with codes it has the length of each layer's part as well.
inline constexpr std::uint32_t most_coded_layers = 487;

[[nodiscard]] constexpr std::uint64_t blocks_of(std::uint64_t bytes) noexcept
{
  return bytes / block_bytes + (bytes % block_bytes != 0 ? 1U : 0U);
}

/// Bytes of one layer of all pages, without padding. `page_bytes` is a multiple of `layers`, which is not 0.
[[nodiscard]] constexpr std::uint64_t layer_bytes(page_count pages, std::uint32_t page_bytes,
                                                  std::uint32_t layers) noexcept
{
  return std::uint64_t{pages} * (page_bytes / layers);
}

/// Zero bytes behind each layer's part.
[[nodiscard]] constexpr std::uint64_t layer_padding(page_count pages, std::uint32_t page_bytes,
                                                    std::uint32_t layers) noexcept
{
  const std::uint64_t bytes = layer_bytes(pages, page_bytes, layers);
  return blocks_of(bytes) * block_bytes - bytes;
}

/// Blocks of the body: not of the head.
[[nodiscard]] constexpr std::uint64_t body_blocks(page_count pages, std::uint32_t page_bytes,
                                                  std::uint32_t layers) noexcept
{
  return layers * blocks_of(layer_bytes(pages, page_bytes, layers));
}

/// Where a layer's part begins, in bytes from the begin of the body.
[[nodiscard]] constexpr std::uint64_t layer_offset(std::uint32_t layer, page_count pages, std::uint32_t page_bytes,
                                                   std::uint32_t layers) noexcept
{
  return layer * blocks_of(layer_bytes(pages, page_bytes, layers)) * block_bytes;
}

}  // namespace kvstrata::nvme
