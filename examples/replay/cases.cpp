#include "replay/cases.hpp"

#include "replay/cached_case.hpp"
#include "replay/uncached_case.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/core/error.hpp>

namespace replay {
namespace {

using device = kvstrata::emulated_device;

// --- the caches that are compared ------------------------------------------------------------------------------------
using device_only = kvstrata::device_only_cache<device>;
using synchronous = kvstrata::cache<kvstrata::tier_stack<kvstrata::device_slab<device>, kvstrata::pinned_arena<>>,
                                    kvstrata::hybrid_layout, kvstrata::immediate_transfer<>, kvstrata::lru>;
using mtserve = kvstrata::mtserve_cache<device>;
using ours = kvstrata::default_cache<device>;

/// Calls visit.operator()<Cache>() with the cache of a key.
template <class Visit>
auto with_cache(const std::string& key, Visit&& visit)
{
  if (key == "device") return visit.template operator()<device_only>();
  if (key == "synchronous") return visit.template operator()<synchronous>();
  if (key == "mtserve") return visit.template operator()<mtserve>();
  if (key == "default") return visit.template operator()<ours>();
  throw kvstrata::config_error("--cases", "'" + key + "'", "there is no such cache");
}

template <class Cache>
std::vector<token_split> simulate(const workload& w, const cache_sizes& s)
{
  typename Cache::device_type d({.time = kvstrata::time_mode::virtual_time, .data = false});
  Cache cache(d, cache_config<Cache>(s));
  const kvstrata::stream_id compute = d.create_stream("compute");
  std::vector<token_split> out;
  for (const served_batch& batch : w.batches) {
    const std::vector<kvstrata::request> asked = cache_requests(batch);
    auto lease = cache.prepare(asked, compute).value();
    out.push_back(split_of(lease));
    for (std::uint32_t l = 0; l < s.shape.layers; ++l) lease.layer_done(l);
    lease.commit();
    lease.release();
    d.wait_sync(d.record(compute));
  }
  cache.drain_sync();
  return out;
}

}  // namespace

std::unique_ptr<served_case> make_case(const std::string& key, const serving_context& context)
{
  if (key == "none") return std::make_unique<uncached_case>(context);
  return with_cache(key, [&]<class Cache>() -> std::unique_ptr<served_case> {
    return std::make_unique<cached_case<Cache>>(context, key == "synchronous");
  });
}

case_name name_of_case(const std::string& key)
{
  if (key == "none") return {"no cache", "computes every history again"};
  if (key == "device") return {"device only", "what falls out of device memory is computed again"};
  if (key == "synchronous") return {"synchronous host tier", "copies in, computes, copies out, and waits each time"};
  if (key == "mtserve")
    return {"mtserve_cache", "the paper's way: whole chunks written down, whole users evicted, layer by layer"};
  if (key == "default") return {"default_cache", "page by page, a user's front evicted first, layer by layer"};
  throw kvstrata::config_error("--cases", "'" + key + "'", "there is no such case");
}

std::vector<token_split> simulate_case(const std::string& key, const workload& w, const cache_sizes& s)
{
  if (key == "none") return {};
  return with_cache(key, [&]<class Cache>() { return simulate<Cache>(w, s); });
}

}  // namespace replay
