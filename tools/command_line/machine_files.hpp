// The machine files that ship, by name: beside an installed program (../share/kvstrata/machines), else where they lay when it
// was built.
#pragma once

#include <string>

namespace tools {

/// For --help.
inline constexpr const char* machine_rule = "a machine file, or the name of one that ships, such as h200_pcie5";

/// The path that `text` names: of a file that is there; else of the shipped one of that name, with or without .machine, which
/// has no '/'; else `text`. Opens nothing.
[[nodiscard]] std::string machine_path(const std::string& text);

}  // namespace tools
