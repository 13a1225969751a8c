// What a store has under way: promised, carried out by somebody or by nobody, over, and told once.
#pragma once

#include <kvstrata/tiers/stores/answering.hpp>
#include <kvstrata/tiers/stores/lanes.hpp>
#include <kvstrata/tiers/stores/promised_io.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// Not synchronised: the store holds a lock. Calls into the device are made under it, and the device makes none back.
template <host_stream_device Device, std::derived_from<promised_io> Io>
class store_ios
{
 public:
  /// `lanes` streams called after `name`, in each at most `in_flight` I/Os; `threads` carry them out in real time, in an
  /// order by the seed. Throws as store_lanes does.
  store_ios(Device& d, std::string_view name, std::uint32_t lanes, std::uint32_t in_flight, std::uint64_t seed,
            std::uint32_t threads = 1)
      : device_(&d), lanes_(d, name, lanes, in_flight), answers_(d, seed, threads)
  {
  }

  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
  [[nodiscard]] bool in_virtual_time() const noexcept { return answers_.in_virtual_time(); }
  /// The lane of the next one; empty when there is room in none.
  [[nodiscard]] std::optional<std::uint32_t> next_lane() noexcept { return lanes_.next(); }

  /// Promises an I/O, which takes so many seconds; a silent one is carried out by nobody. When this throws there is none.
  store_promise begin(std::unique_ptr<Io> made, std::uint32_t lane, bool silent, double seconds)
  {
    all_.push_back(std::move(made));
    Io& io = *all_.back();
    try {
      promise(io, lane, io.layer_points.size());
    } catch (...) {
      all_.pop_back();
      throw;
    }
    io.id = ++promised_;
    io.lane = lane;
    lanes_.begun(lane);
    io.silent = io.by_hand = silent;
    if (silent) return {io.point, io.id};
    try {
      begin_layers(io, seconds);
      answers_.begin(io.point, io.ready, seconds, io);
    } catch (...) {  // promised all the same, and lost
      io.by_hand = true;
      io.outcome.why = loss::io_error;
      if (passed(io.ready)) end_by_hand(io);  // who waits for the point need not ask first
    }
    return {io.point, io.id};
  }

  /// Is it there, and over, and may be told?
  [[nodiscard]] bool may_tell(const store_promise& promise) noexcept
  {
    Io* const io = find(promise);
    if (io == nullptr) return false;
    if (io->by_hand && !io->silent && passed(io->ready)) end_by_hand(*io);
    return io->is_over() && passed(io->point);
  }
  [[nodiscard]] bool has(const store_promise& promise) noexcept { return find(promise) != nullptr; }

  /// Of one that is there and over.
  [[nodiscard]] std::unique_ptr<Io> take(const store_promise& promise) noexcept
  {
    std::size_t at = 0;
    while (all_[at]->id != promise.number) ++at;
    std::unique_ptr<Io> out = std::move(all_[at]);
    all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(at));
    lanes_.ended(out->lane);
    return out;
  }

  /// Ends it: blocks until it is carried out, where anybody does.
  void end_sync(const store_promise& promise) noexcept
  {
    if (Io* const io = find(promise)) end_one_sync(*io);
  }
  void end_all_sync() noexcept
  {
    for (const auto& io : all_) end_one_sync(*io);
  }

  /// Of one that is there, and has not been taken.
  [[nodiscard]] const std::vector<event>& layer_points(const store_promise& promise) noexcept
  {
    return find(promise)->layer_points;
  }

  template <class Visit>
  void each(Visit&& visit)
  {
    for (const auto& io : all_) visit(*io);
  }

 private:
  [[nodiscard]] Io* find(const store_promise& promise) noexcept
  {
    for (const auto& io : all_) {
      if (io->id == promise.number) return io.get();
    }
    return nullptr;
  }

  [[nodiscard]] bool passed(const fence& points) noexcept
  {
    try {
      for (const event point : points) {
        if (!device_->query(point)) return false;
      }
    } catch (...) {  // a failed device runs nothing any more
    }
    return true;
  }

  /// A point for each layer that comes for itself, and the last is the I/O's; at least one. When this throws, those that were
  /// promised have passed.
  void promise(Io& io, std::uint32_t lane, std::size_t layers)
  {
    io.layer_points.clear();
    io.layer_points.reserve((std::max)(layers, std::size_t{1}));  // what is promised is known
    try {
      do {
        const host_io what = io.described(io.layer_points.size(), layers);
        io.layer_points.push_back(device_->promise(lanes_.stream(lane), what));
      } while (io.layer_points.size() < layers);
    } catch (...) {
      for (const event point : io.layer_points) {
        wait_for_sync(*device_, io.ready);
        device_->complete(point);
      }
      throw;
    }
    io.point = io.layer_points.back();
  }

  /// Lets the points of layers before the last pass when they are there.
  void begin_layers(Io& io, double seconds)
  {
    const std::size_t layers = io.layer_points.size();
    if (layers < 2) return;
    if constexpr (requires(Device& d, event e) { d.complete_later(e, 0.0, [] {}); }) {
      if (answers_.in_virtual_time()) {
        for (std::size_t l = 0; l + 1 < layers; ++l) {
          const double until = seconds * static_cast<double>(l + 1) / static_cast<double>(layers);
          device_->complete_later(io.layer_points[l], until, [&io, l] {
            if (l == 0) io.run_first();
          });
        }
        return;
      }
    }
    io.layer_is_there = [this, &io, told = std::uint32_t{0}](std::uint32_t layer) mutable {
      for (; told <= layer && told + 1 < io.layer_points.size(); ++told) {
        try {
          device_->complete(io.layer_points[told]);
        } catch (...) {  // of a failed device
        }
      }
    };
  }

  void end_by_hand(Io& io) noexcept
  {
    io.by_hand = false;
    io.end();
    for (const event point : io.layer_points) {
      try {
        device_->complete(point);
      } catch (...) {  // of a failed device, or it has passed
      }
    }
  }

  void end_one_sync(Io& io) noexcept
  {
    if (!io.by_hand) {
      if (!io.is_over()) answers_.wait_sync(io.point, io);
    } else {
      try {
        wait_for_sync(*device_, io.ready);
      } catch (...) {
      }
      if (io.outcome.done()) io.outcome.why = loss::closed;
      end_by_hand(io);
    }
    static_cast<void>(passed(io.point));  // whoever asked to end it knows, as far as the device is concerned
  }

  Device* device_;
  store_lanes<Device> lanes_;
  std::uint64_t promised_ = 0;
  std::vector<std::unique_ptr<Io>> all_;  // in the order of promising
  answering<Device, Io> answers_;
};

}  // namespace kvstrata::detail
