// libCacheSim, where a Python has it (PyPI: libcachesim): what a policy of its takes for a trace, in a process of its own.
#pragma once

#include "command_line/source_dir.hpp"

#include <kvstrata/simulate/readers/memory_source.hpp>
#include <kvstrata/simulate/trace_access.hpp>
#include <kvstrata/simulate/write_trace.hpp>

#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace bench {

class libcachesim
{
 public:
  /// Is there one? $KVSTRATA_LIBCACHESIM_PYTHON, else python3.
  [[nodiscard]] static bool found() { return !said_by("check").empty(); }

  /// With unit-sized objects; keeps them in a temporary file as long as it lives. Throws data_error.
  explicit libcachesim(std::vector<kvstrata::trace_access> trace)
      : file_(std::filesystem::temp_directory_path() /
              ("kvstrata-policies-" + std::to_string(::getpid()) + ".oracleGeneral.bin"))
  {
    for (kvstrata::trace_access& one : trace) one.bytes = 1;
    kvstrata::memory_source source(std::move(trace));
    kvstrata::write_oracle_general(source, file_);
  }
  libcachesim(const libcachesim&) = delete;
  libcachesim& operator=(const libcachesim&) = delete;
  ~libcachesim()
  {
    std::error_code ignored;
    std::filesystem::remove(file_, ignored);
  }

  /// CPU seconds of the requests after the first so many, which fill the cache.
  [[nodiscard]] std::optional<double> seconds(std::string_view policy, std::uint64_t objects, std::size_t first) const
  {
    std::istringstream said(said_by("'" + file_.string() + "' " + std::string(policy) + " " + std::to_string(objects) +
                                    " " + std::to_string(first)));
    double seconds = 0;
    return said >> seconds ? std::optional(seconds) : std::nullopt;
  }

 private:
  struct pipe_closer
  {
    void operator()(std::FILE* pipe) const { ::pclose(pipe); }
  };

  [[nodiscard]] static std::string said_by(const std::string& arguments)
  {
    const char* const set = std::getenv("KVSTRATA_LIBCACHESIM_PYTHON");
    const std::string python = set != nullptr && *set != '\0' ? set : "python3";
    const auto script = tools::source_dir() / "bench" / "support" / "libcachesim_beside.py";
    const std::unique_ptr<std::FILE, pipe_closer> pipe(
        ::popen(("'" + python + "' '" + script.string() + "' " + arguments + " 2>/dev/null").c_str(), "r"));
    std::string said;
    std::array<char, 256> piece;
    while (pipe != nullptr && std::fgets(piece.data(), piece.size(), pipe.get()) != nullptr) said += piece.data();
    return said;
  }

  std::filesystem::path file_;
};

}  // namespace bench
