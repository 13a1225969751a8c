// Tiles of the attention kernel in shared memory: how their rows lie, how keys and values of pages come there, and how
// warps read matrices out of them.
//
// Row r of a tile lies at r * 2 * HeadDim bytes, its 16-byte chunk c in the place of chunk c ^ (r % 8). The eight rows
// of a matrix are then in all 32 banks, and so are the chunks of one row that a copy writes.
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/bf16.hpp"
#include "hstu/gpu/function.hpp"

#include <cstddef>
#include <cstdint>

namespace hstu::gpu {

inline constexpr std::uint32_t tile_keys = 64;  ///< of a tile of keys or values

/// What a query sees of the keys: everybody in a block needs it now and then, so it is not kept in registers.
class shared_row
{
 public:
  HSTU_FUNCTION shared_row(std::uint32_t visible, bool follows, bool apart)
      : bits_(visible << 2 | (apart ? 2u : 0u) | (follows ? 1u : 0u))
  {
  }

  [[nodiscard]] HSTU_FUNCTION std::uint32_t visible() const { return bits_ >> 2; }
  [[nodiscard]] HSTU_FUNCTION bool lies_apart() const { return (bits_ & 2u) != 0; }
  /// Where the keys end that it sees, its own included where that follows them.
  [[nodiscard]] HSTU_FUNCTION std::uint32_t seen() const { return (bits_ >> 2) + (bits_ & 1u); }

 private:
  std::uint32_t bits_;
};

template <std::uint32_t HeadDim>
struct tile_layout
{
  static constexpr std::uint32_t row_bytes = 2 * HeadDim;
  static constexpr std::uint32_t chunks = HeadDim / 8;  ///< of a row

  [[nodiscard]] static HSTU_FUNCTION std::uint32_t at(std::uint32_t row, std::uint32_t chunk)
  {
    return row * row_bytes + (chunk ^ row % 8) * 16;
  }
};

/// Where a lane stands in a tile of 16-bit elements, to read operands of multiply_add. Everything else about the
/// address is known at compile time but for the XOR of at().
template <std::uint32_t HeadDim>
class tile_reader
{
 public:
  /// The left operand: 16 rows and 16 columns.
  [[nodiscard]] static HSTU_FUNCTION tile_reader left(std::uint32_t lane) { return {lane % 16, lane / 16}; }
  /// The right operand, columns by rows: 16 rows (keys) and 16 columns, for two results of 8 keys.
  [[nodiscard]] static HSTU_FUNCTION tile_reader keys(std::uint32_t lane)
  {
    return {lane % 8 + lane / 16 * 8, lane / 8 % 2};
  }
  /// The right operand by rows, to be transposed: 16 rows (keys) and 16 columns, for two results of 8 columns.
  [[nodiscard]] static HSTU_FUNCTION tile_reader values(std::uint32_t lane) { return {lane % 16, lane / 16}; }

  /// The lane's address for the 16 rows from `row` (a multiple of 16) and the 16 columns from 16 * `step`.
  [[nodiscard]] HSTU_FUNCTION const std::byte* operator()(const std::byte* tile, std::uint32_t row,
                                                          std::uint32_t step) const
  {
    // Chunks 2 * step and 2 * step + 1; bits from 3 on are not changed by the XOR.
    return tile + offset_ + row * layout::row_bytes + step / 4 * 128 + ((step % 4 * 32) ^ turn_);
  }

 private:
  using layout = tile_layout<HeadDim>;

  HSTU_FUNCTION tile_reader(std::uint32_t row, std::uint32_t chunk)
      : offset_(row * layout::row_bytes), turn_((chunk ^ row % 8) * 16)
  {
  }

  std::uint32_t offset_;
  std::uint32_t turn_;
};

/// Brings tiles of 64 keys, or their values, of one request and head out of its pages, by all threads of a block
/// together. A page holds a multiple of 8 tokens, so every 8 keys of a tile lie in one run; where the runs of a tile
/// begin is worked out by 8 threads, two tiles ahead, and left in shared memory for all. Tiles are named by their first
/// key.
///
/// Gaps: whether pages.gaps is there.
template <std::uint32_t HeadDim, std::uint32_t Threads, bool Gaps>
class page_gather
{
 public:
  static constexpr std::uint32_t run_keys = 8;
  static constexpr std::uint32_t runs = tile_keys / run_keys;
  static constexpr std::uint32_t shared_bytes = (2 * runs + 4) * sizeof(const std::byte*);  ///< 16-byte aligned

  /// Keys to be gathered: tiles from `begin` on. Nothing at or behind `end` is read, nor the first `hidden` keys of the
  /// request: rows of zeroes take their place.
  struct range
  {
    std::uint32_t begin;
    std::uint32_t end;
    std::uint32_t hidden;
  };

