// Whose copies run behind whose: a lane of copies for each compute stream.
//
// A copy down waits for the kernels that write what it reads, and all that is queued behind it on its stream waits with it.
// So each compute stream has streams of its own for its copies, up, down and between memories: a lane, which is a channel of
// the transfer policy's with all that its engines own (staging slots, a stream to relocate on). What a copy waits for says in
// which lane it goes: that of the compute stream that used its bytes last. So no lane waits for another stream's kernels,
// but for memory that changes hands: frames that the other still uses, or a user whom it has served.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/device/last_use.hpp>
#include <kvstrata/transfer/concepts.hpp>
#include <kvstrata/transfer/demotion.hpp>
#include <kvstrata/transfer/ticket.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

using lane_number = std::uint8_t;
inline constexpr lane_number no_lane = 255;

/// The compute stream of what nobody computes for: prefetches, the cleaner, what stores give.
inline constexpr stream_id no_stream{~std::uint32_t{0}};

/// Throws config_error for a number of lanes that cannot be.
inline void check_copy_lanes(std::uint32_t most)
{
  if (most != 0 && most < no_lane) return;
  throw config_error("copy_lanes", most, "it must be from 1 to " + std::to_string(no_lane - 1));
}

/// There is one from the beginning, and one more for every further compute stream that has a lease while all others are in
/// use; a lane whose leases are over and whose work is done goes to the next stream that comes. Streams beyond `most` share
/// lanes, as do those for which the device has not the memory of another one. Not synchronised. Demotes: memories give what
/// they have to memories or stores below them.
template <class Transfer, device Device, bool Demotes>
class copy_lanes
{
 public:
  using channel = typename Transfer::template on<Device>;
  using demotions = std::conditional_t<Demotes, demotion<Device>, no_demotion>;

  copy_lanes(Device& d, std::uint32_t most_lanes) : device_(&d), most_(checked(most_lanes))
  {
    lanes_.reserve(most_);
    lanes_.push_back(std::make_unique<lane>(d));
  }

  [[nodiscard]] std::size_t size() const noexcept { return lanes_.size(); }
  /// Is there anybody to keep apart?
  [[nodiscard]] bool apart() const noexcept { return lanes_.size() > 1; }

  [[nodiscard]] channel& copies(lane_number n) noexcept { return lanes_[n]->copies; }
  [[nodiscard]] demotions& between(lane_number n) noexcept { return lanes_[n]->between; }

  /// The lane of a compute stream that gets a lease. When it throws, there is none. O(1); O(lanes) for a stream without one.
  [[nodiscard]] lane_number open(stream_id compute)
  {
    if (compute != latest_) {
      latest_lane_ = lane_for(compute);
      latest_ = compute;
    }
    ++lanes_[latest_lane_]->leases;
    return latest_lane_;
  }
  /// The same for what nobody computes for.
  [[nodiscard]] lane_number open_unattended()
  {
    const lane_number n = unattended();
    ++lanes_[n]->leases;
    return n;
  }
  /// The lease is over after `last_use`.
  void close(lane_number n, event last_use) noexcept
  {
    if (n == no_lane) return;
    lane& mine = *lanes_[n];
    --mine.leases;
    if (!mine.last_use.move_on(last_use)) remember(*device_, mine.last_use, last_use);
  }
  /// The lane of what nobody computes for. While there is one lane, that one.
  [[nodiscard]] lane_number unattended() { return apart() ? lane_for(no_stream) : lane_number{0}; }

  /// Copies were queued in a lane.
  void queued(lane_number n, const ticket& t) noexcept
  {
    const stream_id stream = t.last().stream;
    std::vector<stream_id>& mine = lanes_[n]->streams;
    if (t.empty() || std::find(mine.begin(), mine.end(), stream) != mine.end()) return;
    try {
      mine.push_back(stream);
      lane_of_.insert_or_assign(to_number(stream), n);
    } catch (...) {  // it passes for nobody's
    }
  }

  /// That copies of a lane were seen on.
  [[nodiscard]] std::span<const stream_id> streams(lane_number n) const noexcept { return lanes_[n]->streams; }

  /// How copies from the last memory are queued in a lane: a call with the copies and what they wait for, that returns when
  /// they are over.
  [[nodiscard]] auto way_down(lane_number n)
  {
    return [this, n](const copy_list& list, const fence& after) {
      const ticket t = lanes_[n]->between.demote(list, after);
      queued(n, t);
      return t.last();
    };
  }

