// A slab in plain memory, blocks in it under shuffled page ids, and what every byte of them is.
#pragma once

#include "support/catch.hpp"

#include <kvstrata/assembly/assembler.hpp>
#include <kvstrata/assembly/block_list.hpp>
#include <kvstrata/core/geometry.hpp>
#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/layout/page_table.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <vector>

namespace kvstrata_test {

/// Pages of f32. A part is a table of one request.
class slab_bed
{
 public:
  static constexpr kvstrata::geometry shape{
      .layers = 3, .kv_heads = 2, .head_dim = 4, .element = kvstrata::element_type::f32};

  slab_bed(std::uint64_t seed, kvstrata::page_count pages, kvstrata::token_count page_tokens)
      : page_tokens_(page_tokens),
        where_(kvstrata::layer_first(shape, page_tokens, pages)),
        memory_(pages * kvstrata::page_bytes(shape, page_tokens)),
        free_(pages)
  {
    std::mt19937_64 random(seed);
    std::iota(free_.begin(), free_.end(), 0U);
    std::shuffle(free_.begin(), free_.end(), random);
    for (std::size_t i = 0; i < memory_.size() / sizeof(float); ++i) {
      const float value = static_cast<float>(static_cast<std::int32_t>(random() % 4001) - 2000) / 256.0F;
      std::memcpy(memory_.data() + i * sizeof value, &value, sizeof value);
    }
  }

  /// Pages for so many tokens: the number of a part.
  std::size_t add(kvstrata::token_count tokens)
  {
    std::vector<kvstrata::page_id> ids;
    for (kvstrata::token_count t = 0; t < tokens; t += page_tokens_) {
      ids.push_back(kvstrata::to_page(free_.back()));
      free_.pop_back();
    }
    tables_.push_back(std::make_unique<kvstrata::page_table>());
    tables_.back()->start(1);
    tables_.back()->add(ids, 0, tokens, page_tokens_);
    return tables_.size() - 1;
  }

  [[nodiscard]] kvstrata::page_table_view view(std::size_t part) const
  {
    return tables_[part]->view(const_cast<std::byte*>(memory_.data()), where_, shape, page_tokens_);
  }
  [[nodiscard]] kvstrata::token_count page_tokens() const noexcept { return page_tokens_; }

  /// K, then V, of a token of a part.
  [[nodiscard]] std::vector<float> row(const std::byte* key, std::size_t value_offset) const
  {
    const std::size_t floats = shape.key_bytes() / sizeof(float);
    std::vector<float> out(2 * floats);
    std::memcpy(out.data(), key, shape.key_bytes());
    std::memcpy(out.data() + floats, key + value_offset, shape.key_bytes());
    return out;
  }

  /// Of the bytes of a part's pages, in all layers.
  [[nodiscard]] std::uint64_t checksum(std::size_t part) const
  {
    const kvstrata::page_table_view v = view(part);
    std::uint64_t sum = 0xcbf2'9ce4'8422'2325U;  // FNV-1a
    for (kvstrata::layer_index l = 0; l < shape.layers; ++l) {
      for (const kvstrata::page_id id : v.pages(0)) {
        const std::byte* const at = v.page(l, id);
        for (std::size_t i = 0; i < kvstrata::page_layer_bytes(shape, page_tokens_); ++i) {
          sum = (sum ^ static_cast<std::uint64_t>(at[i])) * 0x100'0000'01b3U;
        }
      }
    }
    return sum;
  }

 private:
  kvstrata::token_count page_tokens_;
  kvstrata::placement where_;
  std::vector<std::byte> memory_;
  std::vector<std::uint32_t> free_;
  std::vector<std::unique_ptr<kvstrata::page_table>> tables_;
};

/// The positions of a context that are in blocks and for which take(position) holds.
template <class Take>
std::vector<kvstrata::token_count> positions_of(const kvstrata::block_list& list, Take&& take)
{
  std::vector<kvstrata::token_count> out;
  for (const kvstrata::placed_block& b : list.blocks()) {
    for (kvstrata::token_count p = b.start; p < b.start + b.tokens; ++p) {
      if (take(p)) out.push_back(p);
    }
  }
  return out;
}

/// Ascending positions as intervals: runs of them, some cut in two.
inline std::vector<kvstrata::token_interval> intervals_of(const std::vector<kvstrata::token_count>& positions)
{
  std::vector<kvstrata::token_interval> out;
  for (const kvstrata::token_count p : positions) {
    if (!out.empty() && out.back().end == p && p % 7 != 0) ++out.back().end;
    else out.push_back({p, p + 1});
  }
  return out;
}

/// These, and all that are in no block, ascending.
inline std::vector<kvstrata::token_count> and_own(const kvstrata::block_list& list,
                                                  std::vector<kvstrata::token_count> positions)
{
  list.each_own([&](kvstrata::token_interval own) {
    for (kvstrata::token_count p = own.begin; p < own.end; ++p) positions.push_back(p);
  });
  std::sort(positions.begin(), positions.end());
  return positions;
}

}  // namespace kvstrata_test
