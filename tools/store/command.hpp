// kvstrata-store: shows, checks and compacts the store that an nvme_file keeps in files.
#pragma once

#include <iosfwd>

namespace store_tool {

/// 0: fine. 1: something is wrong with the store, or it cannot be read. 2: the command line makes no sense. Whatever is
/// wrong is said in sentences, to `err`.
[[nodiscard]] int command(int count, const char* const* arguments, std::ostream& out, std::ostream& err);

}  // namespace store_tool
