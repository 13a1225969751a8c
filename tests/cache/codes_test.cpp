// A level that keeps a code of its pages: what comes back, what has no code, what a new table changes, what it is said to be.
#include "support/catch.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/cache/memory_for.hpp>
#include <kvstrata/codec/exp4.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <span>
#include <vector>

using namespace kvstrata;

namespace {

constexpr geometry shape{.layers = 2, .kv_heads = 2, .head_dim = 64, .element = element_type::bf16};
constexpr token_count page_tokens = 32;
constexpr std::size_t page = page_bytes(shape, page_tokens);

struct tiers : tier_stack<device_slab<emulated_device>, pinned_arena<token_write_through, codec::exp4>>
{
};
using coded_cache = cache<tiers, hybrid_layout, layerwise_transfer<batched_copy<>>, lru>;

/// K and V as SiLU leaves them; `spread` widens them, so that a table that was counted on others fits badly.
std::uint16_t some_value(std::mt19937_64& random, double spread)
{
  const double x = std::normal_distribution<double>(0, spread)(random);
  const auto y = static_cast<float>(x / (1 + std::exp(-x)));
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(y) >> 16U);
}

/// What a model writes: K of layer l, token t, element i; and what the next row holds in its stead.
using model_rows = std::function<std::uint16_t(layer_index, token_count, std::uint32_t)>;

struct bed
{
  explicit bed(const coded_cache::config& c) : cache(device, c) {}
  bed() : bed(usual()) {}

  static coded_cache::config usual()
  {
    return {.shape = shape,
            .tiers = {{.bytes = 8 * page}, {.bytes = 40 * page, .raw_share = 0.25}},
            .layout = {.page_tokens = page_tokens, .chunk = 4 * page_tokens}};
  }

  /// Serves the user at once. All that is computed is written by `write`; all rows of the request are returned.
  std::vector<std::uint16_t> serve(std::uint64_t user, token_count tokens, const model_rows& write)
  {
    const request r{.user = user_id{user}, .history_tokens = tokens, .epoch = cache.epoch()};
    auto got = cache.prepare({&r, 1}, compute);
    REQUIRE(got);
    auto& lease = got.value();
    const page_table_view view = lease.view();
    sources = lease.sources(0);
    std::vector<std::uint16_t> out;
    constexpr std::uint32_t width = shape.kv_heads * shape.head_dim;
    for (layer_index l = 0; l < shape.layers; ++l) {
      lease.wait_sync(l);
      for (const token_interval part : lease.compute(0)) {
        for (token_count t = part.begin; t < part.end; ++t) {
          for (std::uint32_t i = 0; i < 2 * width; ++i) {
            const std::uint16_t value = write(l, t, i);
            std::memcpy(view.key(l, 0, t) + (i < width ? 0 : view.value_offset()) + std::size_t{2} * (i % width),
                        &value, 2);
          }
        }
      }
      lease.layer_done(l);
      for (token_count t = 0; t < tokens; ++t) {
        for (std::uint32_t i = 0; i < 2 * width; ++i) {
          std::uint16_t value = 0;
          std::memcpy(&value, view.key(l, 0, t) + (i < width ? 0 : view.value_offset()) + std::size_t{2} * (i % width),
                      2);
          out.push_back(value);
        }
      }
    }
    lease.commit();
    lease.release();
    cache.drain_sync();
    return out;
  }
  /// Others take the slab.
  void evict(const model_rows& write)
  {
    for (std::uint64_t user = 100; user < 104; ++user) static_cast<void>(serve(user, 2 * page_tokens, write));
  }

  emulated_device device{{.time = time_mode::virtual_time}};
  coded_cache cache;
  stream_id compute = device.create_stream("compute");
  token_sources sources{};
};

model_rows silu_of(double spread, unsigned seed)
{
  return [spread, random = std::mt19937_64(seed)](layer_index, token_count, std::uint32_t) mutable {
    return some_value(random, spread);
  };
}

}  // namespace

