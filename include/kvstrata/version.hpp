// The version of the library: macros for the preprocessor, one string for people. CMakeLists.txt reads it from here.
#pragma once

#include <kvstrata/core/namespace.hpp>  // first

#include <string_view>

#define KVSTRATA_VERSION_MAJOR 0
#define KVSTRATA_VERSION_MINOR 2
#define KVSTRATA_VERSION_PATCH 0

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

inline constexpr std::string_view version = "0.2.0";

}  // namespace kvstrata
