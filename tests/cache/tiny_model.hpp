// A model that computes nothing: it writes bytes that tell user, epoch, lease, layer and token, and checks that what the
// cache serves is what was written. Its kernels run whenever the device lets them.
#pragma once

#include "cache/naive_cache.hpp"
#include "cache/subject.hpp"
#include "support/toy_codec.hpp"

#include <kvstrata/device/counters.hpp>
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
  bool exact = true;  ///< else what came through a lossy copy will do
};

/// A lease's work, the same in every layer.
struct lease_work
{
  std::vector<cell> cells;
  std::size_t value_offset = 0;
  std::uint64_t layer_stride = 0;
};

/// What the K or V row of a token holds.
[[nodiscard]] inline std::uint64_t right_row(const cell& c, kvstrata::layer_index layer, bool value) noexcept
{
  static_assert(tiny.key_bytes() == sizeof(std::uint64_t));
  return toy_row(mix({c.tag, layer, value ? std::uint64_t{1} : std::uint64_t{0}}));
}

/// Says so where a row that was served is not what was written.
inline void check_row(findings& found, const cell& c, kvstrata::layer_index layer, bool value, std::uint64_t there)
{
  const std::uint64_t right = right_row(c, layer, value);
  if (there == right || (!c.exact && there == toy_rounded(right))) return;
  found.add("layer " + std::to_string(layer) + ", user " + std::to_string(to_number(c.user)) + ", token " +
            std::to_string(c.token) + (value ? ", V" : ", K") +
            (there == ~std::uint64_t{0} ? ": poisoned bytes" : ": other bytes than were written"));
}

class tiny_model
{
 public:
  tiny_model(kvstrata::emulated_device& d, double seconds_per_layer) : device_(&d), seconds_(seconds_per_layer) {}

  [[nodiscard]] const findings& found() const noexcept { return *found_; }
  /// Takes the model's own work out of what a device counted.
  void leave_out(kvstrata::device_counters& all) const noexcept { all.kernels -= launched_; }

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
      for (const bool value : {false, true}) {
        std::byte* const at = c.key + layer * work.layer_stride + (value ? work.value_offset : 0);
        std::uint64_t there = right_row(c, layer, value);
        if (c.writes) {
          std::memcpy(at, &there, sizeof there);
          continue;
        }
        std::memcpy(&there, at, sizeof there);
        check_row(found, c, layer, value, there);
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
