// How long a request waits for its prefetch.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstdint>
#include <limits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// SGLang HiCache's three stop policies: best_effort, wait_complete, timeout.
class stop_rule
{
 public:
  enum class kind : std::uint8_t { best_effort, wait, deadline };

  /// The request may go at once, with what has arrived by then.
  [[nodiscard]] static constexpr stop_rule best_effort() noexcept { return {kind::best_effort, never}; }
  /// It may go when everything has arrived.
  [[nodiscard]] static constexpr stop_rule wait() noexcept { return {kind::wait, never}; }
  /// It may go when everything has arrived, or at this time if that comes first. Seconds on the clock of poll(now).
  [[nodiscard]] static constexpr stop_rule by(double seconds) noexcept { return {kind::deadline, seconds}; }

  [[nodiscard]] constexpr kind what() const noexcept { return kind_; }
  [[nodiscard]] constexpr double deadline() const noexcept { return deadline_; }

  /// May a request go at `now`, whose prefetch is `complete` or not?
  [[nodiscard]] constexpr bool lets_go(bool complete, double now) const noexcept
  {
    return complete || kind_ == kind::best_effort || is_over(now);
  }
  /// Is it too late to queue more?
  [[nodiscard]] constexpr bool is_over(double now) const noexcept
  {
    return kind_ == kind::deadline && now >= deadline_;
  }

 private:
  static constexpr double never = std::numeric_limits<double>::infinity();

  constexpr stop_rule(kind what, double deadline) noexcept : kind_(what), deadline_(deadline) {}

  kind kind_;
  double deadline_;
};

}  // namespace kvstrata
