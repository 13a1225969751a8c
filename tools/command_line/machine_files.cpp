#include "command_line/machine_files.hpp"

#include <array>
#include <filesystem>
#include <system_error>

#ifndef KVSTRATA_MACHINES
#define KVSTRATA_MACHINES ""
#endif

std::string tools::machine_path(const std::string& text)
{
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (text.empty() || text.find('/') != std::string::npos || fs::exists(text, ignored)) return text;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  for (const fs::path& folder :
       {program.parent_path().parent_path() / "share" / "kvstrata" / "machines", fs::path(KVSTRATA_MACHINES)}) {
    for (const std::string& name : std::array{text, text + ".machine"}) {
      if (fs::path path = folder / name; fs::is_regular_file(path, ignored)) return path.string();
    }
  }
  return text;
}
