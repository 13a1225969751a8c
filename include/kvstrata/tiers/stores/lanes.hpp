// The host streams of a store, and how much is under way in each.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What is begun goes to the lane in which least is under way: so one that does not answer keeps what it has, and gets no
/// more before the others have as much. Not synchronised. O(lanes).
template <host_stream_device Device>
class store_lanes
{
 public:
  /// `name`: of the store, for messages. Throws config_error for no lanes, or lanes in which nothing may be under way.
  store_lanes(Device& d, std::string_view name, std::uint32_t lanes, std::uint32_t in_flight) : most_(in_flight)
  {
    constexpr std::uint32_t most_lanes = 256;
    const std::string field(name);
    if (lanes == 0) throw config_error(field + ".lanes", lanes, "it must be at least 1");
    if (lanes > most_lanes)
      throw config_error(field + ".lanes", lanes, "it may be at most " + std::to_string(most_lanes));
    if (in_flight == 0) throw config_error(field + ".in_flight", in_flight, "it must be at least 1");
    for (std::uint32_t i = 0; i < lanes; ++i) {
      lanes_.push_back({d.create_host_stream(field + " lane " + std::to_string(i)), 0});
    }
  }

  /// The next one's lane; empty when in all as much is under way as may be.
  [[nodiscard]] std::optional<std::uint32_t> next() noexcept
  {
    const auto lanes = static_cast<std::uint32_t>(lanes_.size());
    std::uint32_t best = turn_ % lanes;
    for (std::uint32_t i = 1; i < lanes; ++i) {
      const std::uint32_t other = (turn_ + i) % lanes;
      if (lanes_[other].under_way < lanes_[best].under_way) best = other;
    }
    if (lanes_[best].under_way >= most_) return std::nullopt;
    return best;
  }
  [[nodiscard]] stream_id stream(std::uint32_t lane) const noexcept { return lanes_[lane].stream; }

  void begun(std::uint32_t lane) noexcept
  {
    ++lanes_[lane].under_way;
    turn_ = lane + 1;
  }
  void ended(std::uint32_t lane) noexcept { --lanes_[lane].under_way; }

 private:
  struct lane_state
  {
    stream_id stream{};
    std::uint32_t under_way = 0;
  };

  std::uint32_t most_;
  std::uint32_t turn_ = 0;
  std::vector<lane_state> lanes_;
};

}  // namespace kvstrata
