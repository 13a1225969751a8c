// Encodes blocks, each by itself, as if it stood at a context's beginning: K and V of all layers into its pages, K kept as the position
// policy says.
#pragma once

#include "decoder/blocks/block_positions.hpp"
#include "decoder/blocks/dense_rows.hpp"
#include "decoder/model.hpp"
#include "decoder/rows.hpp"

#include <kvstrata/layout/page_table_view.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace decoder {

/// One block to encode.
struct block_to_encode
{
  std::span<const std::uint32_t> words;  ///< all of it (blocks/vocabulary.hpp)
  kvstrata::page_table_view pages;       ///< request `request` of it are the block's
  std::size_t request = 0;
};

/// embed(), layer(0), ..., layer(layers - 1), as prompt_forward. One thread at a time; every step blocks and uses the model's crew.
class block_forward
{
 public:
  block_forward(const model& m, const block_positions& positions)
      : model_(&m), positions_of_(&positions), rows_(m), dense_(m)
  {
  }

  /// Throws kvstrata::geometry_error for pages of another shape, kvstrata::history_error for words that are none, and for pages of
  /// another number of tokens. What `blocks` points to must stay until the last layer.
  void start(std::span<const block_to_encode> blocks);
  void embed();
  void layer(std::uint32_t layer);
  void run(std::span<const block_to_encode> blocks);

 private:
  const model* model_;
  const block_positions* positions_of_;
  std::span<const block_to_encode> blocks_;
  std::vector<std::size_t> first_rows_;
  std::vector<std::uint32_t> positions_;
  row_stack rows_;
  dense_rows dense_;
};

}  // namespace decoder
