// tiny_model for devices whose memory the host does not reach: it reads what is served, and writes what is computed, by
// copies on the compute stream, in the same order as a kernel would; the host compares when they are over.
#pragma once

#include "cache/tiny_model.hpp"

#include <kvstrata/device/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace kvstrata_test {

template <kvstrata::device Device>
class copying_model
{
 public:
  copying_model(Device& d, double /*seconds_per_layer*/) : device_(&d) {}
  copying_model(const copying_model&) = delete;
  copying_model& operator=(const copying_model&) = delete;
  ~copying_model()
  {
    for (const kernel& k : under_way_) {
      try {
        device_->wait_sync(k.done);
      } catch (...) {  // a failed device runs nothing any more
      }
    }
  }

  /// What is known by now.
  [[nodiscard]] const findings& found()
  {
    while (!under_way_.empty() && device_->query(under_way_.front().done)) finish();
    return found_;
  }
  void leave_out(kvstrata::device_counters& all) const noexcept
  {
    for (const auto& [sum, mine] : {std::pair{&all.to_device, &written_}, std::pair{&all.from_device, &read_}}) {
      sum->copies -= mine->copies;
      sum->pieces -= mine->pieces;
      sum->bytes -= mine->bytes;
    }
  }

  void launch(kvstrata::stream_id stream, kvstrata::layer_index layer, std::shared_ptr<const lease_work> work)
  {
    kernel k{.work = std::move(work), .layer = layer, .rows = some_rows(), .done = {}};
    const std::vector<cell>& cells = k.work->cells;
    REQUIRE(cells.size() <= most_cells);
    for (const bool writes : {false, true}) {
      for (const bool value : {false, true}) {
        for (std::size_t i = 0; i < cells.size();) {  // tokens that lie side by side as one
          std::size_t end = i + 1;
          while (end < cells.size() && cells[end].writes == cells[i].writes &&
                 cells[end].key == cells[end - 1].key + row_bytes) {
            ++end;
          }
          if (cells[i].writes == writes) queue(stream, k, value, i, end);
          i = end;
        }
      }
    }
    k.done = device_->record(stream);
    under_way_.push_back(std::move(k));
  }

 private:
  static constexpr std::size_t row_bytes = tiny.key_bytes();
  static constexpr std::size_t most_cells = 512;
  static constexpr std::size_t most_under_way = 32;

  struct kernel
  {
    std::shared_ptr<const lease_work> work;
    kvstrata::layer_index layer = 0;
    std::unique_ptr<typename Device::memory> rows;  ///< [K, V][cell], pinned
    kvstrata::event done;

    [[nodiscard]] std::byte* row(bool value, std::size_t cell) const
    {
      return rows->data() + ((value ? most_cells : 0) + cell) * row_bytes;
    }
  };

  void queue(kvstrata::stream_id stream, const kernel& k, bool value, std::size_t begin, std::size_t end)
  {
    const cell& first = k.work->cells[begin];
    std::byte* const at = first.key + k.layer * k.work->layer_stride + (value ? k.work->value_offset : 0);
    const std::size_t bytes = (end - begin) * row_bytes;
    auto& sum = first.writes ? written_ : read_;
    sum.copies += 1;
    sum.pieces += 1;
    sum.bytes += bytes;
    if (!first.writes) {
      return device_->copy(stream, kvstrata::copy_direction::from_device, k.row(value, begin), at, bytes);
    }
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint64_t right = right_row(k.work->cells[i], k.layer, value);
      std::memcpy(k.row(value, i), &right, sizeof right);
    }
    device_->copy(stream, kvstrata::copy_direction::to_device, at, k.row(value, begin), bytes);
  }

  void finish()
  {
    kernel k = std::move(under_way_.front());
    under_way_.pop_front();
    for (std::size_t i = 0; i < k.work->cells.size(); ++i) {
      for (const bool value : {false, true}) {
        if (k.work->cells[i].writes) continue;
        std::uint64_t there = 0;
        std::memcpy(&there, k.row(value, i), sizeof there);
        check_row(found_, k.work->cells[i], k.layer, value, there);
      }
    }
    free_.push_back(std::move(k.rows));
  }

  [[nodiscard]] std::unique_ptr<typename Device::memory> some_rows()
  {
    if (under_way_.size() >= most_under_way) {
      device_->wait_sync(under_way_.front().done);
      finish();
    }
    if (free_.empty()) {
      return std::make_unique<typename Device::memory>(
          device_->allocate_pinned(2 * most_cells * row_bytes, "copying model"));
    }
    auto out = std::move(free_.back());
    free_.pop_back();
    return out;
  }

  Device* device_;
  findings found_;
  std::vector<std::unique_ptr<typename Device::memory>> free_;
  std::deque<kernel> under_way_;  // in the order of launching
  kvstrata::device_counters::traffic written_, read_;
};

}  // namespace kvstrata_test
