// default_cache with other write policies.
#include "replay/caches.hpp"
#include "replay/cpu_place.hpp"

namespace replay::caches {

template <class Place>
std::optional<cache_kind<Place>> find_write(std::string_view key)
{
  using namespace kvstrata;
  using device = typename Place::device_type;
  using engine = batched_copy<>;
  if (key == "page_writes") return kind_of<variant<device, engine, page_write_through>, Place>();
  if (key == "write_back") return kind_of<variant<device, engine, write_back>, Place>();
  if (key == "cleaned") return kind_of<variant<device, engine, write_back>, Place>({.cleans = true});
  if (key == "selective") {
    return kind_of<variant<device, engine, selective_write<2, token_write_through>>, Place>();
  }
  return std::nullopt;
}

template std::optional<cache_kind<cpu_place>> find_write(std::string_view key);

}  // namespace replay::caches
