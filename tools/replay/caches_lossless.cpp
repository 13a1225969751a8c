#include "replay/caches_codes.hpp"
#include "replay/cpu_place.hpp"

#include <kvstrata/codec/exp4.hpp>

namespace replay::caches {

template <class Place>
std::optional<cache_kind<Place>> find_lossless(std::string_view key)
{
  using namespace kvstrata;
  using device = typename Place::device_type;
  if (key == "exp4") return kind_of<with_codes<device, codec::exp4>, Place>();
  return std::nullopt;
}

template std::optional<cache_kind<cpu_place>> find_lossless(std::string_view key);

}  // namespace replay::caches
