// A device that does nothing before somebody waits for it, but that now and then one stream, drawn from a seed, runs all
// that it has: one stream's work comes before another's only where the one waits for the other. Whoever forgets to wait for something sees bytes that are not there
// yet, and whoever forgets what still uses memory has it overwritten later.
#pragma once

#include "cache/fuse.hpp"

#include <kvstrata/device/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <random>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// Every call of the concept is a hook that may throw, and has queued nothing then. Its own allocations never fail.
class lazy_device
{
 public:
  explicit lazy_device(unsigned seed = 0, bool poisons = false) : random_(seed + 1), poisons_(poisons) {}

  struct memory
  {
    std::vector<std::byte> bytes;
    [[nodiscard]] std::byte* data() const { return const_cast<std::byte*>(bytes.data()); }
    [[nodiscard]] std::size_t size() const { return bytes.size(); }
  };

  memory allocate_device(std::size_t bytes, std::string_view) { return allocate(bytes); }
  memory allocate_pinned(std::size_t bytes, std::string_view) { return allocate(bytes); }

  kvstrata::stream_id create_stream(std::string_view)
  {
    fuse::burn(hook::device);
    const fuse::out_of_reach while_it_lives;
    streams_.emplace_back();
    return static_cast<kvstrata::stream_id>(streams_.size() - 1);
  }

  kvstrata::event record(kvstrata::stream_id on)
  {
    fuse::burn(hook::device);
    hurry();
    return {on, at(on).queued};
  }
  void wait(kvstrata::stream_id on, kvstrata::event until)
  {
    fuse::burn(hook::device);
    queue(on, [this, until] { run_until(until); });
  }
  bool query(kvstrata::event until)
  {
    fuse::burn(hook::device);
    return at(until.stream).done >= until.sequence;
  }
  void wait_sync(kvstrata::event until)
  {
    fuse::burn(hook::device);
    const fuse::out_of_reach while_it_lives;
    run_until(until);
  }

  void copy(kvstrata::stream_id on, kvstrata::copy_direction, std::byte* dst, const std::byte* src, std::size_t bytes)
  {
    const kvstrata::copy_piece piece{dst, src, bytes};
    move(on, {&piece, 1});
  }
  void copy_batch(kvstrata::stream_id on, kvstrata::copy_direction, std::span<const kvstrata::copy_piece> pieces)
  {
    move(on, pieces);
  }
  void copy_kernel_launch(kvstrata::stream_id on, const kvstrata::copy_kernel&,
                          std::span<const kvstrata::copy_piece> pieces)
  {
    move(on, pieces);
  }
  [[nodiscard]] bool poison_freed() const { return poisons_; }
  void poison(kvstrata::stream_id on, std::byte* dst, std::size_t bytes)
  {
    fuse::burn(hook::device);
    queue(on, [=] { std::memset(dst, 0xFF, bytes); });
  }

  /// The model's work; no hook.
  void launch(kvstrata::stream_id on, std::function<void()> work) { queue(on, std::move(work)); }

 private:
  struct stream
  {
    std::deque<std::function<void()>> work;
    std::uint64_t queued = 0;
    std::uint64_t done = 0;
  };

  [[nodiscard]] stream& at(kvstrata::stream_id s) { return streams_[static_cast<std::size_t>(s)]; }

  static memory allocate(std::size_t bytes)
  {
    fuse::burn(hook::device);
    const fuse::out_of_reach while_it_lives;
    return {std::vector<std::byte>(bytes)};
  }

  void queue(kvstrata::stream_id s, std::function<void()> work)
  {
    const fuse::out_of_reach while_it_lives;
    at(s).work.push_back(std::move(work));
    ++at(s).queued;
  }

  void move(kvstrata::stream_id s, std::span<const kvstrata::copy_piece> pieces)
  {
    fuse::burn(hook::device);
    const fuse::out_of_reach while_it_lives;
    queue(s, [list = std::vector<kvstrata::copy_piece>(pieces.begin(), pieces.end())] {
      for (const kvstrata::copy_piece& p : list) std::memcpy(p.dst, p.src, p.bytes);
    });
  }

  void hurry()
  {
    const fuse::out_of_reach while_it_lives;
    if (random_() % 8 != 0) return;
    const auto hasty = static_cast<std::uint32_t>(random_() % streams_.size());
    run_until({static_cast<kvstrata::stream_id>(hasty), streams_[hasty].queued});
  }

  /// Waits point backwards only, so that this ends.
  void run_until(kvstrata::event until)
  {
    while (at(until.stream).done < until.sequence) {
      const std::function<void()> next = std::move(at(until.stream).work.front());
      at(until.stream).work.pop_front();
      next();
      ++at(until.stream).done;
    }
  }

  std::minstd_rand random_;
  bool poisons_;
  std::deque<stream> streams_;
};

static_assert(kvstrata::device<lazy_device>);
static_assert(kvstrata::batches_copies<lazy_device> && kvstrata::runs_copy_kernels<lazy_device>);

}  // namespace kvstrata_test
