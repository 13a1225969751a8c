// Where the bytes of a store lie, and who makes the engine that moves them.
#pragma once

#include <kvstrata/tiers/nvme/io/block_engine.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Where the bytes lie, and how.
struct medium_config
{
  std::vector<std::string> paths{};  ///< files or block devices, one or more: the medium is striped over them
  std::uint64_t bytes = 0;           ///< of each; 0: as many as there are. A file is made and preallocated
  std::uint64_t stripe_bytes = 0;    ///< stripe i lies in path i % paths.size()
  bool direct = true;                ///< O_DIRECT: past the page cache
  std::uint32_t depth = 32;          ///< I/Os at a time
};

/// Makes the engine of a medium. Throws config_error for nonsense, error where the medium refuses.
using engine_maker = std::function<std::unique_ptr<block_engine>(const medium_config&)>;

}  // namespace kvstrata::nvme
