// When a server that did not answer is asked again.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

using clock = std::chrono::steady_clock;
using time_point = clock::time_point;

struct back_off_times
{
  std::chrono::nanoseconds first = std::chrono::milliseconds(10);
  std::chrono::nanoseconds most = std::chrono::seconds(1);
};

/// Twice as long after each failure, from half to all of it by chance, so that not all come back at once. Not synchronised.
class back_off
{
 public:
  explicit back_off(std::uint64_t seed = 1) noexcept : draws_(seed | 1U) {}

  [[nodiscard]] bool may_ask(time_point now) const noexcept { return now >= until_; }
  [[nodiscard]] time_point until() const noexcept { return until_; }

  void failed(time_point now, const back_off_times& times) noexcept
  {
    if (now < until_) return;  // one failure that several met
    wait_ = wait_.count() == 0 ? times.first : (std::min)(2 * wait_, times.most);
    draws_ = draws_ * 6364136223846793005U + 1442695040888963407U;
    const auto half = wait_ / 2;
    const auto part = std::chrono::nanoseconds(static_cast<std::int64_t>(
        (draws_ >> 33U) % static_cast<std::uint64_t>((std::max<std::int64_t>)(1, half.count()))));
    until_ = now + std::chrono::duration_cast<clock::duration>(half + part);
  }
  void answered() noexcept
  {
    wait_ = {};
    until_ = {};
  }

 private:
  std::uint64_t draws_;
  std::chrono::nanoseconds wait_{0};
  time_point until_{};
};

}  // namespace kvstrata::redis
