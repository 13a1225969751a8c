// I/Os by io_uring: no thread of its own, and of the threads that wait one waits for all. Needs liburing: link
// kvstrata::uring.
#pragma once

#include <kvstrata/tiers/nvme/io/block_engine.hpp>
#include <kvstrata/tiers/nvme/io/io_figures.hpp>
#include <kvstrata/tiers/nvme/io/io_filter.hpp>
#include <kvstrata/tiers/nvme/io/io_progress.hpp>
#include <kvstrata/tiers/nvme/io/io_queue.hpp>
#include <kvstrata/tiers/nvme/io/io_ring.hpp>
#include <kvstrata/tiers/nvme/io/medium.hpp>
#include <kvstrata/tiers/nvme/io/medium_config.hpp>

#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <liburing.h>

namespace kvstrata::nvme {

/// One ring of `depth` I/Os and flushes. Who calls queues what it wants, submits what there is room for, and waits: the first
/// who waits reaps for all, in the kernel, and submits what has been queued; when its own is over it leaves that to another
/// who waits. So a single caller passes nothing to another thread, and many share one submission.
///
/// An I/O of one piece in registered memory needs no pages to be looked up. One of several pieces does, and counts as
/// unregistered: the kernel takes registered memory in one piece.
class uring_engine final : public block_engine
{
 public:
  /// Throws ring_refused where the system has no ring for us, before a file is touched; else what medium throws.
  explicit uring_engine(const medium_config& config, io_filter* filter = nullptr)
      : ring_(checked(config).depth, filter), medium_(config, filter), filter_(filter), slots_(config.depth)
  {
    free_.reserve(slots_.size());
    again_.reserve(slots_.size());
    for (std::uint32_t i = config.depth; i-- != 0;) free_.push_back(i);
  }

  void run_sync(std::span<block_io> ios) noexcept override
  {
    if (ios.empty()) return;
    io_batch batch(ios);
    run(batch);
  }
  [[nodiscard]] int flush_sync() noexcept override
  {
    io_batch batch(medium_.files());
    run(batch);
    return batch.flush_error;
  }

  [[nodiscard]] std::uint64_t bytes() const noexcept override { return medium_.bytes(); }
  [[nodiscard]] memory_alignment alignment() const noexcept override { return medium_.alignment(); }
  [[nodiscard]] std::string_view name() const noexcept override { return "io_uring"; }
  [[nodiscard]] std::string explanation() const override
  {
    std::string out = medium_.explanation();
    say(out, ring_.refusal());
    return out;
  }
  [[nodiscard]] engine_figures figures() const noexcept override
  {
    const std::scoped_lock lock(mutex_);
    return figures_;
  }
  /// The kernel keeps the pages that are there now: after MADV_DONTNEED, or when something else is mapped there, I/Os go to
  /// the old ones and report success. So the memory stays as it is until the engine is gone. Blocks while pages come in.
  void register_memory(std::span<std::byte> memory) override { ring_.enlist(memory); }

 private:
  /// A request that has begun.
  struct slot
  {
    io_request request{};
    medium_place place{};
    io_progress progress{};
    bool begun = false;
    bool unregistered = false;  // a part of it was
  };
  using lock_type = std::unique_lock<std::mutex>;

  static const medium_config& checked(const medium_config& config)
  {
    medium::check(config);
    return config;
  }

  void run(io_batch& batch) noexcept
  {
    lock_type lock(mutex_);
    const std::size_t count = batch.left;
    queue_.add(batch);
    if (filter_ != nullptr) filter_->queued(count);
    pump(lock);
    while (batch.left != 0) {
      if (!reaping_ && under_way_ != 0) {
        reap(lock);
      } else {
        waiting_.push_back(batch);
        batch.over.wait(lock);
        waiting_.erase(waiting_.iterator_to(batch));
      }
    }
    hand_over();
  }
  /// Somebody waits for the ring, whoever goes now.
  void hand_over() noexcept
  {
    if (!reaping_ && under_way_ != 0 && !waiting_.empty()) waiting_.front().over.notify_one();
  }

  /// Waits for at least one result, and does what the results ask for.
  void reap(lock_type& lock) noexcept
  {
    reaping_ = true;
    lock.unlock();
    ::io_uring_cqe* first = nullptr;
    while (::io_uring_wait_cqe(ring_.get(), &first) != 0)
      continue;  // interrupted; a ring that lives fails in no other way
    lock.lock();
    unsigned head = 0, count = 0;
    ::io_uring_cqe* result = nullptr;
    io_uring_for_each_cqe(ring_.get(), head, result)
    {
      ++count;
      settle(static_cast<std::uint32_t>(result->user_data), result->res);
    }
    ::io_uring_cq_advance(ring_.get(), count);
    under_way_ -= count;
    reaping_ = false;
    pump(lock);
  }

