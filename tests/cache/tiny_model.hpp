// A model that computes nothing: it writes bytes that tell user, epoch, lease, layer and token, and checks that what the
// cache serves is what was written. Its kernels run whenever the device lets them.
#pragma once

#include "cache/naive_cache.hpp"
#include "cache/subject.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace kvstrata_test {

/// What kernels found wrong. They run on other threads, so no assertion can be made there.
class findings
{
 public:
  void add(std::string what)
  {
    const std::lock_guard lock(mutex_);
    ++count_;
    if (first_.empty()) first_ = std::move(what);
  }
  [[nodiscard]] std::uint64_t count() const
  {
    const std::lock_guard lock(mutex_);
    return count_;
  }
  [[nodiscard]] std::string first() const
  {
    const std::lock_guard lock(mutex_);
    return first_;
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t count_ = 0;
  std::string first_;
};

/// One token that a kernel reads or writes in every layer.
struct cell
{
  std::byte* key = nullptr;  ///< in layer 0
  std::uint64_t tag = 0;
  kvstrata::user_id user{};
  kvstrata::token_count token = 0;
  bool writes = false;
};

/// A lease's work, the same in every layer.
struct lease_work
{
  std::vector<cell> cells;
  std::size_t value_offset = 0;
  std::uint64_t layer_stride = 0;
};

class tiny_model
{
 public:
  tiny_model(kvstrata::emulated_device& d, double seconds_per_layer) : device_(&d), seconds_(seconds_per_layer) {}

  [[nodiscard]] const findings& found() const noexcept { return *found_; }
  /// Kernels so far.
  [[nodiscard]] std::uint64_t launched() const noexcept { return launched_; }

  /// Queues layer `layer` of a lease on its compute stream: checks all that is served, then writes what is computed.
  void launch(kvstrata::stream_id stream, kvstrata::layer_index layer, std::shared_ptr<const lease_work> work)
  {
    std::vector<kvstrata::emulated_device::memory_range> reads, writes;
    for (const std::size_t half : {std::size_t{0}, work->value_offset}) {
      for (const cell& c : work->cells) {
        auto& ranges = c.writes ? writes : reads;
        const std::byte* const at = c.key + layer * work->layer_stride + half;
        if (!ranges.empty() && ranges.back().data + ranges.back().size == at) ranges.back().size += tiny.key_bytes();
        else ranges.push_back({at, tiny.key_bytes()});
      }
    }
    ++launched_;
    device_->launch(stream, {.label = "layer", .seconds = seconds_, .reads = reads, .writes = writes},
                    [work, layer, found = found_] { run(*work, layer, *found); });
  }

  /// What the kernel does, at once: for devices that have no kernels.
  static void run(const lease_work& work, kvstrata::layer_index layer, findings& found)
  {
    for (const cell& c : work.cells) {
      for (const std::uint64_t half : {std::uint64_t{0}, std::uint64_t{1}}) {
        const std::uint64_t right = mix({c.tag, layer, half});
        std::byte* const at = c.key + layer * work.layer_stride + half * work.value_offset;
        static_assert(tiny.key_bytes() == sizeof right);
        if (c.writes) {
          std::memcpy(at, &right, sizeof right);
          continue;
        }
        std::uint64_t there = 0;
        std::memcpy(&there, at, sizeof there);
        if (there == right) continue;
        found.add("layer " + std::to_string(layer) + ", user " + std::to_string(to_number(c.user)) + ", token " +
                  std::to_string(c.token) + (half == 0 ? ", K" : ", V") +
                  (there == ~std::uint64_t{0} ? ": poisoned bytes" : ": other bytes than were written"));
      }
    }
  }

 private:
  kvstrata::emulated_device* device_;
  double seconds_;
  std::uint64_t launched_ = 0;
  std::shared_ptr<findings> found_ = std::make_shared<findings>();
};

}  // namespace kvstrata_test
