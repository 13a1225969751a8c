// Files that results go to: looked at before a long run, and never one that is read.
#pragma once

#include "replay/write_file.hpp"

#include <kvstrata/core/error.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace sim {

/// A path and the option that it was given to; empty: not given.
struct named_path
{
  std::string_view option;
  std::string path;
};

/// Whether two paths are one file, or would be. Devices are nobody's.
[[nodiscard]] inline bool is_same_file(const std::string& a, const std::string& b)
{
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (fs::exists(a, ignored) && fs::exists(b, ignored)) {
    return (fs::is_regular_file(a, ignored) || fs::is_directory(a, ignored)) && fs::equivalent(a, b, ignored);
  }
  return fs::weakly_canonical(fs::absolute(a, ignored), ignored) ==
         fs::weakly_canonical(fs::absolute(b, ignored), ignored);
}

/// Throws kvstrata::config_error for a result that would replace an input, lie in the folder of one, or replace
/// another result, and kvstrata::data_error for one that cannot be written. Leaves no file behind.
inline void require_outputs(std::span<const named_path> outputs, std::span<const named_path> inputs)
{
  namespace fs = std::filesystem;
  const auto refuse = [](const named_path& one, const std::string& reason) {
    throw kvstrata::config_error(one.option, "'" + one.path + "'", reason);
  };
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    const named_path& one = outputs[k];
    if (one.path.empty()) continue;
    if (one.path == "-") refuse(one, "results go into files: give a path");
    for (const named_path& read : inputs) {
      if (read.path.empty()) continue;
      if (is_same_file(one.path, read.path)) refuse(one, "that is the file of " + std::string(read.option));
      std::error_code ignored;
      if (!fs::is_directory(read.path, ignored)) continue;
      for (fs::path up = fs::absolute(one.path, ignored).lexically_normal(); up.has_relative_path();) {
        up = up.parent_path();
        if (is_same_file(up.string(), read.path)) {
          refuse(one, "that lies in the folder of " + std::string(read.option));
        }
      }
    }
    for (const named_path& other : outputs.first(k)) {
      if (!other.path.empty() && is_same_file(one.path, other.path)) {
        refuse(one, std::string(other.option) + " goes there too");
      }
    }
  }
  for (const named_path& one : outputs) {
    if (one.path.empty()) continue;
    std::error_code ignored;
    const bool was_there = fs::exists(one.path, ignored);
    replay::require_writable(one.path);
    if (!was_there) fs::remove(one.path, ignored);
  }
}

}  // namespace sim
