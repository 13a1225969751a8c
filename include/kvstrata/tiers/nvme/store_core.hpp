// What those who work on an nvme_file share: its engine, its books, and the lock on them.
#pragma once

#include <kvstrata/tiers/nvme/books/store_books.hpp>
#include <kvstrata/tiers/nvme/config.hpp>
#include <kvstrata/tiers/nvme/format/block.hpp>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Somebody who waits for a flush.
struct flush_waiter
{
  bool over = false;
  bool flushed = false;  ///< what was written is durable
  bool written = false;  ///< and all that was erased is
};

/// No I/O is done under the lock.
struct store_core
{
  store_core(const nvme_file_config& c, std::unique_ptr<block_engine> e, store_books b)
      : config(c), engine(std::move(e)), books(std::move(b))
  {
  }

  nvme_file_config config;
  std::unique_ptr<block_engine> engine;
  store_id id{};
  recovery_figures recovery{};

  std::mutex mutex;  // what follows
  store_books books;
  std::uint32_t clean_regions = least_clean_regions;  // kept ready
  bool makes_room = false;                            // somebody does
  std::deque<nvme_io*> waiting;                       // puts that have no places yet, in the order of their calls
  std::condition_variable placed;                     // some of them do, or will have none
  bool flushing = false;
  std::uint64_t promised_blocks = 0;   // of puts that are to be encoded, at most
  std::vector<flush_waiter*> waiters;  // for the next flush
  std::condition_variable flush_over, reader_gone;

  /// Of its codec; 0: it has none.
  [[nodiscard]] std::uint64_t fingerprint() const noexcept
  {
    return config.code == nullptr ? 0 : config.code->mark().fingerprint;
  }
  [[nodiscard]] std::uint64_t offset_of(block_number block) const noexcept
  {
    return std::uint64_t{block} * block_bytes;
  }
  [[nodiscard]] std::uint64_t offset_of(const record_place& place) const noexcept
  {
    return offset_of(books.regions.block_of(place));
  }
};

/// One read or write of one piece of memory. 0, or an errno.
[[nodiscard]] inline int move_sync(block_engine& engine, block_io::kind what, std::uint64_t offset,
                                   memory_piece piece) noexcept
{
  block_io io{.what = what, .offset = offset, .pieces = {&piece, 1}};
  engine.run_sync({&io, 1});
  return io.error;
}

}  // namespace kvstrata::nvme
