// Orders that were missing once, each in the smallest story that shows it. The ordering checker is the oracle.
#include "support/catch.hpp"

#include <kvstrata/codec/exp4.hpp>
#include <kvstrata/kvstrata.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
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
/// it may where nothing that is served lies beside them, and reads all pages behind it. Each element becomes `value`, a bf16.
/// Returns the pages.
template <class Cache>
std::vector<page_id> serve(Cache& cache, std::uint64_t user, token_count history, stream_id stream, double seconds,
                           std::uint16_t value = 0)
{
  auto& device = cache.device();
  const request r{.user = user_id{user}, .history_tokens = history};
  auto lease = cache.prepare({&r, 1}, stream).value();
  const page_table_view view = lease.view();
  constexpr std::size_t bytes = page_layer_bytes(shape, page_tokens);
  for (layer_index layer = 0; layer < shape.layers; ++layer) {
    std::vector<emulated_device::memory_range> writes, reads;
    std::vector<std::byte*> fresh;
    for (const token_interval tokens : lease.compute(0)) {
      for (token_count p = (tokens.begin + page_tokens - 1) / page_tokens; p * page_tokens < tokens.end; ++p) {
        fresh.push_back(view.page(layer, view.page_ids[p]));
        writes.push_back({fresh.back(), bytes});
      }
    }
    if (!fresh.empty()) {
      device.launch(stream, {.label = "project", .seconds = 1e-6, .writes = writes}, [fresh, value] {
        for (std::byte* at : fresh) {
          for (std::size_t i = 0; i < bytes; i += sizeof value) std::memcpy(at + i, &value, sizeof value);
        }
      });
    }
    lease.wait(layer);
    for (std::size_t p = 0; p < view.page_ids.size(); ++p) reads.push_back({view.page(layer, view.page_ids[p]), bytes});
    device.launch(stream, {.label = "attend", .seconds = seconds, .reads = reads}, [] {});
    lease.layer_done(layer);
  }
  std::vector<page_id> pages(view.page_ids.begin(), view.page_ids.end());
  lease.commit();
  lease.release();
  return pages;
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

TEST_CASE("a frame that got no raw one goes back with its earlier users", "[cache][ordering][codec]")
{
  constexpr std::uint16_t common = 0x3F00;  // 0.5
  constexpr std::uint16_t rare = 0x7149;    // 1e30 has no code: such pages keep their raw frames
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    emulated_device device(jittery(seed));
    cache<tier_stack<device_slab<emulated_device>, pinned_arena<token_write_through, codec::exp4>>, hybrid_layout,
          layerwise_transfer<>, lru>
        c(device, {.shape = shape,
                   .tiers = {{.bytes = 8 * page}, {.bytes = 5 * page, .raw_share = 0.45}},
                   .layout = {.page_tokens = page_tokens, .chunk = 64}});
    const auto arena = [&] { return c.stats().levels[1]; };
    REQUIRE(arena().raw_capacity_bytes == 2 * page);
    const stream_id one = device.create_stream("one");
    const stream_id two = device.create_stream("two");
    // All three frames and both raw ones are in use; the middle one is user 2's: whoever takes two in a row has it.
    for (const std::uint64_t user : {1U, 2U, 3U}) {
      serve(c, user, page_tokens, one, 1e-6, user == 2 ? common : rare);
      c.drain_sync();
    }
    REQUIRE(arena().resident_bytes == arena().capacity_bytes);
    REQUIRE(arena().raw_bytes == 2 * page);
    const request all{.user = user_id{4}, .history_tokens = 8 * page_tokens};
    REQUIRE(c.prepare({&all, 1}, one));  // takes the slab, and is not committed
    c.drain_sync();

    const auto fetched = serve(c, 2, page_tokens, one, 1.0);  // a copy reads the frame
    REQUIRE(c.erase(user_id{2}));
    serve(c, 5, page_tokens, two, 1e-6, common);  // takes it, and no raw one
    REQUIRE(arena().resident_tokens == 2 * page_tokens);
    REQUIRE(c.erase(user_id{1}));
    REQUIRE(c.erase(user_id{3}));
    const auto after = serve(c, 6, 2 * page_tokens, two, 1e-6, common);
    REQUIRE(std::find(after.begin(), after.end(), fetched[0]) == after.end());  // or that page would make it wait
    REQUIRE(arena().resident_tokens == 2 * page_tokens);
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