  /// Begins and continues what there is room for. With a filter it gives the lock up meanwhile.
  void pump(lock_type& lock) noexcept
  {
    while (!again_.empty() || (!queue_.empty() && !free_.empty())) {
      std::uint32_t at = 0;
      if (!again_.empty()) {
        at = again_.back();
        again_.pop_back();
      } else {
        at = free_.back();
        free_.pop_back();
        slots_[at] = {.request = queue_.take()};
      }
      advance(at, lock);
      if (filter_ != nullptr || (again_.empty() && (queue_.empty() || free_.empty()))) submit(lock);
    }
    submit(lock);
  }
  void advance(std::uint32_t at, lock_type& lock) noexcept
  {
    slot& s = slots_[at];
    if (s.request.io == nullptr) {
      flush(at, lock);
      return;
    }
    const block_io& io = *s.request.io;
    if (!s.begun) {
      const std::optional<medium_place> place = medium_.locate(io.offset, io.bytes());
      if (!place) return finish(at, EINVAL);
      s.place = *place;
      s.progress = io_progress(io, place->offset, medium_.alignment().length);
      s.begun = true;
      if (s.progress.over()) return finish(at, 0);
    }
    const bool reads = io.what == block_io::kind::read;
    io_progress::part part = s.progress.next();
    if (filter_ != nullptr) {
      const io_verdict verdict = ask_unlocked(lock, {.what = reads ? io_call::kind::read : io_call::kind::write,
                                                     .file = s.place.file,
                                                     .offset = part.offset,
                                                     .bytes = part.bytes});
      if (verdict.error != 0 || verdict.most == 0) return settle(at, -verdict.error);
      if (verdict.most < part.bytes) part = s.progress.cut(verdict.most);
    }
    ::io_uring_sqe* const sqe = ::io_uring_get_sqe(ring_.get());
    if (sqe == nullptr) return settle(at, -EAGAIN);
    const std::optional<int> buffer = part.count == 1 ? ring_.buffer_of(part.data, part.bytes) : std::nullopt;
    if (buffer) {
      const auto bytes = static_cast<unsigned>(part.bytes);
      if (reads) ::io_uring_prep_read_fixed(sqe, s.place.fd, part.pieces->iov_base, bytes, part.offset, *buffer);
      else ::io_uring_prep_write_fixed(sqe, s.place.fd, part.pieces->iov_base, bytes, part.offset, *buffer);
    } else {
      s.unregistered = true;
      if (reads) ::io_uring_prep_readv(sqe, s.place.fd, part.pieces, part.count, part.offset);
      else ::io_uring_prep_writev(sqe, s.place.fd, part.pieces, part.count, part.offset);
    }
    sqe->user_data = at;
  }
  void flush(std::uint32_t at, lock_type& lock) noexcept
  {
    const std::size_t file = slots_[at].request.file;
    if (filter_ != nullptr) {
      const io_verdict verdict = ask_unlocked(lock, {.what = io_call::kind::flush, .file = file});
      if (verdict.error != 0) return settle(at, -verdict.error);
    }
    ::io_uring_sqe* const sqe = ::io_uring_get_sqe(ring_.get());
    if (sqe == nullptr) return settle(at, -EAGAIN);
    ::io_uring_prep_fsync(sqe, medium_.fd(file), IORING_FSYNC_DATASYNC);
    sqe->user_data = at;
  }

  /// Hands the kernel what has been prepared.
  void submit(lock_type& lock) noexcept
  {
    while (::io_uring_sq_ready(ring_.get()) != 0) {
      int result = 0;
      if (filter_ != nullptr) {
        result = -ask_unlocked(lock, {.what = io_call::kind::submit, .bytes = ::io_uring_sq_ready(ring_.get())}).error;
        if (::io_uring_sq_ready(ring_.get()) == 0) return;  // another thread did
      }
      if (result == 0) result = ::io_uring_submit(ring_.get());
      if (result > 0) {
        under_way_ += static_cast<std::size_t>(result);
      } else if (result != -EINTR) {
        if (under_way_ != 0) return;  // the kernel has no memory for more: once something is over
        return withdraw(result == 0 ? -EAGAIN : result);
      }
    }
  }
  /// The kernel takes nothing, and nothing is under way that could be waited for: what was prepared has failed.
  void withdraw(int result) noexcept
  {
    ::io_uring_sq& prepared = ring_->sq;
    const unsigned count = ::io_uring_sq_ready(ring_.get());
    // Nobody reads the queue but the kernel, while it is asked: it is as if they had not been put there.
    prepared.sqe_tail -= count;
    prepared.sqe_head = prepared.sqe_tail;
    io_uring_smp_store_release(prepared.ktail, prepared.sqe_tail);
    for (unsigned i = 0; i < count; ++i) {
      const ::io_uring_sqe& one = prepared.sqes[(prepared.sqe_tail + i) & prepared.ring_mask];
      settle(static_cast<std::uint32_t>(one.user_data), result);
    }
  }

  /// The result of what `at` last asked for.
  void settle(std::uint32_t at, int result) noexcept
  {
    slot& s = slots_[at];
    std::optional<int> fault;
    if (s.request.io != nullptr) {
      fault = s.progress.took(result);
      if (s.progress.was_short()) ++figures_.continued;
    } else if (result != -EINTR && result != -ECANCELED) {
      fault = -result;
    }
    if (fault) finish(at, *fault);
    else again_.push_back(at);
  }
  void finish(std::uint32_t at, int fault) noexcept
  {
    const slot& s = slots_[at];
    if (s.unregistered) ++figures_.unregistered;
    count(figures_, s.request, fault);
    io_queue::finish(s.request, fault);
    free_.push_back(at);
  }
  [[nodiscard]] io_verdict ask_unlocked(lock_type& lock, const io_call& call) noexcept
  {
    hand_over();
    lock.unlock();
    const io_verdict out = filter_->before(call);
    lock.lock();
    return out;
  }

  io_ring ring_;
  const medium medium_;
  io_filter* const filter_;
  mutable std::mutex mutex_;
  io_queue queue_;
  std::vector<slot> slots_;
  std::vector<std::uint32_t> free_;   // slots
  std::vector<std::uint32_t> again_;  // slots that ask for more
  io_batches<waits_tag> waiting_;     // whose threads are asleep
  std::size_t under_way_ = 0;         // that the kernel has
  bool reaping_ = false;              // one thread reads results, without the lock
  engine_figures figures_;
};

/// An engine_maker: io_uring or nothing. Throws ring_refused besides.
[[nodiscard]] inline std::unique_ptr<block_engine> make_uring_engine(const medium_config& config)
{
  return std::make_unique<uring_engine>(config);
}

}  // namespace kvstrata::nvme
