// Write policies: when committed tokens come down to a memory, and what that costs.
//
// Forty users come back again and again for a session of six clicks, ten tokens each, and after each session comes somebody
// who never comes back. The slab has room for a few of them, so everybody is evicted between two sessions. What was not written
// down by then is written at the eviction, or is lost. Virtual time over a modelled link, without data: the same figures on every
// machine.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/counters.hpp>

#include <cstdio>

using namespace kvstrata;
using D = emulated_device;

// Ours: a page that fills slowly would travel at every commit. It goes down at the fourth commit since something did; what has
// not gone by then goes when it is evicted.
struct every_fourth_commit
{
  using option_kind = write_policy_option;
  static constexpr token_count flushed_end(const write_facts& facts) noexcept
  {
    return facts.commits >= 4 ? facts.tokens : facts.here.end;
  }
  static constexpr bool writes_back(const write_facts&) noexcept { return true; }
};
static_assert(write_policy<every_fourth_commit>);

constexpr geometry kv_shape{.layers = 4, .kv_heads = 2, .head_dim = 64, .element = element_type::bf16};
constexpr std::size_t page = page_bytes(kv_shape, 32);

template <class Writes>
counters::snapshot serve(const char* name)
{
  using cache_type = cache<tier_stack<device_slab<D, evict_whole>, pinned_arena<Writes>>, hybrid_layout,
                           layerwise_transfer<batched_copy<>>, lru, counters>;
  D device({.time = time_mode::virtual_time, .to_device = {10e9, 8e-6}, .from_device = {10e9, 8e-6}, .data = false});
  const stream_id compute = device.create_stream("compute");
  cache_type cache(device, {.shape = kv_shape, .tiers = {{.bytes = 100 * page}, {.bytes = 2000 * page}}});
  const auto visit = [&](std::uint64_t user, token_count history) {
    const request batch[] = {{.user = user_id{user}, .history_tokens = history}};
    auto lease = cache.prepare(batch, compute).value();
    for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
      lease.wait(layer);
      device.launch(compute, {.label = "layer", .seconds = 50e-6}, [] {});
      lease.layer_done(layer);
    }
    lease.finish();
    device.wait_sync(device.record(compute));
  };
  for (token_count round = 0; round < 12; ++round) {
    for (std::uint64_t user = 0; user < 40; ++user) {
      for (token_count click = 1; click <= 6; ++click) visit(user, 320 + 60 * round + 10 * click);  // a session
      visit(1000 + 40 * round + user, 200);  // and somebody who is never seen again
    }
  }
  cache.drain_sync();
  const counters::snapshot seen = cache.tracker().read();
  std::printf("%-20s %12.1f %10llu %14llu %14llu\n", name, 1e-6 * static_cast<double>(seen.offload_bytes[1]),
              static_cast<unsigned long long>(seen.offload_copies),
              static_cast<unsigned long long>(seen.dropped_tokens[0]),
              static_cast<unsigned long long>(seen.computed_tokens));
  return seen;
}

int main()
{
  std::printf("%-20s %12s %10s %14s %14s\n", "", "MB down", "copies", "tokens lost", "computed");
  const auto tokens = serve<token_write_through>("token_write_through");
  const auto pages = serve<page_write_through>("page_write_through");
  const auto chunks = serve<chunk_write_through>("chunk_write_through");
  const auto back = serve<write_back>("write_back");
  const auto twice = serve<selective_write<2>>("selective_write<2>");
  const auto fourth = serve<every_fourth_commit>("every_fourth_commit");

  const bool right =
      back.offload_bytes[1] < fourth.offload_bytes[1] && fourth.offload_bytes[1] < tokens.offload_bytes[1] &&
      twice.offload_bytes[1] < pages.offload_bytes[1] &&  // who comes once is not written
      chunks.computed_tokens > tokens.computed_tokens &&  // the tail of a chunk is lost at every eviction
      tokens.computed_tokens == back.computed_tokens && back.computed_tokens == fourth.computed_tokens;
  std::puts(right ? "What is written later is written once; what is not written is computed again." : "FAILED");
  return right ? 0 : 1;
}
