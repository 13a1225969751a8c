#include "replay/cases.hpp"

#include "replay/caches.hpp"
#include "replay/uncached_case.hpp"

#include <kvstrata/core/error.hpp>

namespace replay {
namespace {

using kind = cache_kind<cpu_place>;

kind find_cache(const std::string& key)
{
  for (const auto find :
       {caches::find_plain<cpu_place>, caches::find_engine<cpu_place>, caches::find_kernel<cpu_place>,
        caches::find_write<cpu_place>, caches::find_layout<cpu_place>, caches::find_store<cpu_place>,
        caches::find_cluster<cpu_place>, caches::find_lossless<cpu_place>, caches::find_lossy<cpu_place>}) {
    if (std::optional<kind> found = find(key)) return *std::move(found);
  }
  throw kvstrata::config_error("--cases", "'" + key + "'", "there is no such cache");
}

}  // namespace

std::unique_ptr<served_case> make_case(const std::string& key, const serving_context& context,
                                       const cpu_machine& machine)
{
  if (key == "none") return std::make_unique<uncached_case<cpu_place>>(context, machine);
  return find_cache(key).make(context, machine);
}

std::vector<token_split> simulate_case(const std::string& key, const workload& w, const cache_sizes& s)
{
  return key == "none" ? std::vector<token_split>{} : find_cache(key).simulate(w, s);
}

std::size_t device_bytes_of(const std::string& key, const cache_sizes& s)
{
  return key == "none" ? 0 : find_cache(key).device_bytes(s);
}

}  // namespace replay
