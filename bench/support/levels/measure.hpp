// What can be asked of a subject (subject.cpp), whichever version of the library it was compiled with.
#pragma once

#include "children.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace levels {

/// A stretch of a stream, served by a cache.
struct scene
{
  std::string cache;   ///< default, mtserve or one_page
  std::string stream;  ///< its file
  std::size_t device_pages = 0;
  std::size_t host_pages = 0;
  std::size_t from = 0;  ///< what comes before warms up
  std::size_t to = 0;

  [[nodiscard]] std::vector<std::string> arguments() const
  {
    return {cache,
            stream,
            std::to_string(device_pages),
            std::to_string(host_pages),
            std::to_string(from),
            std::to_string(to)};
  }
  [[nodiscard]] double batches() const noexcept { return static_cast<double>(to - from); }
};

struct served
{
  double device_percent = 0;  ///< of the tokens asked for
  double host_percent = 0;
  double pieces = 0;  ///< of copies, a batch
};

struct heap
{
  double without = 0;  ///< bytes given out before there was a cache
  double empty = 0;
  double filled = 0;
};

[[nodiscard]] inline bool valgrind_is_here() { return run("valgrind --version").status == 0; }

/// What a command executes in functions of that name. The program says when counting begins, where it can.
[[nodiscard]] inline double counted_by_callgrind(const std::string& command, const std::string& function)
{
#if __has_include(<valgrind/callgrind.h>)
  constexpr std::string_view instrumented = "no";  // until the program says so
#else
  constexpr std::string_view instrumented = "yes";
#endif
  const std::string said =
      said_by("valgrind --tool=callgrind --callgrind-out-file=/dev/null --instr-atstart=" + std::string(instrumented) +
              " '--toggle-collect=*" + function + "*' " + command);
  constexpr std::string_view before = "Collected : ";
  const std::size_t at = said.find(before);
  if (at == std::string::npos) throw std::runtime_error("valgrind counted nothing:\n" + said);
  return std::stod(said.substr(at + before.size()));
}

class subject
{
 public:
  explicit subject(std::filesystem::path program) : program_(std::move(program)) {}

  [[nodiscard]] const std::string program() const { return program_.string(); }

  /// A batch.
  [[nodiscard]] double instructions(const scene& s) const
  {
    const double counted = counted_by_callgrind(line("instructions", s), "levels_measured");
    if (counted < s.batches()) throw std::runtime_error("valgrind did not see what it was to count");
    return counted / s.batches();
  }

  [[nodiscard]] served counts(const scene& s) const
  {
    unsigned long long device = 0, host = 0, computed = 0, pieces = 0;
    const std::string said = said_by(line("counts", s));
    if (std::sscanf(said.c_str(), "%llu %llu %llu %llu", &device, &host, &computed, &pieces) != 4) refuse(said);
    const auto all = static_cast<double>(device + host + computed);
    return {100 * static_cast<double>(device) / all, 100 * static_cast<double>(host) / all,
            static_cast<double>(pieces) / s.batches()};
  }

  [[nodiscard]] heap bytes(const scene& s) const
  {
    heap h;
    const std::string said = said_by(line("bytes", s));
    if (std::sscanf(said.c_str(), "%lf %lf %lf", &h.without, &h.empty, &h.filled) != 3) refuse(said);
    return h;
  }

  /// The command of one that answers numbers of batches with seconds.
  [[nodiscard]] std::vector<std::string> answering(const scene& s) const
  {
    std::vector<std::string> words = s.arguments();
    words.insert(words.begin(), {program_.string(), "time"});
    return words;
  }

 private:
  [[nodiscard]] std::string line(const char* action, const scene& s) const
  {
    std::string out = quoted(program_.string());
    out.append(" ").append(action);
    for (const std::string& word : s.arguments()) out.append(" ").append(quoted(word));
    return out;
  }
  [[noreturn]] void refuse(const std::string& said) const
  {
    throw std::runtime_error(program_.string() + " said: " + said);
  }

  std::filesystem::path program_;
};

}  // namespace levels
