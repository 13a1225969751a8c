// Counts what the program allocates through operator new: compare allocations() before and after. And lets one of them
// fail, and looks at what is given back. (allocation_count.cpp, which every test program links, defines operator new.)
#pragma once

#include <cstddef>
#include <span>

namespace kvstrata_test::detail {

inline thread_local std::size_t allocation_count = 0;
inline thread_local std::size_t until_failure = 0;   // the allocation of that number fails; none at 0
inline thread_local const void* watched = nullptr;   // when it is given back ...
inline thread_local std::span<std::byte> last_look;  // ... its bytes are copied there

}  // namespace kvstrata_test::detail

namespace kvstrata_test {

/// Of this thread so far.
[[nodiscard]] inline std::size_t allocations() noexcept { return detail::allocation_count; }

/// While it lives, one allocation of this thread fails: the first, second, ... from now on.
class failing_allocation
{
 public:
  explicit failing_allocation(std::size_t which) noexcept { detail::until_failure = which; }
  failing_allocation(const failing_allocation&) = delete;
  failing_allocation& operator=(const failing_allocation&) = delete;
  ~failing_allocation() { detail::until_failure = 0; }

  /// Has it failed yet?
  [[nodiscard]] static bool happened() noexcept { return detail::until_failure == 0; }
};

/// Keeps what an allocation holds when this thread gives it back.
class watched_allocation
{
 public:
  /// `into`: as many of its bytes are kept as there is room.
  watched_allocation(const void* at, std::span<std::byte> into) noexcept
  {
    detail::watched = at;
    detail::last_look = into;
  }
  watched_allocation(const watched_allocation&) = delete;
  watched_allocation& operator=(const watched_allocation&) = delete;
  ~watched_allocation() { detail::watched = nullptr; }

  /// Has it been given back yet?
  [[nodiscard]] static bool is_gone() noexcept { return detail::watched == nullptr; }
};

}  // namespace kvstrata_test
