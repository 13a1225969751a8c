// Writes the K and V of new tokens into their pages: the body of a kernel, and plain arithmetic as all of this room.
//
// The new rows lie one after the other, K and V apart, by any stride; a row is one token's [kv_heads][head_dim], and
// (requests[row], positions[row]) is where it belongs. All rows together are a list of words, a row's K before its V; a
// warp takes 32 x 4 successive words at a time, every lane four, all loads before the first store. So rows of any
// width keep all lanes busy. Words are of 16 bytes where every address and stride allows it, else of 8, 4, 2 or 1.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/host_memory.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// One layer of a page_table_view, its arrays where the kernel can read them.
struct paged_layer
{
  const page_id* page_ids = nullptr;     ///< [indptr[requests]]
  const std::int32_t* indptr = nullptr;  ///< [requests] the view's, or its origins where windows begin behind page 0
  std::byte* base = nullptr;             ///< page 0 of the layer
  std::uint64_t page_stride = 0;         ///< bytes
  token_count page_tokens = 0;
  std::uint32_t key_bytes = 0;  ///< of one token's K, [kv_heads][head_dim]

  /// Where the K row of a token lies; its V row lies value_offset() bytes behind it.
  [[nodiscard]] constexpr std::byte* key(std::uint32_t request, token_count position) const
  {
    const page_id page = page_ids[static_cast<token_count>(indptr[request]) + position / page_tokens];
    return base + static_cast<std::uint64_t>(static_cast<std::uint32_t>(page)) * page_stride +
           std::uint64_t{position % page_tokens} * key_bytes;
  }
  [[nodiscard]] constexpr std::uint64_t value_offset() const noexcept { return std::uint64_t{page_tokens} * key_bytes; }
};

/// A copy of all page_table_view::origin(request), in memory that the kernel can read.
struct page_origins
{
  const std::int32_t* data = nullptr;  ///< [requests]
};

/// For any windows. `page_ids` is a copy of the view's, in memory that the kernel can read.
[[nodiscard]] inline paged_layer layer_of(const page_table_view& view, layer_index layer, const page_id* page_ids,
                                          page_origins origins) noexcept
{
  return {.page_ids = page_ids,
          .indptr = origins.data,
          .base = view.base + view.where.offset(layer, 0),
          .page_stride = view.where.page_stride,
          .page_tokens = view.page_tokens,
          .key_bytes = static_cast<std::uint32_t>(view.shape.key_bytes())};
}

/// For windows that begin in page 0 of their histories: `indptr` is a copy of the view's. Throws usage_error for others.
[[nodiscard]] inline paged_layer layer_of(const page_table_view& view, layer_index layer, const page_id* page_ids,
                                          const std::int32_t* indptr)
{
  for (std::size_t r = 0; r < view.size(); ++r) {
    if (view.first_token(r) < view.page_tokens) continue;
    throw usage_error("layer_of: the window of request " + std::to_string(r) + " begins at token " +
                      std::to_string(view.first_token(r)) + ", behind page 0, so the kernel needs page_origins");
  }
  return layer_of(view, layer, page_ids, page_origins{indptr});
}

/// K and V of `rows` tokens, no token twice. Strides are bytes from one row to the next.
struct new_rows
{
  const std::byte* keys = nullptr;
  const std::byte* values = nullptr;
  std::uint64_t key_stride = 0;
  std::uint64_t value_stride = 0;
  const std::uint32_t* requests = nullptr;  ///< [rows]
  const token_count* positions = nullptr;   ///< [rows] token numbers, each within its request's window
  std::uint32_t rows = 0;
};

/// `count` of them, from row `first` on.
[[nodiscard]] constexpr new_rows part_of(const new_rows& all, std::uint32_t first, std::uint32_t count) noexcept
{
  return {.keys = all.keys + first * all.key_stride,
          .values = all.values + first * all.value_stride,
          .key_stride = all.key_stride,
          .value_stride = all.value_stride,
          .requests = all.requests + first,
          .positions = all.positions + first,
          .rows = count};
}

/// Throws config_error or usage_error when the sizes contradict each other or there is nowhere to read or write. What the
/// arrays hold is not looked at.
inline void check(const paged_layer& to, const new_rows& from)
{
  if (to.page_tokens == 0) throw config_error("paged_layer.page_tokens", 0, "it must be at least 1");
  constexpr std::uint32_t widest = 1U << 28U;
  if (to.key_bytes == 0) throw config_error("paged_layer.key_bytes", 0, "it must be at least 1");
  if (to.key_bytes > widest) {
    throw config_error("paged_layer.key_bytes", to.key_bytes, "it may be at most " + std::to_string(widest));
  }
  if (to.page_stride < 2 * to.value_offset()) {
    throw config_error("paged_layer.page_stride", to.page_stride,
                       "a page of " + std::to_string(to.page_tokens) + " tokens has " +
                           std::to_string(2 * to.value_offset()) + " bytes of K and V");
  }
  if (from.rows == 0) return;
  const auto there = [](const void* at, const char* name) {
    if (at == nullptr)
      throw usage_error(std::string("append_rows: ") + name + " is null, but there are rows to append");
  };
  there(to.page_ids, "paged_layer.page_ids");
  there(to.indptr, "paged_layer.indptr");
  there(to.base, "paged_layer.base");
  there(from.keys, "new_rows.keys");
  there(from.values, "new_rows.values");
  there(from.requests, "new_rows.requests");
  there(from.positions, "new_rows.positions");
}

