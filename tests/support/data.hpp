// Where the real traces lie: $KVSTRATA_DATA, else ../shared/data beside the project's root. Tests that need one which is
// not there say so with SKIP_TEST.
#pragma once

#include "command_line/source_dir.hpp"

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>

namespace kvstrata_test {

/// The folder or file `name` under the test data, for example "kuairand-pure-2w"; empty when it is not on this machine.
[[nodiscard]] inline std::optional<std::filesystem::path> find_data(std::string_view name)
{
  const char* const set = std::getenv("KVSTRATA_DATA");
  const std::filesystem::path root =
      set != nullptr && *set != '\0' ? std::filesystem::path(set) : tools::source_dir() / ".." / "shared" / "data";
  std::error_code ignored;
  const std::filesystem::path found = root / name;
  if (!std::filesystem::exists(found, ignored)) return std::nullopt;
  return found.lexically_normal();
}

/// Likewise a case of golden vectors, which other people's code wrote: in $KVSTRATA_GOLDEN, else in ../shared/golden.
[[nodiscard]] inline std::optional<std::filesystem::path> find_golden(std::string_view name)
{
  const char* const set = std::getenv("KVSTRATA_GOLDEN");
  const std::filesystem::path root =
      set != nullptr && *set != '\0' ? std::filesystem::path(set) : tools::source_dir() / ".." / "shared" / "golden";
  std::error_code ignored;
  if (!std::filesystem::exists(root / name, ignored)) return std::nullopt;
  return (root / name).lexically_normal();
}

}  // namespace kvstrata_test
