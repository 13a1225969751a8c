// Write a tier: examples/tiers/mapped_file.hpp keeps users in a memory-mapped file instead of pinned memory.
//
// What it takes:
//   1. a recipe: a name, a config, and what may be chosen of it (what comes down, how much of a victim goes, whose policy)
//   2. `on<Device>`, the tier itself: hand out runs of frames, take them back with a fence, say where they lie
// frame_store does the second part for any memory with data() and size(), so the file_mapping is all that is new there.
// tests/tiers/tier_conformance.hpp proves the behaviour of a tier; below it serves in a cache.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include "tiers/mapped_file.hpp"

#include <cstdio>
#include <cstring>
#include <string>
#include <tuple>

using namespace kvstrata;

static_assert(memory_tier<example::mapped_file<>, emulated_device>);

// It stands where pinned_arena<> would stand, with the same options.
using my_cache = cache<tier_stack<device_slab<emulated_device>, example::mapped_file<evict_front>>, hybrid_layout,
                       layerwise_transfer<>, lru>;

constexpr geometry kv_shape{.layers = 3, .kv_heads = 2, .head_dim = 32, .element = element_type::f16};

// Every byte of a token's K and V is this: told apart by user, layer and position.
std::byte pattern(std::uint64_t user, layer_index layer, token_count token)
{
  return static_cast<std::byte>((user * 101 + layer * 37 + token * 7 + 1) & 0xFFU);
}

/// A model on the host: writes what it must compute, reads everything, and compares.
bool serve(my_cache& cache, stream_id compute, std::uint64_t user, token_count history, token_sources& from)
{
  const request batch[] = {{.user = user_id{user}, .history_tokens = history}};
  my_cache::lease lease = cache.prepare(batch, compute).value();
  const page_table_view view = lease.view();
  bool right = true;
  for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
    lease.wait_sync(layer);
    for (const token_interval missing : lease.compute(0)) {
      for (token_count t = missing.begin; t < missing.end; ++t) {
        for (const std::size_t part : {std::size_t{0}, view.value_offset()}) {
          std::memset(view.key(layer, 0, t) + part, std::to_integer<int>(pattern(user, layer, t)),
                      kv_shape.key_bytes());
        }
      }
    }
    lease.layer_done(layer);
    for (token_count t = 0; t < history; ++t) {
      const std::byte* const key = view.key(layer, 0, t);
      const std::byte* const value = key + view.value_offset();
      right = right && key[0] == pattern(user, layer, t) && value[kv_shape.key_bytes() - 1] == key[0];
    }
  }
  from = lease.sources(0);
  lease.commit();
  return right;
}

int main()
{
  emulated_device device({.check_ordering = true});
  const stream_id compute = device.create_stream("compute");
  const std::size_t page = page_bytes(kv_shape, 32);
  my_cache::config config{.shape = kv_shape,
                          .tiers = {{.bytes = 40 * page}, {.directory = "/tmp", .bytes = 400 * page}}};
  my_cache cache(device, config);

  // 20 users of 10 pages: the slab holds four of them, the file all.
  bool right = true;
  token_count from_file = 0;
  token_count computed = 0;
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t user = 0; user < 20; ++user) {
      token_sources from;
      right = serve(cache, compute, user, static_cast<token_count>(300 + 9 * round), from) && right;
      from_file += from.fetched();
      computed += from.computed;
    }
  }
  cache.drain_sync();
  const tier_stats file = cache.stats().levels[1];
  std::printf("%u tokens computed, %u read back from the file, which holds %llu tokens in %llu KiB\n", computed,
              from_file, static_cast<unsigned long long>(file.resident_tokens),
              static_cast<unsigned long long>(file.resident_bytes / 1024));
  for (const ordering_violation& v : device.violations()) std::puts(to_string(v).c_str());
  right = right && device.violations().empty() && computed == 20 * 318 && from_file != 0;

  // A tier that cannot be is an error with a sentence in it.
  try {
    std::get<1>(config.tiers).directory = "/no/such/folder";
    my_cache nowhere(device, config);
    right = false;
  } catch (const config_error& e) {
    std::printf("and elsewhere: %s\n", e.what());
  }
  std::puts(right ? "Every byte came back from the file as it went." : "FAILED: bytes were lost");
  return right ? 0 : 1;
}
