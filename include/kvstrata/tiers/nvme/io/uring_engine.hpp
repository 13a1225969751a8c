// I/Os by io_uring. Needs liburing: link kvstrata::uring.
#pragma once

#include <kvstrata/tiers/nvme/io/block_engine.hpp>
#include <kvstrata/tiers/nvme/io/io_figures.hpp>
#include <kvstrata/tiers/nvme/io/io_filter.hpp>
#include <kvstrata/tiers/nvme/io/io_queue.hpp>
#include <kvstrata/tiers/nvme/io/io_ring.hpp>
#include <kvstrata/tiers/nvme/io/medium.hpp>
#include <kvstrata/tiers/nvme/io/medium_config.hpp>
#include <kvstrata/tiers/nvme/io/uring_lane.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// A few rings, of which each thread that calls takes one while its I/Os are under way: it submits them in one call of
/// the system and waits in it, and nothing is passed from thread to thread. (One ring for all would wake whoever
/// submitted for every result, and then whoever waits for it.) All together carry out at most `depth` I/Os and flushes
/// at a time.
///
/// An I/O of one piece in registered memory needs no pages to be looked up. One of several pieces does, and counts as
/// unregistered: the kernel takes registered memory in one piece.
class uring_engine final : public block_engine
{
 public:
  /// Threads with I/Os under way; others wait.
  static constexpr std::uint32_t most_rings = 16;

  /// Throws ring_refused where the system has no ring for us, else what medium throws.
  explicit uring_engine(const medium_config& config, io_filter* filter = nullptr)
      : medium_(checked(config, filter), filter),
        filter_(filter),
        depth_(config.depth),
        explanation_(medium_.explanation())
  {
    const std::uint32_t wanted = (std::min)(depth_, most_rings);
    lanes_.reserve(wanted);
    idle_.reserve(wanted);
    try {
      while (lanes_.size() < wanted) lanes_.push_back(std::make_unique<uring_lane>(depth_, medium_, filter));
    } catch (const ring_refused& refusal) {
      if (lanes_.empty()) throw;
      say(explanation_, std::to_string(lanes_.size()) + " rings instead of " + std::to_string(wanted) + ", because " +
                            refusal.what() + '.');
    }
    for (const auto& lane : lanes_) idle_.push_back(lane.get());
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
    std::string out = explanation_;
    for (const auto& lane : lanes_) {
      if (const std::string refusal = lane->ring().refusal(); !refusal.empty()) {
        say(out, refusal);
        break;  // the others say the same
      }
    }
    return out;
  }
  [[nodiscard]] engine_figures figures() const noexcept override
  {
    const std::scoped_lock lock(mutex_);
    return figures_;
  }
  /// The kernel keeps the pages that are there now: after MADV_DONTNEED, or when something else is mapped there, I/Os
  /// go to the old ones and report success. So the memory stays as it is until the engine is gone. Blocks while pages
  /// come in.
  void register_memory(std::span<std::byte> memory) override
  {
    const std::scoped_lock lock(register_mutex_);
    io_ring& first = lanes_.front()->ring();
    first.enlist(memory);
    for (std::size_t i = 1; i < lanes_.size(); ++i) {
      if (!lanes_[i]->ring().share(first)) lanes_[i]->ring().enlist(memory);
    }
  }

 private:
  static const medium_config& checked(const medium_config& config, io_filter* filter)
  {
    medium::check(config);
    const io_ring tried(1, filter);  // before a file is touched
    return config;
  }

  void run(io_batch& batch) noexcept
  {
    uring_lane* lane = nullptr;
    std::unique_lock lock(mutex_);
    queue_.add(batch);
    if (filter_ != nullptr) filter_->queued(batch.left);
    while (batch.left != 0) {
      while (begins(batch) && (lane != nullptr || (lane = find_lane()) != nullptr)) {
        ++running_;
        const io_request request = queue_.take();
        if (filter_ == nullptr) {
          lane->begin(request);
        } else {  // it may block
          lock.unlock();
          lane->begin(request);
          lock.lock();
        }
      }
      call_next();
      if (lane == nullptr || lane->empty()) {
        give_back(lane);
        if (batch.left != 0) batch.over.wait(lock);
        continue;
      }
      lock.unlock();
      lane->wait();
      lock.lock();
      for (const uring_lane::result& result : lane->results()) {
        --running_;
        figures_.continued += result.continued;
        if (result.unregistered) ++figures_.unregistered;
        count(figures_, result.request, result.fault);
        io_queue::finish(result.request, result.fault);
      }
      lane->forget_results();
    }
    give_back(lane);
  }
  /// Whether it is this one's turn, and there is room.
  [[nodiscard]] bool begins(const io_batch& batch) const noexcept
  {
    return running_ < depth_ && !queue_.empty() && &queue_.front() == &batch;
  }
  [[nodiscard]] uring_lane* find_lane() noexcept
  {
    if (idle_.empty()) return nullptr;
    uring_lane* const lane = idle_.back();
    idle_.pop_back();
    return lane;
  }
  void give_back(uring_lane*& lane) noexcept
  {
    if (lane != nullptr) idle_.push_back(lane);
    lane = nullptr;
    call_next();
  }
  /// Whose turn it is may be asleep.
  void call_next() noexcept
  {
    if (!queue_.empty() && running_ < depth_) queue_.front().over.notify_one();
  }

  const medium medium_;
  io_filter* const filter_;
  const std::uint32_t depth_;
  std::string explanation_;
  std::vector<std::unique_ptr<uring_lane>> lanes_;
  std::mutex register_mutex_;
  mutable std::mutex mutex_;
  io_queue queue_;
  std::vector<uring_lane*> idle_;
  std::uint32_t running_ = 0;
  engine_figures figures_;
};

/// An engine_maker: io_uring or nothing. Throws ring_refused besides.
[[nodiscard]] inline std::unique_ptr<block_engine> make_uring_engine(const medium_config& config)
{
  return std::make_unique<uring_engine>(config);
}

}  // namespace kvstrata::nvme
