// An nvme_file and somebody who keeps it busy: records of one size are put, and got in the order of their puts.
#pragma once

#include "support/nvme/usage.hpp"

#include <kvstrata/core/huge_pages.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/nvme_file.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace nvme_bench {

using kvstrata::emulated_device;

struct record_shape
{
  std::size_t page_bytes = 16384;
  std::uint32_t pages = 64;
  std::uint32_t layers = 1;

  [[nodiscard]] std::size_t bytes() const noexcept { return page_bytes * pages; }
  [[nodiscard]] std::size_t with_head() const noexcept { return bytes() + kvstrata::nvme::block_bytes; }
};

class subject
{
 public:
  /// `depth` I/Os at a time of reads, and as many of writes.
  subject(kvstrata::nvme_file_config config, const record_shape& shape, std::uint32_t depth)
      : shape_(shape),
        depth_(depth),
        device_({.pinned_bytes = 0}),
        memory_(device_.allocate_pinned(4 * depth * shape.bytes(), "records")),
        store_(device_, with(std::move(config), shape, depth))
  {
    // Bytes that repeat are quick where the disk below is one that compresses.
    std::uint64_t drawn = 1;
    for (std::size_t i = 0; i < memory_.size(); i += sizeof drawn) {
      drawn = drawn * 6364136223846793005U + 1442695040888963407U;
      const std::uint64_t mixed = (drawn ^ drawn >> 29U) * 0xbf58476d1ce4e5b9U;
      std::memcpy(memory_.data() + i, &mixed, sizeof mixed);
    }
  }

  [[nodiscard]] kvstrata::nvme_file<>::on<emulated_device>& store() noexcept { return store_; }
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }
  /// The share of the memory beside the drive that lies in huge pages; less than 0: the system does not tell.
  [[nodiscard]] double share_in_huge_pages() const
  {
    const auto bytes = kvstrata::bytes_in_huge_pages({memory_.data(), memory_.size()});
    return bytes ? static_cast<double>(*bytes) / static_cast<double>(memory_.size()) : -1;
  }

  /// Records of sequences that were never put before.
  [[nodiscard]] flow write(std::uint64_t bytes)
  {
    const std::uint64_t end = next_ + bytes / shape_.bytes();
    first_ = next_;
    return keep_busy([&](std::size_t slot) { return put(next_, slot); }, next_, [&] { return next_ < end; });
  }
  /// Those that the last write() put, round and round.
  [[nodiscard]] flow read(std::uint64_t bytes)
  {
    std::uint64_t at = 0;
    const std::uint64_t end = bytes / shape_.bytes();
    const std::uint64_t there = next_ - first_;
    return keep_busy([&](std::size_t slot) { return get(first_ + at % there, slot); }, at, [&] { return at < end; });
  }

  struct mix
  {
    flow reads, writes;
  };
  /// Reads for so many seconds of what the last write() put, and writes at a pace; 0: as quickly as they go. Ends
  /// earlier when so much has been written: more would evict what is read.
  [[nodiscard]] mix both(double seconds, double write_rate, std::uint64_t most_bytes)
  {
    mix out;
    const stopwatch watch;
    const std::uint64_t there = next_ - first_;
    std::uint64_t at = 0, fresh = next_;
    std::atomic<bool> over = false;
    {
      std::jthread writer([&] {
        const std::uint64_t begin = fresh;
        const auto goes_on = [&] {
          const double bytes = static_cast<double>((fresh - begin) * shape_.bytes());
          while (write_rate > 0 && bytes > watch.seconds() * write_rate && watch.seconds() < seconds)
            std::this_thread::sleep_for(std::chrono::microseconds(200));
          if (bytes >= static_cast<double>(most_bytes)) over = true;
          return !over && watch.seconds() < seconds;
        };
        out.writes = keep_busy([&](std::size_t slot) { return put(fresh, 2 * depth_ + slot); }, fresh, goes_on);
      });
      out.reads = keep_busy([&](std::size_t slot) { return get(first_ + at % there, slot); }, at,
                            [&] { return !over && watch.seconds() < seconds; });
    }
    next_ = fresh;  // what is read next was put before, by write()
    return out;
  }
  void flush()
  {
    const auto promise = store_.flush();
    if (!promise) throw std::runtime_error("a flush was refused");
    wait(*promise);
  }

  [[nodiscard]] std::optional<kvstrata::store_promise> put(std::uint64_t id, std::size_t slot)
  {
    const kvstrata::io_piece from = piece(slot);
    return store_.put({.id = id}, header_of(id), {&from, 1}, {});
  }
  [[nodiscard]] std::optional<kvstrata::store_promise> get(std::uint64_t id, std::size_t slot)
  {
    const kvstrata::io_piece into = piece(slot);
    const kvstrata::record_header header = header_of(id);
    return store_.get({.id = id}, header, header.tokens, {&into, 1}, {});
  }
  void wait(const kvstrata::store_promise& promise)
  {
    device_.wait_sync(promise.point);
    const auto outcome = store_.poll(promise);
    if (!outcome || !outcome->done()) throw std::runtime_error("a put or get was lost");
  }

 private:
  static constexpr kvstrata::token_count page_tokens = 16;

  [[nodiscard]] static kvstrata::nvme_file_config with(kvstrata::nvme_file_config config, const record_shape& shape,
                                                       std::uint32_t depth)
  {
    config.layers = shape.layers;
    config.depth = depth;
    config.workers = depth;
    config.reinserted_hits = 0;
    return config;
  }
  [[nodiscard]] kvstrata::record_header header_of(std::uint64_t id) const noexcept
  {
    return {.incarnation = kvstrata::incarnation_id{id * 0x9e3779b97f4a7c15U + 1},
            .page_tokens = page_tokens,
            .tokens = {0, shape_.pages * page_tokens}};
  }
  [[nodiscard]] kvstrata::io_piece piece(std::size_t slot) noexcept
  {
    return {memory_.data() + slot * shape_.bytes(), shape_.bytes()};
  }

  /// Twice as many are promised as are carried out at a time. `number` is of the next record, and grows.
  template <class Begin, class GoesOn>
  flow keep_busy(Begin&& begin, std::uint64_t& number, GoesOn&& goes_on)
  {
    const stopwatch watch;
    double bytes = 0;
    std::deque<std::pair<kvstrata::store_promise, std::size_t>> under_way;
    std::vector<std::size_t> free;
    for (std::size_t slot = 0; slot < 2 * depth_; ++slot) free.push_back(slot);
    const auto end_one = [&] {
      wait(under_way.front().first);
      free.push_back(under_way.front().second);
      under_way.pop_front();
      bytes += static_cast<double>(shape_.bytes());
    };
    while (goes_on()) {
      if (free.empty()) end_one();
      if (const auto promise = begin(free.back())) {
        under_way.emplace_back(*promise, free.back());
        free.pop_back();
        ++number;
        continue;
      }
      ++refused_;  // no region is clean
      if (!under_way.empty()) end_one();
      else std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    while (!under_way.empty()) end_one();
    return watch.flow_of(bytes);
  }

  record_shape shape_;
  std::uint32_t depth_;
  emulated_device device_;
  decltype(std::declval<emulated_device&>().allocate_pinned(0, "")) memory_;
  kvstrata::nvme_file<>::on<emulated_device> store_;
  std::uint64_t next_ = 1, first_ = 1;
  std::atomic<std::uint64_t> refused_ = 0;
};

}  // namespace nvme_bench
