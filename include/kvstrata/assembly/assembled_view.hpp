// What attention sees of a context that was put together: blocks in their pages, wherever those are, and computed tokens in scratch.
#pragma once

#include <kvstrata/assembly/overlay_rows.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Each position of [0, context) lies in one place: in a row of the overlay where it is computed, else in its block. A row at
/// position p sees [0, p], true positions, whatever the order in which blocks were encoded. Trivially copyable; valid until its
/// assembler begins another context or changes what is computed, and while the lease lives.
struct assembled_view
{
  page_table_view blocks;               ///< request b: the pages of block b, its tokens counted from its own beginning
  std::span<const token_count> starts;  ///< [blocks] position of block b's token 0, ascending
  page_table_view overlay;              ///< request 0: K and V of the computed tokens, row by row
  overlay_rows_view rows;
  token_count context = 0;

  /// Tokens that are computed.
  [[nodiscard]] token_count computed() const noexcept { return overlay.tokens(0); }
  /// Calls each(position) for them, ascending: row after row of the overlay.
  template <class Each>
  void each_computed(Each&& each) const
  {
    for (token_count p = rows.next(0, context, true); p < context; p = rows.next(p + 1, context, true)) each(p);
  }
  [[nodiscard]] bool is_computed(token_count position) const noexcept { return rows.has(position); }

  /// Which block a position that is not computed lies in. O(log blocks)
  [[nodiscard]] std::size_t block_at(token_count position) const noexcept
  {
    return static_cast<std::size_t>(std::upper_bound(starts.begin(), starts.end(), position) - starts.begin()) - 1;
  }

  /// Where K of a position lies; V lies value_offset() behind it. Where it is computed the bytes are the lease's own; else others
  /// may be reading them, and nobody writes them.
  [[nodiscard]] std::byte* key(layer_index layer, token_count position) const
  {
    if (is_computed(position)) return overlay.key(layer, 0, rows.row(position));
    const std::size_t block = block_at(position);
    return blocks.key(layer, block, position - starts[block]);
  }
  [[nodiscard]] std::size_t value_offset() const noexcept { return overlay.value_offset(); }

  /// Calls each(position, count, K row, of a block?) for stretches of the positions [first, end), ascending, each within a page.
  template <class Each>
  void each_stretch(layer_index layer, token_count first, token_count end, Each&& each) const
  {
    std::size_t block = first < end && !starts.empty() ? block_from(first) : 0;
    for (token_count at = first; at < end;) {
      if (is_computed(at)) {
        const std::uint32_t row = rows.row(at);
        const token_count run = (std::min)(rows.next(at, end, false) - at, left_in_page(row));
        each(at, run, overlay.key(layer, 0, row), false);
        at += run;
        continue;
      }
      while (block + 1 < starts.size() && starts[block + 1] <= at) ++block;
      const token_count token = at - starts[block];
      const token_count run =
          (std::min)({rows.next(at, end, true) - at, blocks.tokens(block) - token, left_in_page(token)});
      each(at, run, blocks.key(layer, block, token), true);
      at += run;
    }
  }

 private:
  [[nodiscard]] token_count left_in_page(token_count token) const noexcept
  {
    return overlay.page_tokens - token % overlay.page_tokens;
  }
  [[nodiscard]] std::size_t block_from(token_count position) const noexcept
  {
    return position < starts.front() ? 0 : block_at(position);
  }
};

}  // namespace kvstrata
