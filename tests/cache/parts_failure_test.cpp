// Requests of parts where the device refuses copies: that one is dropped and counted, no wrong byte is served, what is atomic stays
// whole, and the books balance.
#include "cache/parts_stores.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

struct scene_without_store
{
  using cache_type = default_scene_cache;

  emulated_device device{{.time = time_mode::virtual_time, .check_ordering = true, .poison_freed = true}};
  stream_id compute = device.create_stream("compute");
  tiny_model model{device, 1e-6};
  std::unique_ptr<cache_type> cache =
      std::make_unique<cache_type>(device, tiny_config<default_scene_cache>(page_count{24}, page_count{40}));
  epoch_id epoch{};
};

/// Versions that come and go down, and up again; what stands on them; readers of an old one while the next is written.
struct story_of_parts : parts_over_a_store<scene_without_store>
{
  void tell()
  {
    serve({statics(1, 1, 19), appends(1, 12)});
    serve({statics(2, 1, 14), appends(2, 9)});
    serve({appends(9, 80)});
    whole(serve({statics(1, 1, 19), appends(1, 14)}));
    {
      const std::vector<part> old{statics(1, 1, 19)};
      const request r{.user = user_id{3}, .parts = old};
      auto reader = cache->prepare({&r, 1}, compute);
      whole(serve({statics(1, 2, 21), appends(1, 15)}));
    }
    serve({appends(8, 70)});
    whole(serve({statics(1, 2, 21), appends(1, 16)}));
    whole(serve({statics(2, 1, 14), appends(2, 11)}));
    whole(serve({statics(2, 2, 3), appends(2, 11)}, false));
    serve({appends(9, 80)});
    whole(serve({statics(2, 1, 14), appends(2, 12)}));
    cache->drain_sync();
    for (const tier_stats& tier : all_tiers(cache->stats()))
      REQUIRE(tier.free_bytes + tier.resident_bytes + tier.in_flight_bytes == tier.capacity_bytes);
    REQUIRE(cache->stats().leases == 0);
  }
  static void whole(const std::vector<token_sources>& from)
  {
    const token_sources& shared = from.front();
    REQUIRE((shared.computed == 0 || shared.from[0] + shared.fetched() == 0));
  }
  void end()
  {
    for (std::uint32_t space = 1; space < 3; ++space) {
      for (std::uint64_t id = 1; id < 10; ++id) cache->erase(sequence_key{space, id});
    }
    cache->drain_sync();
    const cache_stats s = cache->stats();
    CHECK(s.users == 0);
    for (const tier_stats& tier : all_tiers(s)) CHECK(tier.resident_bytes == tier.stale_bytes);
    cache->close();
    CHECK(model.found().first() == "");
    CHECK(device.violations().empty());
  }
};

TEST_CASE("parts: any copy is refused, and everybody is served", "[cache][parts][failure]")
{
  for (const unsigned in_a_row : {1U, 3U}) {
    bool struck = true, dropped = false, turned_away = false;
    for (unsigned copies = 0; struck; ++copies) {
      CAPTURE(in_a_row, copies);
      REQUIRE(copies < 2000);
      story_of_parts s;
      s.device.refuse_next_copy(copies, in_a_row);
      s.tell();
      const cache_stats after = s.cache->stats();
      struck = after.refused_writes + after.refused_fetches != 0;
      dropped = dropped || after.refused_writes != 0;
      turned_away = turned_away || after.refused_fetches != 0;
      s.end();
    }
    CHECK(dropped);
    CHECK(turned_away);
  }
}

}  // namespace
