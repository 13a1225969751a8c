// Which file a path means, however it is spelled: what a writer asks so that it replaces nothing that is read.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// The number in a folder that lists the files this process has open (/dev/fd/3); nothing for any other path.
[[nodiscard]] inline std::optional<int> open_file_number(const std::filesystem::path& folder, const std::string& name)
{
  if (folder != "/dev/fd" && folder != "/proc/" + std::to_string(::getpid()) + "/fd") return std::nullopt;
  if (name.empty() || name.size() > 6 || name.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return std::stoi(name);
}

}  // namespace detail

/// Where a file lies, or would lie: absolute and without links, those included that lead to nothing yet. What stands for
/// a file that is open already (/dev/stdout, /dev/fd/3) is not followed beyond that.
[[nodiscard]] inline std::filesystem::path real_path(const std::filesystem::path& path)
{
  namespace fs = std::filesystem;
  constexpr int most_links = 40;  // as the system's
  std::error_code ignored;
  fs::path at = fs::absolute(path, ignored);
  for (int links = 0; links < most_links; ++links) {
    const fs::path folder = fs::weakly_canonical(at.parent_path(), ignored);
    if (detail::open_file_number(folder, at.filename().string())) return folder / at.filename();
    if (!fs::is_symlink(fs::symlink_status(at, ignored))) break;
    at = at.parent_path() / fs::read_symlink(at, ignored);  // an absolute one replaces all
  }
  fs::path real = fs::weakly_canonical(at, ignored);
  return real.empty() ? at.lexically_normal() : real;
}

/// The number of the open file that a path stands for: 1 for /dev/stdout.
[[nodiscard]] inline std::optional<int> open_file_of(const std::filesystem::path& path)
{
  const std::filesystem::path real = real_path(path);
  return detail::open_file_number(real.parent_path(), real.filename().string());
}

/// Whether two paths are one file or folder, by spelling, link or hard link, or would be once it is there. Devices and
/// pipes are nobody's: never the same.
[[nodiscard]] inline bool is_same_file(const std::filesystem::path& a, const std::filesystem::path& b)
{
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::file_status there = fs::status(a, ignored);
  if (!fs::exists(there) || !fs::exists(b, ignored)) return real_path(a) == real_path(b);
  return (fs::is_regular_file(there) || fs::is_directory(there) || fs::is_block_file(there)) &&
         fs::equivalent(a, b, ignored);
}

}  // namespace kvstrata
