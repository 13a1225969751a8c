// In what order a memory below the slab stores what it has: layers outermost, or pages.
//
//   layer_first   what a layer has of successive pages is dense: one copy a layer moves them. For copies from layer to
//                 layer, as the model needs them.
//   page_first    a page in all its layers is dense: one read or write moves it. For media and engines that move whole
//                 pages; a copy of one layer is as many pieces as there are pages.
#pragma once

#include <kvstrata/layout/concepts.hpp>

#include <cstdint>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

enum class page_order : std::uint8_t { layer_first, page_first };

[[nodiscard]] constexpr std::string_view name_of(page_order order) noexcept
{
  switch (order) {
    case page_order::layer_first: return "layer_first";
    case page_order::page_first: return "page_first";
  }
  return "unknown";
}

/// Throws config_error when it is none of the above.
inline void check(page_order order)
{
  if (order == page_order::layer_first || order == page_order::page_first) return;
  throw config_error("layout.host_order", static_cast<std::uint64_t>(order), "there is no such order");
}

/// Pages stored one after the other, each with all its layers.
[[nodiscard]] constexpr placement page_first(const geometry& shape, token_count page_tokens) noexcept
{
  const std::uint64_t piece = page_layer_bytes(shape, page_tokens);
  return {.layer_stride = piece, .page_stride = piece * shape.layers};
}

/// An extent whose bytes are exactly those of its frames, in the given order within.
[[nodiscard]] constexpr extent_place place_in_frames(page_order order, const geometry& shape, token_count page_tokens,
                                                     page_count frame, page_count pages) noexcept
{
  return {.offset = frame * std::uint64_t{page_bytes(shape, page_tokens)},
          .where = order == page_order::page_first ? page_first(shape, page_tokens)
                                                   : layer_first(shape, page_tokens, pages)};
}

}  // namespace kvstrata
