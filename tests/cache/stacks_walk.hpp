// The walks that a stack of three or four memories takes.
#pragma once

#include "cache/stacks.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <random>

namespace kvstrata_test {

/// What became of a walk's tokens, level by level, and of those of other walks.
struct traffic
{
  kvstrata::by_level<std::uint64_t> served{}, came_down{}, came_up{}, evicted{};
  std::uint64_t between = 0;  ///< bytes from one memory to another
  std::uint64_t dropped = 0;
  std::uint64_t inexact = 0;  ///< tokens that exact requests made useless

  void add(const kvstrata::counters::snapshot& c, const kvstrata::device_counters& device)
  {
    inexact += c.inexact_tokens;
    for (kvstrata::level_index i = 0; i < kvstrata::most_levels; ++i) {
      served[i] += c.served_tokens[i];
      came_down[i] += c.offload_bytes[i];
      came_up[i] += c.onload_bytes[i];
      evicted[i] += c.evicted_tokens[i];
      dropped += c.dropped_tokens[i];
    }
    between += device.on_host.bytes;
  }
};

/// On each edge each write policy, beside others on the other edges; what is left to chance is drawn from the seed.
inline void walk_stack(const policy_point& where, std::uint64_t first_seed)
{
  constexpr unsigned policies = static_cast<unsigned>(writing::count);
  constexpr sizes some[] = {{},
                            {.device = 18, .lower = 12, .third = 24, .fourth = 18},
                            {.device = 24, .lower = 6, .third = 6, .fourth = 90},
                            {.device = 12, .lower = 60, .third = 6, .fourth = 6}};
  std::uint64_t seed = first_seed;
  traffic all;
  parts_met of_parts;
  const auto walk_once = [&](const kvstrata::emulated_device_config& config, const walk& how, const sizes& s) {
    kvstrata::emulated_device device(config);
    const auto cache = where.make(device, s);
    random_walk(*cache, device, where.about(s), how);
    all.add(cache->counted(), device.stats());
  };
  for (unsigned round = 0; round < effort; ++round) {
    for (unsigned first = 0; first < policies; ++first, ++seed) {
      std::mt19937_64 random(seed);
      for (kvstrata::level_index i = 0; i < kvstrata::most_levels; ++i) {
        ways_now[i] = {static_cast<writing>((first + i * (1 + round % policies)) % policies), random() % 3 == 0};
      }
      const sizes& s = some[random() % std::size(some)];
      const walk how{.seed = seed,
                     .steps = 120 + 40 * effort,
                     .longest = std::min(64U, s.device * tiny_page),
                     .leases = 1 + seed % 3,
                     .look_every = seed % 2 == 0 ? 1 : 17};
      walk_once(adversary(seed), how, s);
      {
        kvstrata::emulated_device device(adversary(seed));
        const auto cache = where.make(device, s);
        of_parts.add(parts_walk(*cache, device, where.about(s), how));
      }
      if (first != 0) continue;
      walk_once(real_adversary(), {.seed = seed, .steps = 20 * effort, .look_every = 4}, {});
      copying_walk_point(where, adversary(seed), {.seed = seed, .steps = 20 * effort, .look_every = 4});
    }
  }
  ways_now = {};
  for (kvstrata::level_index i = 0; i < where.about({}).levels; ++i) {  // or the walks show nothing
    CAPTURE(i);
    CHECK(all.served[i] != 0);
    CHECK(all.evicted[i] != 0);
    if (i == 0) continue;
    CHECK(all.came_down[i] != 0);
    CHECK(all.came_up[i] != 0);
  }
  CHECK(all.between != 0);
  CHECK(all.dropped != 0);
  const bool lossy = where.about({}).lossy;
  CHECK((all.inexact != 0) == lossy);
  CHECK((of_parts.inexact_shared != 0) == lossy);
  CHECK((of_parts.tainted_rows != 0) == lossy);
  if (lossy) return;  // what is rarer is met in walks of parts alone, however short these are
  CHECK(of_parts.refused_tainted == 0);
  CHECK(of_parts.made_exact == 0);
}

}  // namespace kvstrata_test
