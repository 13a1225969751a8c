// The admission policies as options of a cache's tiers: they are asked, and change what the control plane keeps.
#include <kvstrata/simulate/cache_simulator.hpp>

#include "skewed.hpp"
#include "support/catch.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/replacement/admission/lru_k_admission.hpp>
#include <kvstrata/replacement/admission/worth_writing.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/simulate/dataless_device.hpp>
#include <kvstrata/simulate/store_below_memory.hpp>
#include <kvstrata/simulate/traffic.hpp>

#include <cstdint>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::keys_of;
using kvstrata_test::skewed;

/// A slab of 40 users above an arena of 160 with a door, beside the plain levels: hits above and below, and who came
/// in.
template <class Door>
void compare(const std::vector<trace_access>& all, double within)
{
  using two = cache<tier_stack<device_slab<dataless_device>, pinned_arena<write_back, replaced_by<lru>, Door>>,
                    paged_layout, layerwise_transfer<>, lru, traffic>;
  dataless_device device;
  two cache(device, unit_sizes<two>(40, 160));
  cache_simulator sim(cache);
  store_below_memory<lru, Door> plain({.bytes = 40, .objects = 40}, {.bytes = 160, .objects = 160});
  for (const trace_access& one : all) {
    sim.add(request_of(one, 1));
    plain.request({.user = user_id{one.key}, .bytes = 1, .tokens = 1, .time_ms = one.time_ms});
  }
  const simulation_counts counts = sim.counts();
  const write_counts& expected = plain.counts();
  CHECK(counts.levels[0].requests == expected.hits_above);
  const auto close_to = [within](std::uint64_t is, std::uint64_t wanted) {
    CAPTURE(is, wanted);
    CHECK(static_cast<double>(is) >= static_cast<double>(wanted) * (1 - within));
    CHECK(static_cast<double>(is) <= static_cast<double>(wanted) * (1 + within));
  };
  close_to(counts.levels[1].requests, expected.hits_below);
  close_to(counts.offload_bytes, 2 * expected.written);  // a page is 2 bytes
}

}  // namespace

TEST_CASE("a door of a cache's tier keeps and writes what it does below a plain memory", "[simulate][simulator]")
{
  const std::vector<trace_access> all = keys_of(skewed(800, 12'000));
  compare<always>(all, 0);
  // A cache asks about who comes when they come, not when they leave the memory above.
  compare<lru_k_admission<2>>(all, 0.02);
  compare<lru_k_admission<3>>(all, 0.02);
  compare<worth_writing>(all, 0.03);
}