TEST_CASE("a level that keeps a code has room for more pages, and gives back what it got", "[cache][codec]")
{
  bed b;
  const cache_stats empty = b.cache.stats();
  CHECK(empty.levels[1].capacity_bytes <= 30 * page);  // raw frames have the rest
  CHECK(empty.levels[1].raw_capacity_bytes == 10 * page);
  CHECK(empty.levels[1].raw_bytes == 0);

  const model_rows write = silu_of(1, 1);
  const auto wrote = b.serve(1, 5 * page_tokens, write);
  b.evict(write);
  const std::uint64_t before = b.device.stats().to_device.bytes;
  const auto read = b.serve(1, 5 * page_tokens, write);
  CHECK(b.sources.from[1] >= page_tokens);
  CHECK(b.sources.computed == 0);
  CHECK(read == wrote);
  const std::uint64_t moved = b.device.stats().to_device.bytes - before;
  CHECK(moved * 132 <= b.sources.from[1] / page_tokens * page * 100);
  CHECK(b.cache.stats().levels[1].raw_bytes == 0);  // all of it had a code
}

TEST_CASE("what has no code is kept as it is, and counted", "[cache][codec]")
{
  bed b;
  std::mt19937_64 random(7);
  const model_rows noise = [&random](layer_index, token_count, std::uint32_t) {
    return static_cast<std::uint16_t>(random());
  };
  const auto wrote = b.serve(1, 3 * page_tokens + 5, noise);  // and a page that is filled in part
  b.evict(silu_of(1, 2));
  CHECK(b.cache.stats().levels[1].raw_bytes == 4 * page);
  CHECK(b.cache.stats().levels[1].raw_pages == 4);
  CHECK(b.serve(1, 3 * page_tokens + 5, noise) == wrote);
  CHECK(b.sources.computed == 0);
  REQUIRE(b.cache.erase(user_id{1}));
  b.cache.drain_sync();
  CHECK(b.cache.stats().levels[1].raw_bytes == 0);
}

TEST_CASE("pages for which there is no raw frame stay where they are", "[cache][codec]")
{
  coded_cache::config c = bed::usual();
  std::get<1>(c.tiers).raw_share = 0.05;  // two of them
  bed b(c);
  std::mt19937_64 random(7);
  const model_rows noise = [&random](layer_index, token_count, std::uint32_t) {
    return static_cast<std::uint16_t>(random());
  };
  const auto wrote = b.serve(1, 5 * page_tokens, noise);
  CHECK(b.cache.stats().levels[1].resident_tokens == 2 * page_tokens);
  CHECK(b.cache.stats().dirty_tokens == 3 * page_tokens);
  CHECK(b.serve(1, 5 * page_tokens, noise) == wrote);
}

TEST_CASE("pages that found no raw frame come down when some are free again, whoever calls", "[cache][codec]")
{
  coded_cache::config c = bed::usual();
  std::get<1>(c.tiers).raw_share = 0.05;  // two of them
  bed b(c);
  const model_rows small = silu_of(1, 2);
  const auto wrote = b.serve(1, 5 * page_tokens, small);
  CHECK(b.cache.stats().levels[1].resident_tokens >= 2 * page_tokens);
  CHECK(b.cache.stats().levels[1].resident_tokens < 5 * page_tokens);  // at the release two more may have gone
  CHECK(b.cache.stats().waiting_writes == 1);
  for (int call = 0; call < 2; ++call) {
    b.cache.drain_sync();
    b.cache.poll();
  }
  CHECK(b.cache.stats().levels[1].resident_tokens == 5 * page_tokens);
  CHECK(b.cache.stats().dirty_tokens == 0);
  CHECK(b.cache.stats().waiting_writes == 0);
  b.cache.drain_sync();
  b.cache.poll();
  CHECK(b.cache.stats().levels[1].raw_bytes == 0);

  b.evict(small);
  CHECK(b.serve(1, 5 * page_tokens, small) == wrote);
  CHECK(b.sources.from[1] == 5 * page_tokens);
  CHECK(b.sources.computed == 0);
  // Who has gone does not wait any more.
  static_cast<void>(b.serve(2, 5 * page_tokens, small));
  CHECK(b.cache.stats().waiting_writes == 1);
  REQUIRE(b.cache.erase(user_id{2}));
  CHECK(b.cache.stats().waiting_writes == 0);
}

