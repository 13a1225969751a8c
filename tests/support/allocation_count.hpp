// Counts what the program allocates through operator new: include it, and compare allocations() before and after.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace kvstrata_test::detail {

inline thread_local std::size_t allocation_count = 0;

[[nodiscard]] inline void* counted(void* at)
{
  ++allocation_count;
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
  ++kvstrata_test::detail::allocation_count;
  return std::malloc(bytes == 0 ? 1 : bytes);
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

}  // namespace kvstrata_test
