// default_cache with other write policies.
#include "replay/caches.hpp"

namespace replay::caches {

std::optional<cache_kind> find_write(std::string_view key)
{
  using namespace kvstrata;
  using engine = batched_copy<>;
  if (key == "page_writes") return kind_of<variant<engine, page_write_through>>();
  if (key == "write_back") return kind_of<variant<engine, write_back>>();
  if (key == "cleaned") return kind_of<variant<engine, write_back>>({.cleans = true});
  if (key == "selective") return kind_of<variant<engine, selective_write<2, token_write_through>>>();
  return std::nullopt;
}

}  // namespace replay::caches
