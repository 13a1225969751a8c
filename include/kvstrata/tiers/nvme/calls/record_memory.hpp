// The memory of one record, as a write or a read of it wants it: the pages themselves where an engine can use them, else a
// buffer beside them.
#pragma once

#include <kvstrata/tiers/nvme/calls/block_buffer.hpp>
#include <kvstrata/tiers/nvme/calls/page_memory.hpp>
#include <kvstrata/tiers/nvme/format/body.hpp>
#include <kvstrata/tiers/nvme/format/bytes.hpp>
#include <kvstrata/tiers/stores/format/crc32c.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Pages whose layers are in more and shorter pieces than this go through a buffer: a copy costs less than what a drive makes of
/// many pieces, which it wants to begin and end with its pages. 1 MiB in pieces of 2 KiB on a virtual disk, straight and through
/// a buffer: read 0.64 GB/s for 0.32 s of CPU a GB and 1.7 to 2.2 for 0.18, written 1.6 for 0.29 and 1.1 to 2.3 for 0.23. In pieces of
/// 4 and 8 KiB neither is ahead in all runs.
inline constexpr std::size_t least_piece = 4096;

/// Its head, and its body layer by layer. Pages of the record that nobody gives or wants have memory of their own here.
class record_memory
{
 public:
  /// Of a record of `record` pages, those `inside` it lie in `pages` from page `first` on. Bytes are moved straight from or
  /// to them where `alignment` allows that, and pieces are few, or least_piece long on the average.
  record_memory(page_count record, page_interval inside, const page_memory& pages, std::size_t first,
                std::uint32_t layers, memory_alignment alignment)
      : head_(block_bytes), first_piece_{0}
  {
    const auto page_bytes = static_cast<std::uint32_t>(pages.page_bytes());
    const std::size_t others = record - inside.size();
    padding_ = layer_padding(record, page_bytes, layers);
    spare_ = block_buffer(others * pages.page_bytes() + (padding_ != 0 ? layers * block_bytes : 0));
    std::size_t spare = 0;
    const auto take_spare = [&](std::size_t bytes) {
      if (bytes != 0) add({spare_.data() + spare, bytes});
      spare += bytes;
    };
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      take_spare(inside.begin * pages.layer_bytes());
      std::vector<memory_piece> mine;
      pages.append_layer(layer, first, inside.size(), mine);
      for (const memory_piece& piece : mine) add(piece);
      take_spare((record - inside.end) * pages.layer_bytes());
      take_spare(padding_);
      first_piece_.push_back(pieces_.size());
    }
    std::size_t bytes = 0;
    for (const memory_piece& piece : pieces_) {
      bytes += piece.bytes;
      const auto address = reinterpret_cast<std::uintptr_t>(piece.data);
      is_direct_ = is_direct_ && address % alignment.address == 0 && piece.bytes % alignment.length == 0;
    }
    const bool is_few = pieces_.size() <= std::size_t{2} * layers;
    is_direct_ = is_direct_ && (is_few || bytes >= least_piece * pieces_.size());
    if (is_direct_) return;
    staged_ = block_buffer::of_any_bytes(body_blocks(record, page_bytes, layers) * block_bytes);
    const std::size_t part = staged_.size() / layers;
    for (std::uint32_t layer = 0; layer < layers; ++layer)
      staged_layers_.push_back({staged_.data() + layer * part, part});
  }

  [[nodiscard]] block_span head() noexcept { return head_.block(0); }
  [[nodiscard]] std::uint32_t layers() const noexcept { return static_cast<std::uint32_t>(first_piece_.size() - 1); }
  [[nodiscard]] bool is_direct() const noexcept { return is_direct_; }

  /// What an engine moves of a layer.
  [[nodiscard]] std::span<const memory_piece> layer(std::uint32_t number) const noexcept
  {
    if (!is_direct_) return {&staged_layers_[number], 1};
    return {pieces_.data() + first_piece_[number], first_piece_[number + 1] - first_piece_[number]};
  }
  [[nodiscard]] memory_piece head_piece() const noexcept { return head_.all(); }

  [[nodiscard]] std::uint32_t crc_of(std::uint32_t number) const noexcept
  {
    std::uint32_t crc = crc_start;
    for (const memory_piece& piece : layer(number)) crc = crc32c({piece.data, piece.bytes}, crc);
    return crc;
  }

  /// From the pages to what an engine writes.
  void gather() noexcept
  {
    for (std::uint32_t number = 0; number < layers(); ++number) {
      each_staged(number,
                  [](std::byte* staged, const memory_piece& piece) { std::memcpy(staged, piece.data, piece.bytes); });
    }
  }
  /// From what an engine has read of a layer to the pages.
  void scatter(std::uint32_t number) noexcept
  {
    each_staged(number, [](const std::byte* staged, const memory_piece& piece) {
      std::memcpy(piece.data, staged, piece.bytes);
    });
  }

 private:
  void add(const memory_piece& piece)
  {
    // Joined within a layer only: each is an I/O of its own.
    if (pieces_.size() > first_piece_.back() && pieces_.back().data + pieces_.back().bytes == piece.data) {
      pieces_.back().bytes += piece.bytes;
    } else {
      pieces_.push_back(piece);
    }
  }

  template <class Visit>
  void each_staged(std::uint32_t number, Visit&& visit) noexcept
  {
    if (is_direct_) return;
    std::byte* at = staged_layers_[number].data;
    for (std::size_t i = first_piece_[number]; i < first_piece_[number + 1]; ++i) {
      visit(at, pieces_[i]);
      at += pieces_[i].bytes;
    }
  }

  block_buffer head_, spare_, staged_;
  std::uint64_t padding_ = 0;
  bool is_direct_ = true;
  std::vector<memory_piece> pieces_;      // of the pages, of spare memory and of padding, in the order of the disk
  std::vector<std::size_t> first_piece_;  // of each layer, and behind the last
  std::vector<memory_piece> staged_layers_;
};

}  // namespace kvstrata::nvme
