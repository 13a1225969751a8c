// A store below the arena: who is in it costs no memory, comes back before their next lease, and survives the cache.
//
// The store of this program is the library's fake, which is late and loses one I/O in twelve, as a disk on a bad day. What
// is lost is computed again; nothing else happens. Virtual time: the same figures on every machine.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/arrival.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/memory_store.hpp>

#include <cstdio>
#include <memory>

using namespace kvstrata;
using D = emulated_device;

constexpr geometry kv_shape{.layers = 4, .kv_heads = 2, .head_dim = 64, .element = element_type::bf16};
constexpr std::size_t page = page_bytes(kv_shape, 32);
constexpr std::uint64_t users = 60;
constexpr token_count history = 320;  // 10 pages

struct tiers_with_store : tier_stack<device_slab<D>, pinned_arena<token_write_through>, memory_store<write_back>>
{
};
using cache_type = cache<tiers_with_store, hybrid_layout, layerwise_transfer<batched_copy<>>, lru>;

struct served
{
  std::uint64_t from_memory = 0, computed = 0, early = 0;
};

void serve(D& device, stream_id compute, cache_type& cache, const request& r, served& all)
{
  auto lease = cache.prepare({&r, 1}, compute);
  while (!lease && lease.why().why == pressure::reason::arriving) {  // a server would serve others meanwhile
    ++all.early;
    device.wait_sync(arrival_of(lease.why()));
    lease = cache.prepare({&r, 1}, compute);
  }
  for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
    lease->wait(layer);
    device.launch(compute, {.label = "layer", .seconds = 50e-6}, [] {});
    lease->layer_done(layer);
  }
  all.from_memory += history - lease->sources(0).computed;
  all.computed += lease->sources(0).computed;
  lease->commit();
}

int main()
{
  D device({.time = time_mode::virtual_time});
  const stream_id compute = device.create_stream("compute");
  memory_store<>::on<D> store(device, {.lanes = 4, .least_seconds = 1e-3, .most_seconds = 5e-3, .lost_in = 12});
  const cache_type::config config{.shape = kv_shape,
                                  .tiers = {{.bytes = 40 * page}, {.bytes = 80 * page}, {.store = &store}},
                                  .stores = {.room_bytes = 80 * page}};  // so much may be on its way

  for (int life = 1; life <= 2; ++life) {  // the second begins with empty memories, and the same store
    const auto cache = std::make_unique<cache_type>(device, config);
    served all;
    for (int round = 0; round < 3; ++round) {
      for (std::uint64_t user = 0; user < users; ++user) {
        serve(device, compute, *cache, {.user = user_id{user}, .history_tokens = history}, all);
        device.advance_host(2e-3);
      }
    }
    const store_figures f = cache->stats().stores[2];
    std::printf("life %d: %6llu tokens cached, %6llu computed; staged %llu, reads lost %llu, writes lost %llu\n", life,
                static_cast<unsigned long long>(all.from_memory), static_cast<unsigned long long>(all.computed),
                static_cast<unsigned long long>(f.staged_tokens), static_cast<unsigned long long>(f.lost_gets),
                static_cast<unsigned long long>(f.lost_puts));
    if (all.early == 0 || f.staged_tokens == 0) return 1;
    cache->close();
  }
  return 0;
}
