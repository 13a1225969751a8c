// What tells one lease from another.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of a lease that is out; the number of none is 0.
struct lease_tag
{
  std::uint64_t number = 0;  ///< ascending in the order of prepare
  std::uint64_t label = 0;   ///< the caller's: of the batch, the request, the worker
  std::uint32_t began = 0;   ///< requests that the cache had served by then
};

}  // namespace kvstrata
