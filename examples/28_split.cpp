// The split decision: what is computed again although a memory has it, because it is there sooner.
//
// One request, whose whole history lies in the arena, on a machine that is described by three figures. Fetching costs the link, computing
// costs the model, and the two run side by side; the front of a history is cheap to compute. Virtual time, without data: the same
// figures on every machine.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <algorithm>
#include <cstdio>
#include <span>

using namespace kvstrata;

constexpr geometry kv_shape{.layers = 8, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16};
constexpr std::size_t page = page_bytes(kv_shape, 32);

// What the machine reaches, not what its data sheet promises. transfer/calibrate.hpp measures it.
constexpr machine gpu{.flops_per_second = 400e12, .link_bytes_per_second = 50e9, .link_latency_seconds = 10e-6};

// Ours: the first half of what would be fetched is computed, whatever it costs.
struct first_half
{
  using option_kind = split_policy_option;

  void recompute_until(const split_batch& batch, std::span<token_count> until) const
  {
    for (std::size_t i = 0; i < until.size(); ++i) {
      const token_interval front = batch.users[i].front;
      if (front.empty()) continue;
      const token_count middle = front.begin + front.size() / 2;
      until[i] = (std::max)(front.begin, middle / batch.page_tokens * batch.page_tokens);
    }
  }
};
static_assert(split_policy<first_half>);

struct outcome
{
  double seconds = 0;
  token_count computed = 0;
};

template <class Split>
outcome serve(const Split& split, token_count history)
{
  using cache_type = cache<tier_stack<device_slab<emulated_device, evict_whole>, pinned_arena<token_write_through>>,
                           hybrid_layout, layerwise_transfer<batched_copy<>, Split>, lru>;
  const cost_model cost = cost_model::of(gpu, 1024, kv_shape);
  const link_model link{gpu.link_bytes_per_second, gpu.link_latency_seconds};
  emulated_device device({.time = time_mode::virtual_time, .to_device = link, .from_device = link, .data = false});
  const stream_id compute = device.create_stream("compute");
  const page_count pages = history / 32 + 2;
  cache_type cache(
      device, {.shape = kv_shape, .tiers = {{.bytes = pages * page}, {.bytes = 3 * pages * page}}, .split = split});
  const auto visit = [&](std::uint64_t user, token_count tokens) {
    const request batch[] = {{.user = user_id{user}, .history_tokens = tokens}};
    auto lease = cache.prepare(batch, compute).value();
    const token_interval front = lease.front(0);
    for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
      // The front attends to nothing that is on its way: it runs before the layer has arrived.
      device.launch(compute, {.label = "front", .seconds = cost.compute_seconds(front)}, [] {});
      lease.wait(layer);
      const double all = cost.compute_seconds(lease.compute(0));
      device.launch(compute, {.label = "rest", .seconds = all - cost.compute_seconds(front)}, [] {});
      lease.layer_done(layer);
    }
    const token_count computed = lease.sources(0).computed;
    lease.finish();
    device.wait_sync(device.record(compute));
    return computed;
  };
  visit(1, history);
  visit(2, history);  // needs the whole slab: user 1 is in the arena only
  cache.drain_sync();
  const double from = device.now();
  const token_count computed = visit(1, history + 16);
  return {device.now() - from, computed};
}

int main()
{
  const cost_model cost = cost_model::of(gpu, 1024, kv_shape);
  std::printf("Fetching beats computing from %.0f tokens on. Milliseconds, and tokens computed:\n",
              cost.break_even_tokens());
  std::printf("%8s %18s %18s %18s %18s\n", "tokens", "always_fetch", "fetch_or_recompute", "split_by_cost",
              "first_half");
  bool right = true;
  for (const token_count history : {1600U, 4000U, 10'000U, 20'000U}) {
    const outcome fetched = serve(always_fetch{}, history);
    const outcome either = serve(fetch_or_recompute{.cost = cost}, history);
    const outcome split = serve(split_by_cost{.cost = cost}, history);
    const outcome half = serve(first_half{}, history);
    std::printf("%8u", history);
    for (const outcome& o : {fetched, either, split, half}) std::printf(" %9.3f %8u", 1e3 * o.seconds, o.computed);
    std::printf("\n");
    const double least = (std::min)({fetched.seconds, either.seconds, half.seconds});
    right = right && split.seconds <= least * 1.001 && either.seconds <= fetched.seconds * 1.001;
  }
  std::puts(right ? "Nobody beats the cut at which both sides end together."
                  : "FAILED: the figures contradict each other");
  return right ? 0 : 1;
}
