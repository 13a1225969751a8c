// Orders that were missing once, each in the smallest story that shows it. The ordering checker is the oracle.
#include "support/catch.hpp"

#include <kvstrata/kvstrata.hpp>

#include <new>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;

/// A device whose next single copy fails for want of memory, once.
struct flaky_device : emulated_device
{
  using emulated_device::emulated_device;
  void copy(stream_id stream, copy_direction direction, std::byte* dst, const std::byte* src, std::size_t bytes)
  {
    if (std::exchange(armed, false)) throw std::bad_alloc();
    emulated_device::copy(stream, direction, dst, src, bytes);
  }
  bool armed = false;
};

constexpr geometry shape{.layers = 2, .kv_heads = 1, .head_dim = 8};
constexpr token_count page_tokens = 16;
constexpr std::size_t page = page_bytes(shape, page_tokens);

emulated_device_config jittery(std::uint64_t seed)
{
  return {.time = time_mode::virtual_time,
          .to_device = {.bytes_per_second = 1e9},
          .from_device = {.bytes_per_second = 1e9},
          .seed = seed,
          .jitter_seconds = 1e-5,
          .check_ordering = true};
}

/// One lease from prepare to release. In each layer the model writes the new pages before it waits for the layer, as
/// it may where nothing that is served lies beside them, and reads all pages behind it.
template <class Cache>
void serve(Cache& cache, std::uint64_t user, token_count history, stream_id stream, double seconds)
{
  auto& device = cache.device();
  const request r{.user = user_id{user}, .history_tokens = history};
  auto lease = cache.prepare({&r, 1}, stream).value();
  const page_table_view view = lease.view();
  const auto piece = [&](layer_index layer, std::size_t index) {
    return emulated_device::memory_range{view.page(layer, view.page_ids[index]), page_layer_bytes(shape, page_tokens)};
  };
  for (layer_index layer = 0; layer < shape.layers; ++layer) {
    std::vector<emulated_device::memory_range> writes, reads;
    for (const token_interval tokens : lease.compute(0)) {
      for (token_count p = (tokens.begin + page_tokens - 1) / page_tokens; p * page_tokens < tokens.end; ++p) {
        writes.push_back(piece(layer, p));
      }
    }
    if (!writes.empty()) {
      device.launch(stream, {.label = "project", .seconds = 1e-6, .writes = writes}, [] {});
    }
    lease.wait(layer);
    for (std::size_t p = 0; p < view.page_ids.size(); ++p) reads.push_back(piece(layer, p));
    device.launch(stream, {.label = "attend", .seconds = seconds, .reads = reads}, [] {});
    lease.layer_done(layer);
  }
  lease.commit();
  lease.release();
}

}  // namespace

TEST_CASE("a prefetch into a range stands for the range's earlier users, too", "[cache][ordering]")
{
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    emulated_device device(jittery(seed));
    cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, contiguous_layout, layerwise_transfer<>, lru> c(
        device, {.shape = shape,
                 .tiers = {{.bytes = 8 * page}, {.bytes = 32 * page}},
                 .layout = {.page_tokens = page_tokens, .longest = 128}});
    const stream_id one = device.create_stream("one");
    const stream_id two = device.create_stream("two");
    serve(c, 1, 64, one, 1e-6);
    c.drain_sync();
    serve(c, 2, 96, one, 1.0);  // has the only range, and reads it for long
    REQUIRE(c.prefetch({.user = user_id{1}, .history_tokens = 64}).value().tokens == 64);
    serve(c, 1, 96, two, 1e-6);  // computes two pages of the range that the prefetch took
    c.drain_sync();
    REQUIRE(device.violations().empty());
  }
}

TEST_CASE("window pages of a lease that was not opened keep their earlier users", "[cache][ordering][window]")
{
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    flaky_device device(jittery(seed));
    cache<tier_stack<device_slab<flaky_device>, pinned_arena<token_write_through>>, hybrid_layout,
          layerwise_transfer<window_copy<>>, lru>
        c(device, {.shape = shape,
                   .tiers = {{.bytes = 6 * page, .window_bytes = 2 * page}, {.bytes = 32 * page}},
                   .layout = {.page_tokens = page_tokens, .chunk = 64}});
    const stream_id one = device.create_stream("one");
    const stream_id two = device.create_stream("two");
    for (const std::uint64_t user : {1U, 2U, 3U, 5U, 6U}) serve(c, user, 40, one, 1e-6);
    c.drain_sync();
    serve(c, 1, 40, one, 1.0);  // reads the window for long
    device.armed = true;
    const request r{.user = user_id{2}, .history_tokens = 40};
    REQUIRE_THROWS_AS(c.prepare({&r, 1}, two), std::bad_alloc);
    serve(c, 3, 40, two, 1e-6);  // lands in the same window pages
    c.drain_sync();
    REQUIRE(device.violations().empty());
  }
}

TEST_CASE("a page that no staging slot can hold is refused when the cache is built", "[cache][errors]")
{
  emulated_device device({.time = time_mode::virtual_time});
  using too_small = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, hybrid_layout,
                          layerwise_transfer<offload_by<staged_copy<256, 2>>>, lru>;
  REQUIRE_THROWS_WITH((too_small(device, {.shape = shape, .tiers = {{.bytes = 64 * page}, {.bytes = 64 * page}}})),
                      "staged_copy's SlotBytes is 256, but a page of one layer, which is never split, is 1024 bytes");
  REQUIRE(device.device_bytes_used() == 0);
}
