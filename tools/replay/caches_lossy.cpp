#include "replay/caches_codes.hpp"
#include "replay/cpu_place.hpp"

#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>

namespace replay::caches {

template <class Place>
std::optional<cache_kind<Place>> find_lossy(std::string_view key)
{
  using namespace kvstrata;
  using device = typename Place::device_type;
  if (key == "int8") return kind_of<with_codes<device, codec::int8>, Place>();
  if (key == "fp8") return kind_of<with_codes<device, codec::fp8>, Place>();
  if (key == "int4") return kind_of<with_codes<device, codec::int4>, Place>();
  return std::nullopt;
}

template std::optional<cache_kind<cpu_place>> find_lossy(std::string_view key);

}  // namespace replay::caches
