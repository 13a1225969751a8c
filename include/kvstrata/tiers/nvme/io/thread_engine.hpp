// I/Os by threads that block in preadv and pwritev: on every system, and with no library.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/nvme/io/block_engine.hpp>
#include <kvstrata/tiers/nvme/io/io_figures.hpp>
#include <kvstrata/tiers/nvme/io/io_filter.hpp>
#include <kvstrata/tiers/nvme/io/io_progress.hpp>
#include <kvstrata/tiers/nvme/io/io_queue.hpp>
#include <kvstrata/tiers/nvme/io/medium.hpp>
#include <kvstrata/tiers/nvme/io/medium_config.hpp>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <sys/uio.h>
#include <unistd.h>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// `depth` threads, and the threads that call. At most `depth` I/Os and flushes are under way at a time.
class thread_engine final : public block_engine
{
 public:
  /// Throws what medium throws, and error where not one thread can be had. `why` becomes the first of the explanation.
  explicit thread_engine(const medium_config& config, io_filter* filter = nullptr, std::string why = {})
      : medium_(config, filter), depth_(config.depth), explanation_(std::move(why))
  {
    say(explanation_, medium_.explanation());
    threads_.reserve(depth_);
    try {
      while (threads_.size() < depth_) threads_.emplace_back([this] { work(); });
    } catch (const std::system_error& refused) {
      if (threads_.empty()) throw error(std::string("no thread can be had that reads and writes: ") + refused.what());
      say(explanation_, "Only " + std::to_string(threads_.size()) + " threads could be had instead of " +
                            std::to_string(depth_) + ": " + refused.what() + '.');
    }
  }
  ~thread_engine() override
  {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  /// The calling thread carries out its own I/Os, too, while none that go first wait: one by itself wakes nobody.
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
  [[nodiscard]] std::string_view name() const noexcept override { return "threads"; }
  [[nodiscard]] std::string explanation() const override { return explanation_; }
  [[nodiscard]] engine_figures figures() const noexcept override
  {
    const std::scoped_lock lock(mutex_);
    return figures_;
  }

 private:
  void run(io_batch& batch) noexcept
  {
    std::unique_lock lock(mutex_);
    const std::size_t helpers = (std::min)(batch.left - 1, threads_.size());
    queue_.add(batch);
    if (medium_.filter() != nullptr) medium_.filter()->queued(batch.left);
    for (std::size_t i = 0; i < helpers; ++i) work_.notify_one();
    while (!queue_.empty() && running_ < depth_ && &queue_.front() == &batch) begin_one(lock);
    // This thread leaves a place that it had, or that nobody has been told of.
    if (!queue_.empty() && running_ < depth_) work_.notify_one();
    batch.over.wait(lock, [&batch] { return batch.left == 0; });
  }
  void work() noexcept
  {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_.wait(lock, [this] { return stopping_ || (!queue_.empty() && running_ < depth_); });
      if (stopping_) return;  // nobody waits for anything: those who do are in a call
      begin_one(lock);
    }
  }
  /// Under the lock, which it gives up meanwhile.
  void begin_one(std::unique_lock<std::mutex>& lock) noexcept
  {
    const io_request request = queue_.take();
    ++running_;
    lock.unlock();
    std::uint64_t continued = 0;
    const int fault = request.io == nullptr ? flush(request.file) : carry_out(*request.io, continued);
    lock.lock();
    --running_;
    figures_.continued += continued;
    count(figures_, request, fault);
    io_queue::finish(request, fault);
  }

  [[nodiscard]] int carry_out(const block_io& io, std::uint64_t& continued) const noexcept
  {
    const std::optional<medium_place> place = medium_.locate(io.offset, io.bytes());
    if (!place) return EINVAL;
    io_progress progress(io, place->offset, medium_.alignment().length);
    if (progress.over()) return 0;
    for (;;) {
      const std::optional<int> fault = progress.took(ask_for_more(io, *place, progress));
      if (progress.was_short()) ++continued;
      if (fault) return *fault;
    }
  }
  [[nodiscard]] std::int64_t ask_for_more(const block_io& io, const medium_place& place,
                                          io_progress& progress) const noexcept
  {
    const bool reads = io.what == block_io::kind::read;
    io_progress::part part = progress.next();
    if (medium_.filter() != nullptr) {
      const io_verdict verdict = medium_.filter()->before({.what = reads ? io_call::kind::read : io_call::kind::write,
                                                           .file = place.file,
                                                           .offset = part.offset,
                                                           .bytes = part.bytes});
      if (verdict.error != 0) return -verdict.error;
      if (verdict.most == 0) return 0;
      if (verdict.most < part.bytes) part = progress.cut(verdict.most);
    }
    const auto offset = static_cast<::off_t>(part.offset);
    const ::ssize_t result = reads ? ::preadv(place.fd, part.pieces, static_cast<int>(part.count), offset)
                                   : ::pwritev(place.fd, part.pieces, static_cast<int>(part.count), offset);
    return result < 0 ? -static_cast<std::int64_t>(errno) : result;
  }
  [[nodiscard]] int flush(std::size_t file) const noexcept
  {
    int fault = EINTR;
    while (fault == EINTR) {
      fault = ask(medium_.filter(), {.what = io_call::kind::flush, .file = file}).error;
      if (fault == 0 && ::fdatasync(medium_.fd(file)) != 0) fault = errno;
    }
    return fault;
  }

  const medium medium_;
  const std::uint32_t depth_;
  std::string explanation_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  io_queue queue_;
  std::uint32_t running_ = 0;
  bool stopping_ = false;
  engine_figures figures_;
  std::vector<std::thread> threads_;
};

/// An engine_maker.
[[nodiscard]] inline std::unique_ptr<block_engine> make_thread_engine(const medium_config& config)
{
  return std::make_unique<thread_engine>(config);
}

}  // namespace kvstrata::nvme
