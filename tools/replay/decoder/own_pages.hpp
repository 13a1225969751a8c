// Pages of a batch in memory of one's own: for those who keep KV as scratch of one batch, and for what is computed anew to
// compare with.
#pragma once

#include "hstu/buffer.hpp"

#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/layout/page_table.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <cstddef>
#include <span>

namespace replay {

/// All layers of all requests. Memory only grows.
class own_pages
{
 public:
  explicit own_pages(kvstrata::token_count page_tokens) : page_tokens_(page_tokens) {}

  /// A table for requests of so many tokens. What the pages hold is not cleared. Valid until the next call.
  [[nodiscard]] kvstrata::page_table_view reserve(const kvstrata::geometry& shape,
                                                  std::span<const kvstrata::token_count> tokens)
  {
    table_.start(tokens.size());
    kvstrata::page_count pages = 0;
    for (const kvstrata::token_count t : tokens) {
      const kvstrata::page_count mine = (t + page_tokens_ - 1) / page_tokens_;
      table_.append(pages, mine);
      table_.finish_request(0, t, page_tokens_);
      pages += mine;
    }
    const std::size_t page = kvstrata::page_layer_bytes(shape, page_tokens_);
    float* const memory = memory_.reserve(shape.layers * pages * page / sizeof(float));
    return table_.view(reinterpret_cast<std::byte*>(memory), {pages * page, page}, shape, page_tokens_);
  }

 private:
  kvstrata::token_count page_tokens_;
  hstu::buffer memory_;
  kvstrata::page_table table_;
};

}  // namespace replay