/// The widest word, of 16 bytes at most, to which every row is aligned and of which it is a multiple.
[[nodiscard]] inline std::uint32_t append_width(const paged_layer& to, const new_rows& from) noexcept
{
  const std::uint64_t all = host_memory::address(to.base) | to.page_stride | to.key_bytes |
                            host_memory::address(from.keys) | host_memory::address(from.values) | from.key_stride |
                            from.value_stride | 16;
  return static_cast<std::uint32_t>(all & (~all + 1));
}

/// Threads of a block of append_rows.
inline constexpr std::uint32_t append_threads = 256;

/// `Memory` is how bytes are reached: host_memory on the CPU, streaming_memory on the GPU.
template <class Memory>
struct append_rows
{
  paged_layer to;
  new_rows from;
  std::uint32_t width = 1;  ///< append_width(to, from)

  /// Rows that one call can take: words are counted in 32 bits, as a GPU divides those faster.
  [[nodiscard]] constexpr std::uint32_t most_rows() const noexcept { return (1U << 31U) / words_of_row(); }

  /// Blocks that find work; not more than `most`.
  [[nodiscard]] constexpr std::uint32_t blocks(std::uint32_t most = 1U << 16U) const noexcept
  {
    constexpr std::uint32_t of_block = append_threads * in_flight;
    const std::uint32_t busy = (from.rows * words_of_row() + of_block - 1) / of_block;
    return busy < most ? busy : most;
  }

  /// The part of thread `thread` (of append_threads) of block `block` (of `blocks`). Parts may run in any order and at once.
  constexpr void operator()(std::uint32_t block, std::uint32_t blocks, std::uint32_t thread) const
  {
    if (width == 16) append<16>(block, blocks, thread);
    else if (width == 8) append<8>(block, blocks, thread);
    else if (width == 4) append<4>(block, blocks, thread);
    else if (width == 2) append<2>(block, blocks, thread);
    else append<1>(block, blocks, thread);
  }

 private:
  static constexpr std::uint32_t in_flight = 4;  ///< loads of a lane before its first store

  [[nodiscard]] constexpr std::uint32_t words_of_row() const noexcept { return to.key_bytes / width * 2; }

  template <std::uint32_t Width>
  constexpr void append(std::uint32_t block, std::uint32_t blocks, std::uint32_t thread) const
  {
    constexpr std::uint32_t warps = append_threads / 32;
    constexpr std::uint32_t step = 32 * in_flight;
    const std::uint32_t in_row = to.key_bytes / Width * 2;
    const std::uint32_t words = from.rows * in_row;
    for (std::uint32_t begin = (block * warps + thread / 32) * step; begin < words; begin += blocks * warps * step) {
      const std::uint32_t row = begin / in_row;
      const std::uint32_t rest = begin % in_row;
      const std::uint32_t last = words - begin - 1;
      typename Memory::template word<Width> moved[in_flight] = {};
      std::byte* places[in_flight] = {};
      // Without a branch, and before the first store, which might change the tables for all a compiler knows: so that all
      // look-ups are under way at once.
      for (std::uint32_t i = 0; i < in_flight; ++i) {
        const std::uint32_t mine = thread % 32 + 32 * i;
        const place at = place_of<Width>(row, rest + (mine < last ? mine : last), in_row);
        moved[i] = Memory::template load<Width>(at.from);
        places[i] = at.to;
      }
      for (std::uint32_t i = 0; i < in_flight; ++i) {
        if (thread % 32 + 32 * i <= last) Memory::template store<Width>(places[i], moved[i]);
      }
    }
  }

  struct place
  {
    std::byte* to;
    const std::byte* from;
  };

  /// Of word `word`, counted from the first of row `row`.
  template <std::uint32_t Width>
  [[nodiscard]] constexpr place place_of(std::uint32_t row, std::uint32_t word, std::uint32_t in_row) const
  {
    row += word / in_row;
    word %= in_row;
    const bool value = word >= in_row / 2;
    const std::uint64_t offset = std::uint64_t{value ? word - in_row / 2 : word} * Width;
    return {to.key(from.requests[row], from.positions[row]) + (value ? to.value_offset() : 0) + offset,
            (value ? from.values + row * from.value_stride : from.keys + row * from.key_stride) + offset};
  }
};

}  // namespace kvstrata
