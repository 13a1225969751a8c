// default_cache with other copy engines.
#include "replay/caches.hpp"

#include <kvstrata/transfer/engines/staged_copy.hpp>

namespace replay::caches {

std::optional<cache_kind> find_engine(std::string_view key)
{
  using namespace kvstrata;
  if (key == "per_page") return kind_of<variant<per_page_copy>>();
  if (key == "coalesced") return kind_of<variant<coalesced_copy>>();
  if (key == "staged") return kind_of<variant<staged_copy<>>>();
  return std::nullopt;
}

}  // namespace replay::caches
