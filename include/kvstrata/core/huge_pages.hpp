// Huge pages: how much of some memory lies in them. A drive's I/O looks up each page of its memory; in pages of 4 KiB that is
// most of what it costs (docs/dead_ends.md).
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

inline constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;

/// How much of the memory, which has been touched, lies in huge pages, as the system tells; empty where it does not tell. What
/// was mapped beside it may be counted with it. It walks the process's page tables: for large memory, and now and then.
[[nodiscard]] inline std::optional<std::size_t> bytes_in_huge_pages(std::span<const std::byte> memory) noexcept
{
  struct closer
  {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, closer> file(std::fopen("/proc/self/smaps", "r"));
  if (file == nullptr) return std::nullopt;
  const auto begin = reinterpret_cast<std::uintptr_t>(memory.data());
  const std::uintptr_t end = begin + memory.size();
  std::optional<std::size_t> found;
  bool inside = false;
  for (char line[512]; std::fgets(line, sizeof line, file.get()) != nullptr;) {
    unsigned long from = 0;
    unsigned long to = 0;
    unsigned long kib = 0;
    if (std::sscanf(line, "%lx-%lx ", &from, &to) == 2) inside = from < end && to > begin;
    else if (inside && std::sscanf(line, "AnonHugePages: %lu kB", &kib) == 1) found = found.value_or(0) + kib * 1024;
  }
  return found ? std::optional<std::size_t>((std::min)(*found, memory.size())) : std::nullopt;
}

}  // namespace kvstrata
