// Counts what the program allocates through operator new: include it, and compare allocations() before and after. And
// lets one of them fail.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace kvstrata_test::detail {

inline thread_local std::size_t allocation_count = 0;
inline thread_local std::size_t until_failure = 0;  // the allocation of that number fails; none at 0

/// Counts. True when this one shall fail.
[[nodiscard]] inline bool fails_now() noexcept
{
  ++allocation_count;
  return until_failure != 0 && --until_failure == 0;
}

[[nodiscard]] inline void* counted(void* at)
{
  if (fails_now()) {
    std::free(at);
    at = nullptr;
  }
  if (at == nullptr) throw std::bad_alloc();
  return at;
}

}  // namespace kvstrata_test::detail

// The whole program's, so that nothing goes uncounted; weak, so that several files of a program may include this. The
// forms for arrays come down to these.
[[gnu::weak]] void* operator new(std::size_t bytes)
{
  return kvstrata_test::detail::counted(std::malloc(bytes == 0 ? 1 : bytes));
}
[[gnu::weak]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept
{
  return kvstrata_test::detail::fails_now() ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
}
[[gnu::weak]] void* operator new(std::size_t bytes, std::align_val_t alignment)
{
  const auto step = static_cast<std::size_t>(alignment);
  return kvstrata_test::detail::counted(std::aligned_alloc(step, (bytes + step) / step * step));
}
[[gnu::weak]] void operator delete(void* at) noexcept { std::free(at); }
[[gnu::weak]] void operator delete(void* at, std::size_t) noexcept { std::free(at); }
[[gnu::weak]] void operator delete(void* at, const std::nothrow_t&) noexcept { std::free(at); }
[[gnu::weak]] void operator delete(void* at, std::align_val_t) noexcept { std::free(at); }
[[gnu::weak]] void operator delete(void* at, std::size_t, std::align_val_t) noexcept { std::free(at); }

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

}  // namespace kvstrata_test
