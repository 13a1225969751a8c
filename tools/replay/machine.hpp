// What machine this is, as far as Linux says.
#pragma once

#include "replay/results.hpp"

#include "command_line/machine_memory.hpp"

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
  m.memory_bytes = tools::machine_memory();
#if defined(__clang__)
  m.compiler = "clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__);
#elif defined(__GNUC__)
  m.compiler = "g++ " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__);
#endif
  return m;
}

}  // namespace replay
