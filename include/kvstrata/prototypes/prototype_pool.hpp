// Prototypes with their K and V: what stands in for tokens of a history that resemble one of them, instead of K and V of their own.
//
// This is another reuse than that of blocks, and coarser: a block has the K and V of its own tokens, without what stands before it
// here; a stand-in has those of another token. It is approximate before anything is recomputed, wherever it stands, and nothing makes
// it exact but to compute the token. So nobody gets one who has not asked for it: a pool is made, filled and handed over by name.
//
// Every node has all of it (a copy is as good as its original), so that a history needs no node in particular.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/geometry.hpp>
#include <kvstrata/layout/page_table_view.hpp>
#include <kvstrata/prototypes/prototype_index.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// K must carry no position in it (position/position_free.hpp, position/none.hpp): a prototype stands in wherever it is needed. In memory
/// of the host. Any number of threads may ask and copy while nobody learns.
class prototype_pool
{
 public:
  prototype_pool(const prototype_config& c, const geometry& shape) : index_(c), shape_(shape)
  {
    // Who stands in for whom depends on these, but not on how many there may be.
    for (const std::uint64_t with :
         {std::uint64_t{c.dimensions}, std::uint64_t{c.planes}, std::uint64_t{c.seed},
          std::uint64_t{std::bit_cast<std::uint32_t>(c.least_cosine)}, std::uint64_t{shape.layers},
          std::uint64_t{shape.kv_heads}, std::uint64_t{shape.head_dim}, static_cast<std::uint64_t>(shape.element)}) {
      take_in(std::as_bytes(std::span(&with, 1)));
    }
  }

  [[nodiscard]] const prototype_index& index() const noexcept { return index_; }
  [[nodiscard]] const geometry& shape() const noexcept { return shape_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return index_.size() * row_bytes(); }

  /// What was learned, as a number: pools of one configuration and shape that have learned the same rows in the same order have the
  /// same, and blocks that were made of one are not taken for those of another.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

  /// Makes a prototype of a token whose K and V are in pages that the host can address, where none is near enough to its feature and
  /// there is room. Returns whether it did. Throws geometry_error for pages of another shape, usage_error for a feature of other
  /// dimensions; nothing has changed then.
  bool learn(std::span<const float> feature, const page_table_view& pages, std::size_t request, token_count token)
  {
    if (pages.shape != shape_) {
      throw geometry_error("the pages of a prototype are of " + to_string(pages.shape) + ", but the pool is of " +
                           to_string(shape_));
    }
    const std::size_t bytes = shape_.key_bytes(), before = index_.size() * row_bytes();
    rows_.resize(before + row_bytes());
    if (!index_.add(feature)) {
      rows_.resize(before);
      return false;
    }
    for (layer_index l = 0; l < shape_.layers; ++l) {
      const std::byte* const key = pages.key(l, request, token);
      std::byte* const mine = rows_.data() + before + 2 * l * bytes;
      std::memcpy(mine, key, bytes);
      std::memcpy(mine + bytes, key + pages.value_offset(), bytes);
    }
    for (const float x : feature) {
      std::byte of[sizeof x];
      std::memcpy(of, &x, sizeof x);
      take_in(of);
    }
    take_in(std::span<const std::byte>(rows_).subspan(before, row_bytes()));
    return true;
  }

  /// The same of a text's tokens in turn, features [tokens][dimensions]. Returns how many it made.
  std::size_t learn_text(std::span<const float> features, const page_table_view& pages, std::size_t request)
  {
    const std::size_t dimensions = index_.options().dimensions;
    std::size_t made = 0;
    for (std::size_t t = 0; t < features.size() / dimensions; ++t)
      made += learn(features.subspan(t * dimensions, dimensions), pages, request, static_cast<token_count>(t));
    return made;
  }

  /// K and V of a layer of prototype `number` go to a token of pages that the host can address.
  void copy(std::uint32_t number, layer_index layer, const page_table_view& to, std::size_t request,
            token_count token) const noexcept
  {
    const std::size_t bytes = shape_.key_bytes();
    const std::byte* const mine = rows_.data() + number * row_bytes() + 2 * layer * bytes;
    std::byte* const key = to.key(layer, request, token);
    std::memcpy(key, mine, bytes);
    std::memcpy(key + to.value_offset(), mine + bytes, bytes);
  }

 private:
  [[nodiscard]] std::size_t row_bytes() const noexcept { return std::size_t{2} * shape_.layers * shape_.key_bytes(); }
  void take_in(std::span<const std::byte> bytes) noexcept
  {
    for (const std::byte b : bytes) version_ = (version_ ^ static_cast<std::uint64_t>(b)) * 0x100'0000'01b3U;  // FNV-1a
  }

  prototype_index index_;
  geometry shape_;
  std::vector<std::byte> rows_;  // [prototypes][layers][K, V]
  std::uint64_t version_ = 0xcbf2'9ce4'8422'2325U;
};

}  // namespace kvstrata
