// Long random sequences of requests over an nvme_file with few regions, so that they are evicted and what is hot comes back;
// it is closed, destroyed and killed in the midst, and opened again on its file. The oracle is what each row must say
// (stores_bed.hpp), and the accounts. Then two caches over one store.
#include "cache/nvme_bed.hpp"
#include "cache/stores_random.hpp"
#include "support/effort.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <utility>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

struct walked : store_figures
{
  unsigned kept = 0, lost = 0;  ///< provisional leases
  std::uint64_t kills = 0, evicted = 0, reinserted = 0, asks = 0, gets = 0, sealed = 0, wrong = 0;
};

template <class Cache>
walked walk_many(const nvme_file_config& how, const store_sizes& sizes, std::uint64_t first_seed)
{
  walked all;
  for (std::uint64_t seed = first_seed; seed < first_seed + 2 + effort / 2; ++seed) {
    CAPTURE(seed);
    nvme_scene<Cache> s(how, sizes, seed);
    walk_over_store walk(s, {.seed = seed, .steps = 500 + 100 * static_cast<int>(effort)});
    walk.run();
    all += walk.total().stores[store_level];
    all.kept += walk.kept();
    all.lost += walk.lost();
    const nvme::store_counts counts = s.counts();
    all.kills += s.kills;
    all.evicted += counts.evicted_records;
    all.reinserted += counts.reinserted_bytes;
    all.asks += counts.asks;
    all.gets += counts.gets;
    all.sealed += counts.sealed_regions;
    all.wrong += counts.lost_checksum + counts.lost_io;
    s.cache->close();
  }
  CHECK(all.wrong == 0);
  CHECK(all.staged_tokens != 0);
  CHECK(all.contradicted != 0);
  CHECK(all.foreign != 0);
  CHECK(all.kills != 0);
  CHECK(all.gets != 0);
  CHECK(all.asks != 0);
  CHECK(all.sealed != 0);
  CHECK(all.kept != 0);
  return all;
}

}  // namespace

TEST_CASE("random requests over an nvme_file that is closed, destroyed and killed", "[cache][random]")
{
  const walked all = walk_many<nvme_cache<write_back>>(tiny_nvme(14), {}, 1);
  CHECK(all.evicted + all.reinserted != 0);
}

TEST_CASE("random requests over an nvme_file of the fewest regions", "[cache][random]")
{
  const walked all = walk_many<nvme_cache<write_back>>(tiny_nvme(9), {}, 100);
  CHECK(all.evicted != 0);
  CHECK(all.reinserted != 0);
}

TEST_CASE("random requests over an nvme_file that is written through, puts that are done when they are durable",
          "[cache][random]")
{
  nvme_file_config how = tiny_nvme(12);
  how.done_when = put_done::durable;
  how.reinserted_hits = 0;
  const walked all = walk_many<nvme_cache<token_write_through>>(how, {.slab = 20, .arena = 24, .room = 14}, 200);
  CHECK(all.evicted != 0);
  CHECK(all.reinserted == 0);
}

TEST_CASE("two caches over one nvme_file that is opened again: what one puts the other serves", "[cache][random]")
{
  std::uint64_t staged = 0, contradicted = 0;
  for (std::uint64_t seed = 1; seed < 10 + 5 * effort; ++seed) {  // 16, 17, 23: two writers of one life
    CAPTURE(seed);
    nvme_scene<> s(tiny_nvme(12), {}, seed);
    auto other = std::move(s.cache);  // the one that serves is the scene's
    s.start();
    std::mt19937_64 random(seed);
    const auto below = [&random](unsigned n) { return static_cast<unsigned>(random() % n); };
    std::map<unsigned, token_count> known;
    for (int step = 0; step < 150 + 100 * static_cast<int>(effort); ++step) {
      if (below(2) == 0) std::swap(s.cache, other);
      const unsigned user = 1 + below(8);
      token_count& mine = known[user];
      if (user % 2 == 1 && below(8) == 0) s.texts[user].rewrite(below(mine + 1));
      mine = std::min<token_count>(64, mine + below(9) + 1);
      s.serve(user, mine, user % 2 == 1);
      if (below(20) == 0) {
        s.cache->erase(user_id{user});
        other->erase(user_id{user});
        s.texts[user].rewrite(0);
        mine = 0;
      }
      if (below(5) == 0) s.device.advance_host(1e-3);
      if (below(60) != 0) continue;
      for (const auto* cache : {&s.cache, &other}) {
        staged += (*cache)->stats().stores[store_level].staged_tokens;
        contradicted += (*cache)->stats().stores[store_level].contradicted;
      }
      other.reset();
      s.reopen(false);
      other = std::move(s.cache);
      s.start();
    }
    other.reset();
    const nvme::store_counts counts = s.counts();
    CHECK(counts.lost_checksum + counts.lost_io == 0);
  }
  CHECK(staged != 0);
  CHECK(contradicted != 0);
}
