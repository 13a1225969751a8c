// Trackers that a cache gets when it is built, and one that several caches share.
#include "support/catch.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/counters.hpp>
#include <kvstrata/observe/tracker_ref.hpp>
#include <kvstrata/sharded/sharded.hpp>

using namespace kvstrata;

namespace {

constexpr geometry shape{.layers = 2, .kv_heads = 1, .head_dim = 8};

using shared_cache = default_cache<emulated_device, lru, tracker_ref<counters>>;

[[nodiscard]] shared_cache::config sizes()
{
  const std::size_t page = page_bytes(shape, 32);
  return {.shape = shape, .tiers = {{.bytes = 8 * page}, {.bytes = 20 * page}}};
}

template <class Cache>
void serve(Cache& c, stream_id compute, std::uint64_t user)
{
  const request r{.user = user_id{user}, .history_tokens = 64};
  auto lease = c.prepare({&r, 1}, compute).value();
  for (layer_index l = 0; l < shape.layers; ++l) lease.layer_done(l);
  lease.commit();
}

}  // namespace

TEST_CASE("a tracker that is elsewhere hears of a cache from its beginning, and outlives it", "[observe]")
{
  emulated_device device({.time = time_mode::virtual_time, .data = false});
  const stream_id compute = device.create_stream("compute");
  counters all;
  {
    shared_cache one(device, sizes(), tracker_ref(all));
    CHECK(all.read().levels == 2);
    CHECK(one.tracker().get() == &all);
    serve(one, compute, 1);
    CHECK(all.read().batches == 1);
  }
  shared_cache two(device, sizes(), tracker_ref(all));
  shared_cache alone(device, sizes());
  CHECK(alone.tracker().get() == nullptr);
  serve(two, compute, 2);
  serve(alone, compute, 3);
  CHECK(all.read().batches == 2);
  CHECK(all.read().computed_tokens == 128);
}

TEST_CASE("the shards of a cache share a tracker that is elsewhere", "[observe]")
{
  emulated_device device({.time = time_mode::virtual_time, .data = false});
  const stream_id compute = device.create_stream("compute");
  counters all;
  sharded<shared_cache> shards(device, sizes(), 2, tracker_ref(all));
  for (const std::uint64_t user : {1U, 2U, 3U, 4U}) serve(shards, compute, user);
  CHECK(shards.tracker(0).get() == &all);
  CHECK(shards.tracker(1).get() == &all);
  CHECK(all.read().batches == 4);
}
