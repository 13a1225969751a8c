// Where this checkout lies, for tests and benchmarks that read its files or those beside it. Defined in one unit, so that
// no other one's compiler options, and with them a compiler cache, depend on the place.
#pragma once

#include <filesystem>

namespace tools {

/// The root of the checkout that the program was built from; absolute.
[[nodiscard]] std::filesystem::path source_dir();

}  // namespace tools
