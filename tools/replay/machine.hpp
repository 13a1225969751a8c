// What machine this is, as far as Linux says.
#pragma once

#include "replay/results.hpp"

#include <unistd.h>

#include <fstream>
#include <string>
#include <thread>

namespace replay {

[[nodiscard]] inline machine_facts this_machine()
{
  machine_facts m;
  m.cores = std::thread::hardware_concurrency();
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (line.compare(0, 10, "model name") != 0) continue;
    if (const auto colon = line.find(": "); colon != std::string::npos) m.cpu = line.substr(colon + 2);
    break;
  }
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_bytes = ::sysconf(_SC_PAGE_SIZE);
  if (pages > 0 && page_bytes > 0) {
    m.memory_bytes = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
  }
#if defined(__clang__)
  m.compiler = "clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__);
#elif defined(__GNUC__)
  m.compiler = "g++ " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__);
#endif
  return m;
}

}  // namespace replay
