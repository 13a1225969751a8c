// Points in time, by requests and by the clock: what a visit then, or now, means for the time of day, and which is now.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

struct visit_time
{
  static constexpr std::int64_t slot_ms = 10 * 60 * 1000;
  static constexpr std::int32_t slots_a_day = 144;
  static constexpr std::int32_t hour_one = 1 << 20;  ///< a visit at just this time of day

  std::uint32_t request = 0;
  /// In order: of cos and sin of the time of day, and of twice it.
  std::array<std::int32_t, 4> one_visit{};  ///< 15ths, in 32768ths, and a half to round
  std::array<std::int32_t, 4> here{};       ///< what a 15th of a visit is worth now, in parts of hour_one
  std::array<std::int32_t, 4> ahead{};      ///< the same for the while to come: its mean

  visit_time() { set_slot(0, 0); }

  /// `ahead_slots`: how long the while to come is.
  void set_slot(std::int64_t slot_number, double ahead_slots) noexcept
  {
    const double half = (std::min)(ahead_slots, 10.0 * slots_a_day) / 2;
    const auto slot = static_cast<double>(slot_number % slots_a_day);
    const std::array<double, 4> now = waves(slot);
    const std::array<double, 4> later = waves(slot + half);
    const double x = (std::max)(full_circle * half / slots_a_day, 1e-3);
    const double once = std::sin(x) / x;
    const double twice = std::sin(2 * x) / (2 * x);
    const std::array<double, 4> mean{once, once, twice, twice};
    constexpr std::array<double, 4> worth{0.5 / 15, 0.5 / 15, 0.125 / 15, 0.125 / 15};
    for (std::size_t i = 0; i < 4; ++i) {
      one_visit[i] = static_cast<std::int32_t>(15 * 32768 * now[i] + 16384);
      here[i] = static_cast<std::int32_t>(worth[i] * now[i] * hour_one);
      ahead[i] = static_cast<std::int32_t>(worth[i] * mean[i] * later[i] * hour_one);
    }
  }

 private:
  static constexpr double full_circle = 6.283185307179586;

  [[nodiscard]] static std::array<double, 4> waves(double slot) noexcept
  {
    const double angle = full_circle * slot / slots_a_day;
    return {std::cos(angle), std::sin(angle), std::cos(2 * angle), std::sin(2 * angle)};
  }
};

/// Counts requests, and follows the times that come with them. It never runs backwards.
class visit_clock
{
 public:
  [[nodiscard]] const visit_time& now() const noexcept { return now_; }
  /// Has it run at all?
  [[nodiscard]] bool runs() const noexcept { return slot_ > 0; }

  /// How many requests ahead predictions look: what the hours to come mean follows it, from the next slot on.
  void look_ahead(double requests) noexcept { ahead_ = requests; }

  /// Another request. True when it is the first of a new slot.
  bool tick(std::int64_t time_ms) noexcept
  {
    ++now_.request;
    if (time_ms <= slot_ends_ms_) return false;
    start_slot(time_ms);
    return true;
  }

  [[nodiscard]] float requests_a_slot() const noexcept
  {
    return static_cast<float>(now_.request - first_request_ + 1) / static_cast<float>(slot_ - first_slot_ + 1);
  }

  /// A time in the past, in requests as well as they can be told.
  [[nodiscard]] visit_time past(std::int64_t time_ms) const noexcept
  {
    const std::int64_t slot = (std::min)(time_ms / visit_time::slot_ms, slot_);
    visit_time then;
    then.set_slot(slot, 0);
    const float ago = static_cast<float>(slot_ - slot) * requests_a_slot();
    then.request = now_.request - static_cast<std::uint32_t>((std::min)(ago, 2e9F));
    return then;
  }

 private:
  void start_slot(std::int64_t time_ms) noexcept
  {
    constexpr std::int64_t last = (std::numeric_limits<std::int64_t>::max)();
    if (slot_ == 0) {
      first_slot_ = time_ms / visit_time::slot_ms;
      first_request_ = now_.request;
    }
    slot_ = time_ms / visit_time::slot_ms;
    slot_ends_ms_ = time_ms + (std::min)(visit_time::slot_ms - 1 - time_ms % visit_time::slot_ms, last - time_ms);
    now_.set_slot(slot_, ahead_ / requests_a_slot());
  }

  visit_time now_;
  std::int64_t slot_ = 0;
  std::int64_t first_slot_ = 0;
  std::int64_t slot_ends_ms_ = visit_time::slot_ms - 1;
  std::uint32_t first_request_ = 0;
  double ahead_ = 0;
};

}  // namespace kvstrata::detail
