// How long an I/O may take, and what a connection says when it cannot go on.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/redis/topology/back_off.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// Until when an I/O may go on; it also ends when somebody says so.
struct time_limit
{
  time_point until{};
  const std::atomic<bool>* cancelled = nullptr;

  [[nodiscard]] bool is_over() const noexcept
  {
    return clock::now() >= until || (cancelled != nullptr && cancelled->load(std::memory_order_relaxed));
  }
  /// Milliseconds to wait before looking again: a poll's argument.
  [[nodiscard]] int slice() const noexcept
  {
    using namespace std::chrono;
    const auto left = duration_cast<milliseconds>(until - clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(static_cast<std::int64_t>(left) + 1, 0, 20));
  }
};

[[nodiscard]] inline time_limit limit_of(double seconds, const std::atomic<bool>* cancelled = nullptr)
{
  return {clock::now() + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds)),
          cancelled};
}

/// A connection is of no use any more, or none came about. Its text says what and where, and holds no secret.
struct link_fault : error
{
  enum class kind : std::uint8_t {
    timeout,
    broken,  ///< closed, refused, or it makes no sense
    denied,  ///< the password
  };

  kind why;

  link_fault(kind k, const std::string& text) : error(text), why(k) {}
};

}  // namespace kvstrata::redis
