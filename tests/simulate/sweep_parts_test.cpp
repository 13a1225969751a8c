#include "support/catch.hpp"

#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/simulate/policy_menu.hpp>
#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/readers/memory_source.hpp>
#include <kvstrata/simulate/sweep.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

using namespace kvstrata;

namespace {

/// Requests of 1 to 9 blocks, some asked for by many.
std::vector<trace_access> make_requests(std::size_t count)
{
  random_source random(3);
  std::vector<trace_access> out;
  while (out.size() < count) {
    const std::uint32_t blocks = 1 + random.below(9);
    for (std::uint32_t part = 0; part < blocks; ++part) {
      const double skewed = random.uniform() * random.uniform();
      out.push_back({.key = static_cast<std::uint64_t>(skewed * 300), .part = part});
    }
  }
  return out;
}

/// The oracle: LRU as a list, whole requests at a time.
std::uint64_t unusable_of(std::span<const trace_access> accesses, std::size_t capacity, std::size_t warmup)
{
  std::list<std::uint64_t> recent;
  std::uint64_t unusable = 0;
  bool broken = false;
  for (std::size_t k = 0; k < accesses.size(); ++k) {
    if (accesses[k].part == 0) broken = false;
    bool hit = false;
    for (auto at = recent.begin(); at != recent.end(); ++at) {
      if (*at != accesses[k].key) continue;
      recent.erase(at);
      hit = true;
      break;
    }
    recent.push_front(accesses[k].key);
    if (recent.size() > capacity) recent.pop_back();
    if (hit && broken && k >= warmup) ++unusable;
    if (!hit) broken = true;
  }
  return unusable;
}

}  // namespace

TEST_CASE("a hit on a part is of use with all parts before it only, whatever the chunks", "[sweep]")
{
  const std::vector<trace_access> accesses = make_requests(5000);
  for (const std::size_t capacity : {5U, 40U, 200U}) {
    for (const std::uint64_t warmup : {0U, 1001U}) {
      const std::uint64_t expected = unusable_of(accesses, capacity, warmup);
      for (const std::size_t chunk : {1U, 3U, 64U, 100'000U}) {
        CAPTURE(capacity, warmup, chunk);
        std::vector<std::unique_ptr<sweep_instance>> caches;
        caches.push_back(make_sweep_instance<lru>({.bytes = capacity, .objects = capacity}, object_size::unit, {}));
        memory_source source(accesses);
        const sweep_account account =
            run_sweep(source, std::span(caches),
                      {.intervals = {.warmup_requests = warmup}, .threads = 1, .chunk_accesses = chunk});
        const sweep_misses& missed = caches.front()->misses();
        CHECK(missed.unusable == expected);
        CHECK(missed.unusable != 0);
        const miss_ratios ratios(missed, account.counted);
        CHECK(ratios.usable ==
              Approx(static_cast<double>(missed.requests + expected) / static_cast<double>(account.counted.requests)));
      }
    }
  }
}
