// What the split decision is worth: one request whose whole history lies in the arena, in virtual time, fetched,
// computed anew, or computed in front while the rear travels. What a batch of other requests would hide is left out.
#include "support/lone_hit.hpp"

#include <cstdio>

namespace {

using namespace kvstrata;

template <class Split>
using cache_with = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, hybrid_layout,
                         layerwise_transfer<coalesced_copy, Split>, lru>;

/// The lengths from which fetching wins are about 1.2k, 9k, 10k and 18k tokens.
constexpr const char* machines[] = {"l20_pcie4.machine", "a100_pcie4.machine", "h200_pcie5.machine", "b200.machine"};

}  // namespace

int main()
{
  std::printf(
      "MTServe's shape: 8 layers, hidden 1,024, 4 heads x 128, bf16, 512 candidates; pages of 32 tokens.\n"
      "Milliseconds from prepare until the model is done; virtual time.\n\n");
  for (const char* file : machines) {
    const machine_description m = bench::shipped_machine(file);
    const machine figures = figures_of(m);
    const cost_model cost = cost_of(m);
    std::printf("%s: %.0f TFLOP/s, %.0f GB/s; fetching wins from %.0f tokens on\n", m.name.c_str(),
                figures.flops_per_second / 1e12, figures.link_bytes_per_second / 1e9, cost.break_even_tokens());
    std::printf("  %8s %9s %9s %9s %14s %14s %14s\n", "tokens", "fetch", "compute", "split", "of it computed",
                "fetch / split", "better / split");
    for (const token_count history : {4'000U, 10'000U, 20'000U, 40'000U}) {
      const auto fetched = bench::serve_lone_hit<cache_with<always_fetch>>(figures, m.model, history, [](auto&) {});
      const token_interval all[] = {{0, history}};
      const double computed = m.model.kv.layers * layer_seconds(cost, m.model.candidates, all, history);
      const auto split = bench::serve_lone_hit<cache_with<split_by_cost>>(
          figures, m.model, history, [&](auto& c) { c.split = {.cost = cost, .candidates = m.model.candidates}; });
      std::printf("  %8u %9.3f %9.3f %9.3f %12.1f %% %12.2f x %12.2f x\n", history, 1e3 * fetched.seconds,
                  1e3 * computed, 1e3 * split.seconds, 100.0 * split.computed / history,
                  fetched.seconds / split.seconds,
                  (fetched.seconds < computed ? fetched.seconds : computed) / split.seconds);
    }
    std::printf("\n");
  }
}
