// A block's bytes, and the numbers at fixed places of it.
#pragma once

#include <kvstrata/tiers/nvme/io/block_engine.hpp>
#include <kvstrata/tiers/stores/format/crc32c.hpp>
#include <kvstrata/tiers/stores/format/fields.hpp>

#include <cstddef>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

using namespace stores;  // fields and checksums, as all stores have them

using block_span = std::span<std::byte, block_bytes>;
using const_block_span = std::span<const std::byte, block_bytes>;

}  // namespace kvstrata::nvme
