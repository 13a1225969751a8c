// What copy engines share: what they report, their streams, and the pieces of one layer of a copy list.
#pragma once

#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/last_use.hpp>
#include <kvstrata/layout/copy_run.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace kvstrata {

struct copy_engine_option;

/// One layer that an engine has queued. Nothing, and an event that is always complete, for an empty list.
struct copied
{
  std::uint64_t calls = 0;   ///< calls to the device: copies, batches, copy kernels
  std::uint64_t pieces = 0;  ///< contiguous parts that these calls named
  event done;                ///< when all of the layer has arrived
};

/// What an engine calls the stream that its copies of a direction run on.
[[nodiscard]] constexpr std::string_view copy_stream_name(copy_direction direction) noexcept
{
  return direction == copy_direction::to_device ? "onload" : "offload";
}

/// Calls each(copy_piece) for the parts of one layer: one a run where the run is dense on both sides and `join_pages`,
/// else one a page. O(pages).
template <class Each>
void each_piece(const copy_list& list, copy_direction direction, layer_index layer, bool join_pages, Each&& each)
{
  const bool inwards = direction == copy_direction::to_device;
  const auto give = [&](std::byte* device_side, std::byte* lower_side, std::size_t bytes) {
    each(copy_piece{inwards ? device_side : lower_side, inwards ? lower_side : device_side, bytes});
  };
  for (const copy_run& run : list.runs) {
    std::byte* const on_device = list.device_base + run.device_offset + run.device_place.offset(layer, 0);
    std::byte* const below = list.lower_base + run.lower_offset + run.lower_place.offset(layer, 0);
    const std::uint64_t device_step = run.device_place.page_stride;
    const std::uint64_t lower_step = run.lower_place.page_stride;
    if (join_pages && device_step == list.piece_bytes && lower_step == list.piece_bytes) {
      give(on_device, below, run.pages * list.piece_bytes);
      continue;
    }
    for (page_count page = 0; page < run.pages; ++page) {
      give(on_device + page * device_step, below + page * lower_step, list.piece_bytes);
    }
  }
}

/// Appends a piece, or lengthens the last one where the piece goes on from it on both sides.
inline void append_joined(std::vector<copy_piece>& pieces, const copy_piece& next)
{
  if (!pieces.empty()) {
    copy_piece& last = pieces.back();
    if (last.dst + last.bytes == next.dst && last.src + last.bytes == next.src) {
      last.bytes += next.bytes;
      return;
    }
  }
  pieces.push_back(next);
}

/// Puts the parts of one layer into `pieces`, as few and as large as they can be.
inline void list_pieces(std::vector<copy_piece>& pieces, const copy_list& list, copy_direction direction,
                        layer_index layer)
{
  pieces.clear();
  each_piece(list, direction, layer, true, [&](const copy_piece& piece) { append_joined(pieces, piece); });
}

namespace detail {

/// Asks an engine that has something to say about the size of its pieces.
template <class Engine>
void check_piece([[maybe_unused]] std::size_t bytes)
{
  if constexpr (requires { Engine::check_piece(bytes); }) Engine::check_piece(bytes);
}

}  // namespace detail

}  // namespace kvstrata
