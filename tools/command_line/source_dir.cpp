#include "command_line/source_dir.hpp"

namespace tools {

std::filesystem::path source_dir() { return KVSTRATA_SOURCE_DIR; }

}  // namespace tools
