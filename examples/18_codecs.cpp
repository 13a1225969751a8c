// Codecs: more users in the same memory, and more tokens over the same link.
//
// The same arena three times, of the same bytes: pages as they are, with exp4, which loses nothing, and with int8, which does.
// Each serves the same users; then what the arena holds, what crossed the link, and what came back. At last a request that wants
// exact bytes from a cache whose arena is lossy.
#include <kvstrata/cache.hpp>
#include <kvstrata/codec/exp4.hpp>
#include <kvstrata/codec/int8.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>

using namespace kvstrata;
using D = emulated_device;

constexpr geometry kv_shape{.layers = 4, .kv_heads = 2, .head_dim = 64, .element = element_type::bf16};
constexpr token_count page_tokens = 32, history = 4 * page_tokens;
constexpr std::size_t page = page_bytes(kv_shape, page_tokens);
constexpr std::uint64_t users = 40;

// A codec is an option of the tier that keeps it.
template <class... Options>
using cache_of = cache<tier_stack<device_slab<D>, pinned_arena<token_write_through, Options...>>, paged_layout,
                       layerwise_transfer<batched_copy<>>, lru>;
using plain_cache = cache_of<>;
using exact_cache = cache_of<codec::exp4>;
using lossy_cache = cache_of<codec::int8>;

// What a SiLU leaves of a bell curve, in bf16; made up from where it stands.
std::uint16_t value_of(user_id user, layer_index layer, token_count token, std::uint32_t element)
{
  std::uint64_t x = (to_number(user) * 64 + layer) * 65536 + token * 256U + element;
  double sum = 0;  // of uniform numbers
  for (int i = 0; i < 12; ++i) {
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U + 0x9e3779b97f4a7c15U;
    sum += static_cast<double>(x >> 11U) * 0x1p-53;
  }
  const double z = sum - 6;
  const auto y = static_cast<float>(z / (1 + std::exp(-z)));
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(y) >> 16U);
}

struct served
{
  token_count from_slab = 0, from_arena = 0, computed = 0;
  double worst = 0;  ///< how far a served value is from what was computed
  token_count inexact_from = 0;
};

// One user's request, at once: what the cache has is compared, the rest is written.
template <class Cache>
served serve(stream_id compute, Cache& cache, user_id user, bool exact = false)
{
  const request r{.user = user, .history_tokens = history, .exact = exact};
  auto lease = cache.prepare({&r, 1}, compute).value();
  const page_table_view view = lease.view();
  const token_sources sources = lease.sources(0);
  served out{.from_slab = sources.from[0], .from_arena = sources.from[1], .computed = sources.computed};
  out.inexact_from = lease.plan().requests[0].inexact_from;
  constexpr std::uint32_t width = kv_shape.kv_heads * kv_shape.head_dim;
  for (layer_index l = 0; l < kv_shape.layers; ++l) {
    lease.wait_sync(l);  // here, because the host is the model
    for (token_count t = 0; t < history; ++t) {
      bool writes = false;
      for (const token_interval part : lease.compute(0)) writes = writes || part.contains(t);
      for (std::uint32_t i = 0; i < 2 * width; ++i) {
        std::byte* const at = view.key(l, 0, t) + (i < width ? 0 : view.value_offset()) + std::size_t{2} * (i % width);
        const std::uint16_t right = value_of(user, l, t, i);
        std::uint16_t there = right;
        if (writes) std::memcpy(at, &right, 2);
        else std::memcpy(&there, at, 2);
        const auto as_float = [](std::uint16_t v) { return std::bit_cast<float>(std::uint32_t{v} << 16U); };
        out.worst = std::fmax(out.worst, std::fabs(as_float(there) - as_float(right)));
      }
    }
    lease.layer_done(l);
  }
  lease.commit();
  lease.release();
  cache.drain_sync();
  return out;
}

// Everybody twice. Returns the worst error of what was served.
template <class Cache>
double show(std::string_view name)
{
  D device({.time = time_mode::virtual_time});
  const stream_id compute = device.create_stream("compute");
  Cache cache(device, {.shape = kv_shape,
                       .tiers = {{.bytes = 8 * page}, {.bytes = 100 * page}},
                       .layout = {.page_tokens = page_tokens}});
  served all;
  for (int round = 0; round < 2; ++round) {
    for (std::uint64_t u = users; u-- > 0;) {  // those who came last come first: the arena has them
      const served one = serve(compute, cache, user_id{round == 0 ? users - 1 - u : u});
      if (round == 0) continue;
      all.from_slab += one.from_slab;
      all.from_arena += one.from_arena;
      all.computed += one.computed;
      all.worst = std::fmax(all.worst, one.worst);
    }
  }
  const cache_stats s = cache.stats();
  std::printf("%-9s the arena holds %4llu users, %5.1f MB came up for %5llu tokens, %5llu computed again; error %.4f\n",
              name.data(), static_cast<unsigned long long>(s.levels[1].resident_tokens / history),
              static_cast<double>(device.stats().to_device.bytes) / 1e6,
              static_cast<unsigned long long>(all.from_arena), static_cast<unsigned long long>(all.computed),
              all.worst);
  return all.worst;
}

int main()
{
  const double plain = show<plain_cache>("plain");
  const double exact = show<exact_cache>("exp4");
  const double lossy = show<lossy_cache>("int8");
  bool right = plain == 0 && exact == 0 && lossy > 0 && lossy < 0.05;

  // A request may want exact bytes. What came through the lossy arena is forgotten then, and computed anew.
  D device({.time = time_mode::virtual_time});
  const stream_id compute = device.create_stream("compute");
  lossy_cache cache(device, {.shape = kv_shape,
                             .tiers = {{.bytes = 8 * page}, {.bytes = 100 * page}},
                             .layout = {.page_tokens = page_tokens}});
  const user_id user{1};
  for (const unsigned u : {1U, 2U, 3U}) static_cast<void>(serve(compute, cache, user_id{u}));
  const served usual = serve(compute, cache, user);
  const served anew = serve(compute, cache, user, true);
  const served again = serve(compute, cache, user, true);
  std::printf("usual     %u tokens from the arena, inexact from token %u on\n", usual.from_arena, usual.inexact_from);
  std::printf("exact     %u tokens computed; the next such request finds %u in the slab\n", anew.computed,
              again.from_slab);
  right = right && usual.from_arena == history && usual.inexact_from == 0 && anew.computed == history &&
          anew.worst == 0 && again.from_slab == history && again.worst == 0;
  return right ? 0 : 1;
}