  /// All may use it behind the next barrier.
  HSTU_KERNEL page_gather(const layer_pages& pages, std::uint32_t page_shift, std::uint32_t request, std::uint32_t head,
                          const range& keys, std::uint32_t thread, std::byte* shared)
      : pages_(pages),
        places_(reinterpret_cast<places*>(shared)),
        page_shift_(page_shift),
        keys_end_(keys.end),
        thread_(thread)
  {
    if (thread_ >= runs) return;
    const places request_pages{
        {}, pages.page_ids + pages.indptr[request], pages.base + head * layout::row_bytes, keys.hidden, {}};
    places_->ids = request_pages.ids;
    places_->base = request_pages.base;
    places_->hidden = request_pages.hidden;
    if constexpr (Gaps) places_->gap = pages.gaps[request];
    store_start(request_pages, keys.begin, load_id(request_pages, keys.begin));
    store_start(request_pages, keys.begin + tile_keys, load_id(request_pages, keys.begin + tile_keys));
    next_id_ = load_id(request_pages, keys.begin + 2 * tile_keys);
  }

  /// Gets ready for the tile after the next, for all threads behind the next barrier. Nobody may need where this tile's
  /// runs begin any more.
  HSTU_KERNEL void advance(std::uint32_t first)
  {
    if (thread_ >= runs) return;
    store_start(*places_, first + 2 * tile_keys, next_id_);
    next_id_ = load_id(*places_, first + 3 * tile_keys);
  }

  template <class Block>
  HSTU_KERNEL void keys(Block& block, std::byte* to, std::uint32_t first) const
  {
    gather(block, to, first, 0);
  }
  template <class Block>
  HSTU_KERNEL void values(Block& block, std::byte* to, std::uint32_t first) const
  {
    gather(block, to, first, (std::size_t{pages_.width} << page_shift_) * sizeof(bf16));
  }

 private:
  using layout = tile_layout<HeadDim>;
  static constexpr std::uint32_t rows_at_once = Threads / layout::chunks;

  // What is used once a tile is in shared memory, not in registers.
  struct alignas(16) places
  {
    const std::byte* starts[2][runs];  // of tiles by turns
    const std::uint32_t* ids;          // of the request's pages
    const std::byte* base;             // the head's part of page 0
    std::uint32_t hidden;
    key_gap gap;
  };

  HSTU_KERNEL std::uint32_t load_id(const places& of, std::uint32_t first) const
  {
    const std::uint32_t key = first + thread_ * run_keys;
    return key < keys_end_ ? of.ids[key >> page_shift_] : 0;
  }

  HSTU_KERNEL void store_start(const places& of, std::uint32_t first, std::uint32_t id) const
  {
    const std::uint32_t inside = (first + thread_ * run_keys) & ((1u << page_shift_) - 1);
    places_->starts[first / tile_keys % 2][thread_] =
        of.base + id * pages_.page_stride + std::size_t{inside} * pages_.width * sizeof(bf16);
  }

  template <class Block>
  HSTU_KERNEL void gather(Block& block, std::byte* to, std::uint32_t first, std::size_t skip) const
  {
    static_assert(rows_at_once % run_keys == 0);
    constexpr std::uint32_t times = tile_keys / rows_at_once;
    const std::uint32_t chunk = thread_ % layout::chunks;
    const std::uint32_t begin = thread_ / layout::chunks % rows_at_once;
    const std::uint32_t hidden = places_->hidden;
    const std::uint32_t skipped_rows = hidden > first ? hidden - first : 0;
    const std::uint32_t left = keys_end_ - first - skipped_rows;
    const std::size_t inside = skip + std::size_t{begin % run_keys} * pages_.width * sizeof(bf16) + chunk * 16;
    // All addresses before the first copy: a copy waits for nothing then.
    const std::byte* from[times];
    HSTU_UNROLL
    for (std::uint32_t i = 0; i < times; ++i) {
      const std::uint32_t run = i * (rows_at_once / run_keys) + begin / run_keys % (rows_at_once / run_keys);
      from[i] = places_->starts[first / tile_keys % 2][run] + inside;
    }
    key_gap gap{};
    if constexpr (Gaps)
      gap = {places_->gap.begin - first, places_->gap.end - places_->gap.begin};  // rows, and how many
    std::byte* const begins = to + layout::at(begin, chunk);  // rows a multiple of 8 apart have their chunks alike
    HSTU_UNROLL
    for (std::uint32_t i = 0; i < times; ++i) {
      const std::uint32_t skipped = i * rows_at_once;
      bool whole = begin + skipped - skipped_rows < left;
      if constexpr (Gaps) whole = whole && begin + skipped - gap.begin >= gap.end;
      block.copy_async(begins + skipped * layout::row_bytes, from[i], whole);
    }
  }

  const layer_pages& pages_;
  places* places_;
  std::uint32_t page_shift_;
  std::uint32_t keys_end_;
  std::uint32_t thread_;
  std::uint32_t next_id_ = 0;
};

}  // namespace hstu::gpu
