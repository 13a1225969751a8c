// Where a tool's results go: looked at before anything is opened, and never what is read, nor where another result goes.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/file_paths.hpp>
#include <kvstrata/simulate/output_file.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace tools {

/// For --help.
inline constexpr std::string_view output_rule =
    "Results replace a file only when they are whole, and never one that is read or that another result goes to.";

/// A path and the option that it was given to; empty: not given.
struct named_path
{
  std::string_view option;
  std::string path;
};

/// Whether writing `path` would replace what is read at `read`, or add to the folder that is read there.
[[nodiscard]] inline bool writes_into(const std::string& path, const std::string& read)
{
  namespace fs = std::filesystem;
  if (kvstrata::is_same_file(path, read)) return true;
  std::error_code ignored;
  if (!fs::is_directory(read, ignored)) return false;
  for (fs::path up = kvstrata::real_path(path); up.has_relative_path();) {
    up = up.parent_path();
    if (kvstrata::is_same_file(up, read)) return true;
  }
  return false;
}

/// Whether a path names the regular file that a standard stream goes to, and not the stream.
[[nodiscard]] inline bool is_file_of_stream(const std::string& path, int stream)
{
  struct stat named{};
  struct stat open{};
  return ::stat(path.c_str(), &named) == 0 && ::fstat(stream, &open) == 0 && S_ISREG(open.st_mode) &&
         named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

/// Throws kvstrata::config_error for a result that would replace an input, lie in the folder of one, or meet another
/// result, standard output included, and kvstrata::data_error for one that cannot be written. By whatever spelling or
/// link; a device or a pipe may take several. Opens and changes nothing.
inline void require_outputs(std::span<const named_path> outputs, std::span<const named_path> inputs)
{
  const auto refuse = [](const named_path& one, const std::string& reason) {
    throw kvstrata::config_error(one.option, "'" + one.path + "'", reason);
  };
  struct stream
  {
    int number;
    std::string_view name;
  };
  constexpr std::array<stream, 2> streams{{{STDOUT_FILENO, "standard output"}, {STDERR_FILENO, "standard error"}}};
  for (const named_path& read : inputs) {
    for (const stream& s : streams) {
      if (!read.path.empty() && is_file_of_stream(read.path, s.number)) {
        refuse(read, std::string(s.name) + " goes to that file");
      }
    }
  }
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    const named_path& one = outputs[k];
    if (one.path.empty()) continue;
    if (one.path == "-") refuse(one, "results go into files: give a path, such as /dev/stdout");
    for (const named_path& read : inputs) {
      if (read.path.empty() || !writes_into(one.path, read.path)) continue;
      std::error_code ignored;
      const bool folder = std::filesystem::is_directory(read.path, ignored);
      refuse(one, (folder ? "that lies in the folder of " : "that is the file of ") + std::string(read.option));
    }
    if (kvstrata::open_file_of(one.path)) continue;  // what goes there goes behind what went before
    for (const stream& s : streams) {
      if (is_file_of_stream(one.path, s.number)) refuse(one, std::string(s.name) + " goes there too");
    }
    for (const named_path& other : outputs.first(k)) {
      if (!other.path.empty() && kvstrata::is_same_file(one.path, other.path)) {
        refuse(one, std::string(other.option) + " goes there too");
      }
    }
  }
  for (const named_path& one : outputs) {
    if (!one.path.empty()) kvstrata::require_writable(one.path);
  }
}

}  // namespace tools
