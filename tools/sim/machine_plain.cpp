#include "sim/machine_serve.hpp"

#include <kvstrata/cache/named_caches.hpp>

namespace sim::parts {

using namespace kvstrata;

machine_result serve_plain(const machine_description& m, std::span<const arrival> requests, const machine_load& load,
                           const machine_point& point, const std::string* row_start)
{
  if (point.cache == "device_only") {
    return serve_with<device_only_cache<emulated_device>>(m, requests, load, point, row_start);
  }
  if (point.cache == "mtserve") {
    return serve_with<mtserve_cache<emulated_device>>(m, requests, load, point, row_start);
  }
  return serve_with<default_cache<emulated_device>>(m, requests, load, point, row_start);
}

}  // namespace sim::parts
