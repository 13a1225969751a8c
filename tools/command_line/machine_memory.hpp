#pragma once

#include <unistd.h>

#include <cstdint>

namespace tools {

/// Bytes of memory that this machine has; 0 where it does not say.
[[nodiscard]] inline std::uint64_t machine_memory()
{
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_bytes = ::sysconf(_SC_PAGE_SIZE);
  if (pages <= 0 || page_bytes <= 0) return 0;
  return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
}

}  // namespace tools