  /// The lane in which work goes that waits for these uses, for a caller of lane `mine`: where one stream's work alone has not
  /// passed, that stream's; where several have, nobody's.
  [[nodiscard]] lane_number of(lane_number mine, std::span<const fence> uses) const noexcept
  {
    if (!apart()) return 0;
    lane_number found = no_lane;
    bool several = false;
    const auto look = [&](const fence& all) {
      for (const event point : all) {
        const lane_number n = find(point.stream);
        if (n == no_lane || n == found || has_passed(point)) continue;
        several = several || found != no_lane;
        found = n;
      }
    };
    for (const fence& each : uses) look(each);
    if (several) found = find(no_stream);
    return found == no_lane ? mine : found;
  }

  /// The others than lane `n`, for whoever takes frames (tiers/run_pool.hpp).
  class others
  {
   public:
    others(const copy_lanes& all, lane_number n) noexcept : all_(&all), mine_(n), any_(all.apart()) {}
    [[nodiscard]] bool any() const noexcept { return any_; }
    /// Work of theirs that has not passed?
    [[nodiscard]] bool operator()(event point) const noexcept
    {
      const lane_number n = all_->find(point.stream);
      return n != no_lane && n != mine_ && !all_->has_passed(point);
    }

   private:
    const copy_lanes* all_;
    lane_number mine_;
    bool any_;
  };
  [[nodiscard]] others others_than(lane_number n) const noexcept { return others(*this, n); }

 private:
  struct lane
  {
    explicit lane(Device& d) : copies(d), between(d) {}

    channel copies;
    [[no_unique_address]] demotions between;
    std::vector<stream_id> streams;  // that its copies were seen on
    fence last_use;                  // of its leases
    std::uint32_t leases = 0;        // that are not over
  };

  static std::uint32_t checked(std::uint32_t most)
  {
    check_copy_lanes(most);
    return most;
  }

  [[nodiscard]] static constexpr std::uint32_t to_number(stream_id s) noexcept { return static_cast<std::uint32_t>(s); }
  [[nodiscard]] lane_number find(stream_id stream) const noexcept
  {
    const auto at = lane_of_.find(to_number(stream));
    return at == lane_of_.end() ? no_lane : at->second;
  }
  [[nodiscard]] bool has_passed(event point) const noexcept
  {
    try {
      return device_->query(point);
    } catch (...) {  // a failed device runs nothing any more
      return true;
    }
  }

  [[nodiscard]] lane_number lane_for(stream_id compute)
  {
    if (const lane_number n = find(compute); n != no_lane) return n;
    const lane_number n = unused_lane(compute == no_stream && lanes_.size() < most_);
    lane_of_.insert_or_assign(to_number(compute), n);
    return n;
  }

  /// `fresh`: rather one more than one that a stream may come back to. Nobody's lane stays.
  [[nodiscard]] lane_number unused_lane(bool fresh)
  {
    for (std::size_t i = 0; i < lanes_.size() && !fresh; ++i) {
      const auto n = static_cast<lane_number>(i);
      if (find(no_stream) == n || !is_idle(*lanes_[i])) continue;
      const std::vector<stream_id>& own = lanes_[i]->streams;
      boost::unordered::erase_if(lane_of_, [&](const auto& known) {
        return known.second == n && std::find(own.begin(), own.end(), stream_id{known.first}) == own.end();
      });
      latest_ = no_stream;
      return n;
    }
    if (lanes_.size() < most_) {
      try {
        lanes_.push_back(std::make_unique<lane>(*device_));
        return static_cast<lane_number>(lanes_.size() - 1);
      } catch (const capacity_error&) {  // then it must share
      }
    }
    const auto least = std::min_element(lanes_.begin(), lanes_.end(),
                                        [](const auto& a, const auto& b) { return a->leases < b->leases; });
    return static_cast<lane_number>(least - lanes_.begin());
  }

  [[nodiscard]] bool is_idle(const lane& one) const
  {
    if (one.leases != 0) return false;
    for (const event point : one.last_use) {
      if (!has_passed(point)) return false;
    }
    return std::all_of(one.streams.begin(), one.streams.end(),
                       [this](stream_id s) { return has_passed(device_->record(s)); });
  }

  Device* device_;
  std::uint32_t most_;
  std::vector<std::unique_ptr<lane>> lanes_;
  boost::unordered_flat_map<std::uint32_t, lane_number> lane_of_;  // of compute streams, and of the lanes' own
  stream_id latest_ = no_stream;                                   // that got a lease
  lane_number latest_lane_ = 0;
};

}  // namespace kvstrata
