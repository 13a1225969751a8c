#include "sim/machine_serve_codes.hpp"

namespace sim::parts {

machine_result serve_lossy(const kvstrata::machine_description& m, std::span<const kvstrata::arrival> requests,
                           const machine_load& load, const machine_point& point, const std::string* row_start)
{
  return serve_coding<true>(m, requests, load, point, row_start);
}

}  // namespace sim::parts
