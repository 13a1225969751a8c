// The I/Os that have been asked for and have not begun: reads before writes, else in the order in which they came.
#pragma once

#include <kvstrata/tiers/nvme/io/block_engine.hpp>

#include <boost/intrusive/list.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

struct reads_tag;
struct writes_tag;

template <class Tag>
using io_hook = boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>>;

/// One call of run_sync or flush_sync, on the stack of the thread that waits for it. Everything under the engine's
/// lock.
struct io_batch : io_hook<reads_tag>, io_hook<writes_tag>
{
  explicit io_batch(std::span<block_io> what) noexcept : ios(what), left(what.size()) {}
  /// A flush of so many files.
  explicit io_batch(std::size_t files) noexcept : flushes(files), left(files) {}

  std::span<block_io> ios{};
  std::size_t flushes = 0;
  std::size_t left;     // that are not over
  int flush_error = 0;  // the first
  std::condition_variable over;

  std::size_t next_read = 0, next_write = 0, next_flush = 0;
};

template <class Tag>
using io_batches = boost::intrusive::list<io_batch, boost::intrusive::base_hook<io_hook<Tag>>>;

/// One of a batch: an I/O, or the flush of a file.
struct io_request
{
  io_batch* batch = nullptr;
  block_io* io = nullptr;
  std::size_t file = 0;
};

/// Not for several threads at once. Allocates nothing. Everything O(1) a request, but that of a batch of n I/Os each is
/// looked at twice.
class io_queue
{
 public:
  void add(io_batch& batch) noexcept
  {
    size_ += batch.left;
    if (batch.flushes != 0 || skip_to(batch, batch.next_read, block_io::kind::read)) reads_.push_back(batch);
    if (skip_to(batch, batch.next_write, block_io::kind::write)) writes_.push_back(batch);
  }

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Whose request is the next; not if empty().
  [[nodiscard]] io_batch& front() noexcept { return reads_.empty() ? writes_.front() : reads_.front(); }
  [[nodiscard]] const io_batch& front() const noexcept { return reads_.empty() ? writes_.front() : reads_.front(); }

  /// The next to begin; not if empty(). Flushes go with the reads: they wait for no I/O.
  [[nodiscard]] io_request take() noexcept
  {
    --size_;
    if (reads_.empty()) {
      io_batch& batch = writes_.front();
      block_io& io = batch.ios[batch.next_write++];
      if (!skip_to(batch, batch.next_write, block_io::kind::write)) writes_.pop_front();
      return {.batch = &batch, .io = &io};
    }
    io_batch& batch = reads_.front();
    if (batch.flushes != 0) {
      const std::size_t file = batch.next_flush++;
      if (batch.next_flush == batch.flushes) reads_.pop_front();
      return {.batch = &batch, .io = nullptr, .file = file};
    }
    block_io& io = batch.ios[batch.next_read++];
    if (!skip_to(batch, batch.next_read, block_io::kind::read)) reads_.pop_front();
    return {.batch = &batch, .io = &io};
  }

  /// `request` is over. True: so is its batch, and its thread has been told.
  static bool finish(const io_request& request, int fault) noexcept
  {
    io_batch& batch = *request.batch;
    if (request.io != nullptr) request.io->error = fault;
    else if (batch.flush_error == 0) batch.flush_error = fault;
    if (--batch.left != 0) return false;
    batch.over.notify_one();
    return true;
  }

 private:
  static bool skip_to(const io_batch& batch, std::size_t& at, block_io::kind what) noexcept
  {
    while (at != batch.ios.size() && batch.ios[at].what != what) ++at;
    return at != batch.ios.size();
  }

  io_batches<reads_tag> reads_;
  io_batches<writes_tag> writes_;
  std::size_t size_ = 0;
};

}  // namespace kvstrata::nvme
