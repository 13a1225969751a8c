// Random walks over an nvme_file that keeps records by a codec: an exact one, closed, destroyed and killed in the midst; and a
// lossy one, against the naive cache, with requests that want exact tokens among the others.
#include "cache/nvme_bed.hpp"
#include "cache/store_walker.hpp"
#include "cache/stores_random.hpp"
#include "support/effort.hpp"
#include "support/toy_body.hpp"

#include <cstdint>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using exact_drive = nvme_cache<write_back, toy_body>;
using exact_below =
    cache<tier_stack<device_slab<moody_device>, pinned_arena<write_back>, nvme_file<write_back, toy_body>>,
          paged_layout, layerwise_transfer<>, lru, counters>;
using lossy_below =
    cache<tier_stack<device_slab<moody_device>, pinned_arena<write_back>, nvme_file<write_back, lossy_toy_body>>,
          paged_layout, layerwise_transfer<>, lru, counters>;

template <class Cache>
naive_findings walk_naive(std::uint64_t seed, nvme::store_counts& counts)
{
  moody_device device(store_device(seed));
  scratch_files folder;
  nvme_file_config how = tiny_nvme(14);
  how.paths = {folder.path("drive")};
  tiny_drive<Cache> drive(device, how);
  typename Cache::config config{.shape = tiny};
  config.layout.page_tokens = tiny_page;
  std::get<0>(config.tiers) = {.bytes = 24 * tiny_page_bytes, .slack = 0};
  std::get<1>(config.tiers).bytes = 26 * tiny_page_bytes;
  std::get<2>(config.tiers).store = &drive;
  config.stores.room_bytes = 40 * tiny_page_bytes;
  Cache cache(device, config);
  store_walker<Cache> walker(cache, device, drive, {.seed = seed, .steps = 300 + 100 * static_cast<int>(effort)});
  const naive_findings found = walker.run();
  counts = drive.figures().counts;
  return found;
}

template <class Cache>
void walk_all(std::uint64_t first_seed)
{
  naive_findings all;
  std::uint64_t code = 0, put = 0;
  for (std::uint64_t seed = first_seed; seed < first_seed + 4 + 2 * effort; ++seed) {
    CAPTURE(seed);
    nvme::store_counts counts;
    const naive_findings one = walk_naive<Cache>(seed, counts);
    for (level_index i = 0; i <= 2; ++i) all.served[i] += one.served[i];
    all.inexact += one.inexact;
    all.forgotten += one.forgotten;
    CHECK(counts.lost_checksum + counts.lost_io == 0);
    code += counts.code_bytes;
    put += counts.put_bytes;
  }
  CHECK(code < put);
  for (level_index i = 0; i <= 2; ++i) CHECK(all.served[i] != 0);
  constexpr bool lossy = tracks_exactness<typename Cache::config::tiers_type>;
  CHECK((all.inexact != 0) == lossy);
  CHECK((all.forgotten != 0) == lossy);
}

}  // namespace

TEST_CASE("random requests over an nvme_file with a codec that is closed, destroyed and killed",
          "[cache][random][codec]")
{
  std::uint64_t gets = 0, kills = 0, evicted = 0;
  for (std::uint64_t seed = 1; seed < 3 + effort / 2; ++seed) {
    CAPTURE(seed);
    nvme_scene<exact_drive> s(tiny_nvme(9), {}, seed);
    walk_over_store walk(s, {.seed = seed, .steps = 500 + 100 * static_cast<int>(effort)});
    walk.run();
    const nvme::store_counts counts = s.counts();
    CHECK(counts.lost_checksum + counts.lost_io == 0);
    gets += counts.gets;
    kills += s.kills;
    evicted += counts.evicted_records + counts.reinserted_bytes;
    s.cache->close();
  }
  CHECK(gets != 0);
  CHECK(kills != 0);
  CHECK(evicted != 0);
}

TEST_CASE("random operations over an nvme_file with an exact codec, against the naive cache", "[cache][random][codec]")
{
  walk_all<exact_below>(4000);
}

TEST_CASE("random operations over an nvme_file with a lossy codec, against the naive cache", "[cache][random][codec]")
{
  walk_all<lossy_below>(5000);
}
