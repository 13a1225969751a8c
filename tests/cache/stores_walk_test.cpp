// Long random sequences of requests over a store that is late, reorders, loses, forgets and does not know; with rewritten
// histories, volatile tails, erasures, epochs, restarts, a second process, and lanes that never answer; and provisional
// leases, of whose rows those that rest on a lost read are marked by the model. The oracle is what
// each row must say (stores_bed.hpp), and the accounts.
#include "cache/stores_random.hpp"
#include "support/effort.hpp"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

struct walked : store_figures
{
  unsigned kept = 0, lost = 0;  ///< provisional leases
};

template <class Cache>
walked walk_many(const memory_store_config& how, const store_sizes& sizes, std::uint64_t first_seed, bool dies = false)
{
  walked all;
  for (std::uint64_t seed = first_seed; seed < first_seed + 2 + 2 * effort; ++seed) {
    CAPTURE(seed);
    memory_store_config c = how;
    c.seed = seed;
    store_scene<Cache> s(c, sizes, seed);
    walk_over_store walk(s, {.seed = seed, .steps = 150 + 100 * static_cast<int>(effort), .dies = dies});
    walk.run();
    all += walk.total().stores[2];
    all.kept += walk.kept();
    all.lost += walk.lost();
    if (dies) s.store.close();
    s.cache->close();
    CHECK(s.store.under_way() == 0);
  }
  return all;
}

}  // namespace

TEST_CASE("random requests over a store that is late and loses", "[cache][random]")
{
  const walked all = walk_many<back_cache>(
      {.lanes = 3, .in_flight = 4, .least_seconds = 1e-6, .most_seconds = 2e-3, .lost_in = 6, .unknown_in = 3}, {}, 1);
  CHECK(all.staged_tokens != 0);
  CHECK(all.lost_gets != 0);
  CHECK(all.lost_puts != 0);
  CHECK(all.contradicted != 0);
  CHECK(all.asked != 0);
  CHECK(all.foreign != 0);
  CHECK(all.kept != 0);
  CHECK(all.lost != 0);
}

TEST_CASE("random requests over a store that is written through, with little room", "[cache][random]")
{
  const walked all = walk_many<store_cache<token_write_through>>(
      {.lanes = 2, .in_flight = 3, .most_seconds = 1e-3, .lost_in = 20}, {.slab = 20, .arena = 24, .room = 14}, 100);
  CHECK(all.staged_tokens != 0);
  CHECK(all.refused_tokens != 0);
  CHECK(all.late_tokens != 0);
}

TEST_CASE("random requests over a store of which a lane dies", "[cache][random]")
{
  const walked all = walk_many<back_cache>({.lanes = 2, .in_flight = 3, .most_seconds = 1e-4}, {.room = 40}, 200, true);
  CHECK(all.staged_tokens != 0);
  CHECK(all.refused_tokens != 0);
}

TEST_CASE("two processes, one shelf, histories that only grow", "[cache][random]")
{
  for (std::uint64_t seed = 1; seed <= 2 * effort; ++seed) {
    const auto shelf = std::make_shared<record_shelf>(200 * tiny_page_bytes);
    const memory_store_config how{.lanes = 2, .seed = seed, .most_seconds = 1e-3, .lost_in = 12};
    store_scene<> a(how, {}, seed, shelf);
    store_scene<> b(how, {}, seed + 1, shelf);
    std::mt19937_64 random(seed);
    std::map<unsigned, token_count> known;
    for (int step = 0; step < 300; ++step) {
      store_scene<>& one = random() % 2 == 0 ? a : b;
      const auto user = static_cast<unsigned>(1 + random() % 8);
      token_count& mine = known[user];
      mine = std::min<token_count>(64, mine + static_cast<token_count>(random() % 9) + 1);
      one.serve(user, mine);
      if (random() % 5 == 0) one.device.advance_host(1e-3);
      if (random() % 40 == 0) one.start();
    }
    CHECK(a.figures().gets + b.figures().gets != 0);
  }
}
