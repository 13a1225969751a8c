// Lets one call of a stranger's type fail, and tells which: the first, second, ... of all hooks that may throw.
#pragma once

#include "support/allocation_count.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace kvstrata_test {

/// The types of a cache's user that may throw, each concept one.
enum class hook : std::uint8_t { device, tier, layout, policy, admission, engine, transfer, writes, split, count };

/// What a stranger throws: nothing that the library knows of.
struct strange
{
};

class fuse
{
 public:
  /// A hook was called.
  static void burn(hook which)
  {
    if (left_ == 0 || --left_ != 0) return;
    blown_[static_cast<std::size_t>(which)] = true;
    throw strange{};
  }

  /// The hook that is called as the `which`th from now on throws; 0: none does.
  static void arm(std::size_t which) noexcept { left_ = which; }
  [[nodiscard]] static bool is_armed() noexcept { return left_ != 0; }
  /// Has a hook of this kind ever thrown?
  [[nodiscard]] static bool blew(hook which) noexcept { return blown_[static_cast<std::size_t>(which)]; }

  /// While it lives, allocations do not fail: they are the test's.
  class out_of_reach
  {
   public:
    out_of_reach() noexcept : until_(std::exchange(detail::until_failure, 0)) {}
    out_of_reach(const out_of_reach&) = delete;
    out_of_reach& operator=(const out_of_reach&) = delete;
    ~out_of_reach() { detail::until_failure = until_; }

   private:
    std::size_t until_;
  };

 private:
  static inline std::size_t left_ = 0;
  static inline std::array<bool, static_cast<std::size_t>(hook::count)> blown_{};
};

}  // namespace kvstrata_test
