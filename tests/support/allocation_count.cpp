// operator new of every test program: strong, for a sanitizer's own are weak, and the first one would win.
#include "support/allocation_count.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

namespace kvstrata_test::detail {

namespace {

/// Counts. True when this one shall fail.
[[nodiscard]] bool fails_now() noexcept
{
  ++allocation_count;
  return until_failure != 0 && --until_failure == 0;
}

[[nodiscard]] void* counted(void* at)
{
  if (fails_now()) {
    std::free(at);
    at = nullptr;
  }
  if (at == nullptr) throw std::bad_alloc();
  return at;
}

void freed(void* at) noexcept
{
  if (at != nullptr && at == watched) {
    std::memcpy(last_look.data(), at, last_look.size());
    watched = nullptr;
  }
  std::free(at);
}

}  // namespace

}  // namespace kvstrata_test::detail

// The forms for arrays come down to these.
void* operator new(std::size_t bytes) { return kvstrata_test::detail::counted(std::malloc(bytes == 0 ? 1 : bytes)); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept
{
  return kvstrata_test::detail::fails_now() ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
}
void* operator new(std::size_t bytes, std::align_val_t alignment)
{
  const auto step = static_cast<std::size_t>(alignment);
  return kvstrata_test::detail::counted(std::aligned_alloc(step, (bytes + step) / step * step));
}
void operator delete(void* at) noexcept { kvstrata_test::detail::freed(at); }
void operator delete(void* at, std::size_t) noexcept { kvstrata_test::detail::freed(at); }
void operator delete(void* at, const std::nothrow_t&) noexcept { kvstrata_test::detail::freed(at); }
void operator delete(void* at, std::align_val_t) noexcept { kvstrata_test::detail::freed(at); }
void operator delete(void* at, std::size_t, std::align_val_t) noexcept { kvstrata_test::detail::freed(at); }
