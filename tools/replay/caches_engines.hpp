// default_cache with other copy engines.
#pragma once

#include "replay/caches.hpp"

#include <kvstrata/transfer/engines/staged_copy.hpp>

namespace replay::caches {

template <class Place>
std::optional<cache_kind<Place>> find_engine(std::string_view key)
{
  using namespace kvstrata;
  using device = typename Place::device_type;
  if (key == "per_page") return kind_of<variant<device, per_page_copy>, Place>();
  if (key == "coalesced") return kind_of<variant<device, coalesced_copy>, Place>();
  if (key == "staged") return kind_of<variant<device, staged_copy<>>, Place>();
  return std::nullopt;
}

}  // namespace replay::caches