TEST_CASE("who waits for raw frames that others keep is passed over, and served all the same", "[cache][codec]")
{
  coded_cache::config c = bed::usual();
  std::get<1>(c.tiers).raw_share = 0.05;  // two of them
  bed b(c);
  std::mt19937_64 random(7);
  const model_rows noise = [&random](layer_index, token_count, std::uint32_t) {
    return static_cast<std::uint16_t>(random());
  };
  const auto first = b.serve(1, 2 * page_tokens, noise);  // both are kept
  const auto second = b.serve(2, 2 * page_tokens, noise);
  for (int i = 0; i < 3; ++i) b.cache.poll();
  CHECK(b.cache.stats().waiting_writes == 1);
  CHECK(b.cache.stats().dirty_tokens == 2 * page_tokens);
  CHECK(b.serve(2, 2 * page_tokens, noise) == second);
  CHECK(b.sources.computed == 0);
  REQUIRE(b.cache.erase(user_id{1}));
  b.cache.poll();
  CHECK(b.cache.stats().waiting_writes == 0);
  CHECK(b.cache.stats().dirty_tokens == 0);
  b.cache.drain_sync();
  b.cache.poll();
  CHECK(b.cache.stats().levels[1].raw_bytes == 2 * page);
}

TEST_CASE("a table that was counted on other weights costs raw frames, and a new one gives them back", "[cache][codec]")
{
  bed b;
  const model_rows small = silu_of(1, 3);
  const model_rows large = silu_of(3e5, 4);
  static_cast<void>(b.serve(1, 4 * page_tokens, large));
  CHECK(b.cache.stats().levels[1].raw_bytes != 0);
  b.evict(small);
  const auto before = b.serve(1, 4 * page_tokens, large);

  codec::exponent_counts counts;
  std::vector<std::uint16_t> values;
  for (int i = 0; i < 20'000; ++i) values.push_back(large(0, 0, 0));
  counts.count(std::as_bytes(std::span(values)), element_type::bf16);
  b.cache.recode<1>({.table = counts.table()});
  CHECK(b.serve(1, 4 * page_tokens, large) == before);  // codes that are there stay what they were
  const std::uint64_t raw = b.cache.stats().levels[1].raw_bytes;
  static_cast<void>(b.serve(2, 3 * page_tokens, large));
  CHECK(b.cache.stats().levels[1].raw_bytes == raw);
}

TEST_CASE("a configuration by which what is there could not be read is refused, and changes nothing", "[cache][codec]")
{
  bed b;
  const model_rows write = silu_of(1, 3);
  const auto before = b.serve(1, 4 * page_tokens, write);
  b.evict(write);
  for (const double share : {0.0, 0.1}) {  // shorter codes than the level has frames for, and longer ones
    CHECK_THROWS_WITH(
        b.cache.recode<1>({.escape_share = share}),
        "codec is exp4, but pages that are encoded as the level was told before could not be read any more");
  }
  CHECK(b.serve(1, 4 * page_tokens, write) == before);
  CHECK(b.sources.computed == 0);
}

TEST_CASE("bad codecs are refused in a sentence", "[cache][codec]")
{
  emulated_device device;
  coded_cache::config c = bed::usual();
  c.shape.element = element_type::f16;
  CHECK_THROWS_AS(coded_cache(device, c), config_error);
  c = bed::usual();
  for (const double share : {0.0, 1.0, -1.0, std::nan("")}) {
    std::get<1>(c.tiers).raw_share = share;
    CHECK_THROWS_AS(coded_cache(device, c), config_error);
  }
  c = bed::usual();
  c.shape = {.layers = 1, .kv_heads = 1, .head_dim = 1, .element = element_type::bf16};
  c.layout = {.page_tokens = 1, .chunk = 4};
  CHECK_THROWS_AS(coded_cache(device, c), config_error);
}

TEST_CASE("how large a level that keeps codes must be is found, and the inverse", "[cache][codec]")
{
  const history_count users[] = {{.tokens = 5 * page_tokens, .users = 10}};
  coded_cache::config c = bed::usual();
  const cache_need need = memory_for<coded_cache>(c, users);
  CHECK(need.levels[1].frames == 50);
  std::get<1>(c.tiers).bytes = need.levels[1].bytes;
  emulated_device device;
  coded_cache cache(device, c);
  using recipe = pinned_arena<token_write_through, codec::exp4>;
  const std::size_t frame = page_bytes(stored_shape<recipe>(std::get<1>(c.tiers), shape, page_tokens), page_tokens);
  CHECK(cache.stats().levels[1].capacity_bytes / frame >= 50);
  CHECK(cache.stats().levels[1].capacity_bytes / frame <= 51);
  CHECK(users_for<coded_cache, 1>(need.levels[1].bytes, c, users) == 10);
  CHECK(users_for<coded_cache, 1>(need.levels[1].bytes - page, c, users) == 9);
}
