// What this program can unpack of compressed traces.
#pragma once

#include <kvstrata/simulate/packing.hpp>

#include <memory>
#include <string>

namespace sim {

/// Null for what it was not built with.
[[nodiscard]] std::unique_ptr<kvstrata::unpacker> unpack(kvstrata::packing by);

/// ".zst and .gz", as it was built; empty: none.
[[nodiscard]] std::string unpacked_names();

}  // namespace sim
