// Shards and threads over one store, in real time: each thread serves users of its own, and waits for what is on its way.
#include "cache/stores_bed.hpp"

#include <kvstrata/sharded/sharded.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;
using namespace std::chrono_literals;

TEST_CASE("several threads serve from the shards of one cache over one store", "[cache][threads]")
{
  constexpr unsigned threads = 3, users = 12, rounds = 4;
  moody_device device({.check_ordering = true, .poison_freed = true});
  fake_store store(device, {.lanes = 3, .in_flight = 8, .lost_in = 15});
  std::atomic<std::uint64_t> early = 0, pending = 0, kept = 0, wrong = 0;
  {
    typename back_cache::config c{.shape = tiny};
    c.layout.page_tokens = tiny_page;
    std::get<0>(c.tiers) = {.bytes = 48 * tiny_page_bytes, .slack = 0};
    std::get<1>(c.tiers).bytes = 60 * tiny_page_bytes;
    std::get<2>(c.tiers).store = &store;
    c.stores.room_bytes = 120 * tiny_page_bytes;
    sharded<back_cache> cache(device, c, 2);
    const auto serve = [&](stream_id compute, unsigned user, token_count history, bool provisional) {
      request r{.user = user_id{user}, .history_tokens = history};
      r.provisional = provisional;
      for (int attempt = 0; attempt < 1'000'000; ++attempt) {
        auto lease = cache.prepare({&r, 1}, compute);
        if (!lease) {
          if (lease.why().why == pressure::reason::arriving && user % 2 == 0) device.wait_sync(arrival_of(lease.why()));
          else if (lease.why().why == pressure::reason::arriving && !cache.wait_sync(lease.why(), 1h)) ++wrong;
          else std::this_thread::yield();
          ++early;
          continue;
        }
        for (layer_index layer = 0; layer < tiny.layers; ++layer) {
          lease->wait(layer);
          lease->layer_done(layer);
        }
        const lease_ticket ticket = lease->ticket(0);
        const token_sources sources = lease->sources(0);
        if ((sources.from[2] != 0) != (ticket.number != 0)) ++wrong;
        lease->commit();
        lease->release();
        device.wait_sync(device.record(compute));
        cache.poll();
        const lease_outcome out = cache.outcome(ticket);
        if (out == lease_outcome::pending) ++wrong;
        if (out == lease_outcome::kept) kept += sources.from[2];
        if (ticket.number != 0) ++pending;
        return;
      }
      ++wrong;  // turned away for ever
    };
    std::vector<std::thread> all;
    for (unsigned t = 0; t < threads; ++t) {
      all.emplace_back([&, t, compute = device.create_stream("compute")] {
        for (unsigned round = 0; round < rounds; ++round) {
          for (unsigned u = 0; u < users; ++u) serve(compute, 1000 * t + u, 16 + round, (u + round) % 2 == 0);
        }
      });
    }
    for (std::thread& one : all) one.join();
    const cache_stats s = cache.stats();
    CHECK(wrong.load() == 0);
    CHECK(s.stores[2].gets != 0);
    CHECK(s.stores[2].late_gets == pending.load());
    CHECK(s.stores[2].late_tokens == kept.load());
    CHECK(s.leases == 0);
    for (level_index i = 0; i < 2; ++i) {
      CHECK(s.levels[i].free_bytes + s.levels[i].resident_bytes + s.levels[i].in_flight_bytes ==
            s.levels[i].capacity_bytes);
    }
    cache.close();
  }
  CHECK(store.under_way() == 0);
  CHECK(device.violations().empty());
}
