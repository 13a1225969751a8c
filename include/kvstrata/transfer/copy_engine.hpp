// What copy engines share: what they report, their streams, and the pieces of one layer of a copy list.
#pragma once

#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/last_use.hpp>
#include <kvstrata/layout/copy_run.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

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
  return direction == copy_direction::to_device     ? "onload"
         : direction == copy_direction::from_device ? "offload"
                                                    : "demote";
}

/// Calls each(copy_piece) for the parts of one layer: one a run where the run is dense on both sides and `join_pages`,
/// else one a page. O(pages).
template <class Each>
void each_piece(const copy_list& list, layer_index layer, bool join_pages, Each&& each)
{
  for (const copy_run& run : list.runs) {
    std::byte* const to = run.to.page(layer, 0);
    const std::byte* const from = run.from.page(layer, 0);
    const std::uint64_t to_step = run.to.where.page_stride;
    const std::uint64_t from_step = run.from.where.page_stride;
    if (join_pages && to_step == list.piece_bytes && from_step == list.piece_bytes) {
      each(copy_piece{to, from, run.pages * list.piece_bytes});
      continue;
    }
    for (page_count page = 0; page < run.pages; ++page) {
      each(copy_piece{to + page * to_step, from + page * from_step, list.piece_bytes});
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

/// The parts of a list, layer after layer, as few and as large as they can be: listed once, then moved on by each run's
/// strides. A list must not change between its layers, which are asked for in order. Reused from list to list, so that it
/// does not allocate in steady state. Not synchronised.
class layer_pieces
{
 public:
  /// Valid until the next call. O(pages) for layer 0, O(parts) for the one behind the last.
  [[nodiscard]] std::span<const copy_piece> of(const copy_list& list, layer_index layer)
  {
    if (&list == list_ && layer == layer_ + 1) {
      move_on();
    } else {
      start(list, layer);
    }
    list_ = &list;
    layer_ = layer;
    return pieces_;
  }

 private:
  struct strides
  {
    std::uint64_t to = 0;
    std::uint64_t from = 0;

    friend bool operator==(strides, strides) = default;
  };

  /// Pieces one after the other that move on alike.
  struct stretch
  {
    strides by;
    std::size_t pieces = 0;
  };

  /// To the next layer.
  void move_on() noexcept
  {
    copy_piece* piece = pieces_.data();
    for (const stretch& s : stretches_) {
      const strides by = s.by;
      const copy_piece* const end = piece + s.pieces;
      for (; end - piece >= 4; piece += 4) {
        for (int i = 0; i < 4; ++i) advance(piece[i], by);
      }
      for (; piece != end; ++piece) advance(*piece, by);
    }
  }
  static void advance(copy_piece& piece, strides by) noexcept
  {
    piece.dst += by.to;
    piece.src += by.from;
  }

  void start(const copy_list& list, layer_index layer)
  {
    pieces_.clear();
    stretches_.clear();
    for (const copy_run& run : list.runs) {
      strides by{run.to.where.layer_stride, run.from.where.layer_stride};
      if (list.layers == 1) by = {};  // there is no other layer
      const copy_end to{run.to.page(layer, 0), run.to.where};
      const copy_end from{run.from.page(layer, 0), run.from.where};
      if (stretches_.empty() || stretches_.back().by != by) stretches_.push_back({by, 0});
      if (to.where.page_stride == list.piece_bytes && from.where.page_stride == list.piece_bytes) {
        add({to.at, from.at, run.pages * list.piece_bytes});
        continue;
      }
      for (page_count page = 0; page < run.pages; ++page) {
        add({to.page(0, page), from.page(0, page), list.piece_bytes});
      }
    }
  }

  /// A piece of the last stretch: lengthens the last one of it where this one goes on from that, on both sides.
  void add(const copy_piece& next)
  {
    std::size_t& alike = stretches_.back().pieces;
    if (alike != 0) {
      copy_piece& last = pieces_.back();
      if (last.dst + last.bytes == next.dst && last.src + last.bytes == next.src) {
        last.bytes += next.bytes;
        return;
      }
    }
    pieces_.push_back(next);
    ++alike;
  }

  const copy_list* list_ = nullptr;
  layer_index layer_ = 0;
  std::vector<copy_piece> pieces_;
  std::vector<stretch> stretches_;  // of all of them
};

namespace detail {

/// Asks an engine that has something to say about the size of its pieces.
template <class Engine>
void check_piece([[maybe_unused]] std::size_t bytes)
{
  if constexpr (requires { Engine::check_piece(bytes); }) Engine::check_piece(bytes);
}

}  // namespace detail

}  // namespace kvstrata
