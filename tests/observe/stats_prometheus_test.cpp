// The bytes of a cache as Prometheus text: every tier, every gauge, and what Prometheus can add up.
#include "support/catch.hpp"

#include <kvstrata/cache/prometheus.hpp>
#include <kvstrata/kvstrata.hpp>

#include <sstream>
#include <string>
#include <tuple>

using namespace kvstrata;

namespace {

/// The value of one sample, which must be there once.
std::uint64_t value_of(const std::string& text, const std::string& sample)
{
  const auto at = text.find("\n" + sample + " ");
  INFO(sample << " in\n" << text);
  REQUIRE(at != std::string::npos);
  REQUIRE(text.find("\n" + sample + " ", at + 1) == std::string::npos);
  return std::stoull(text.substr(at + sample.size() + 2));
}

}  // namespace

TEST_CASE("a cache's bytes as Prometheus text", "[observe]")
{
  emulated_device device({.time = time_mode::virtual_time, .data = false});
  const geometry shape{.layers = 2, .kv_heads = 1, .head_dim = 8};
  const std::size_t page = page_bytes(shape, 32);
  cache<tier_stack<device_slab<emulated_device>, pinned_arena<write_back>>, hybrid_layout,
        layerwise_transfer<window_copy<>>, lru, counters>
      c(device, {.shape = shape, .tiers = {{.bytes = 8 * page, .window_bytes = 3 * page}, {.bytes = 20 * page}}});
  const stream_id compute = device.create_stream("compute");
  for (const std::uint64_t user : {1U, 2U, 3U}) {
    const request r{.user = user_id{user}, .history_tokens = 100};
    auto lease = c.prepare({&r, 1}, compute).value();
    for (layer_index l = 0; l < shape.layers; ++l) lease.layer_done(l);
    lease.commit();
  }
  c.drain_sync();
  const request again{.user = user_id{1}, .history_tokens = 100};
  auto lease = c.prepare({&again, 1}, compute).value();

  std::ostringstream out;
  prometheus_writer to(out, {{"cache", "a"}});
  const cache_stats s = c.stats();
  write_prometheus(to, s);
  write_prometheus(to, c.tracker().read());
  const std::string text = "\n" + out.str();

  const auto sample = [&](const std::string& name, const std::string& level, const std::string& tier) {
    return value_of(text, "kvstrata_" + name + "{cache=\"a\",level=\"" + level + "\",tier=\"" + tier + "\"}");
  };
  for (const auto& [level, tier, stats] : {std::tuple{"0", "slab", s.levels[0]}, std::tuple{"1", "arena", s.levels[1]},
                                           std::tuple{"0", "window", s.window}}) {
    REQUIRE(sample("capacity_bytes", level, tier) == stats.capacity_bytes);
    REQUIRE(sample("free_bytes", level, tier) + sample("resident_bytes", level, tier) +
                sample("in_flight_bytes", level, tier) ==
            stats.capacity_bytes);
    REQUIRE(sample("resident_bytes", level, tier) == stats.resident_bytes);
  }
  REQUIRE(s.window.resident_bytes != 0);
  REQUIRE(sample("resident_tokens", "1", "arena") == s.levels[1].resident_tokens);
  REQUIRE(sample("resident_tokens", "0", "slab") == s.levels[0].resident_tokens);
  REQUIRE(value_of(text, "kvstrata_dirty_tokens{cache=\"a\"}") == s.dirty_tokens);
  REQUIRE(s.dirty_tokens != 0);
  REQUIRE(value_of(text, "kvstrata_waiting_writes{cache=\"a\"}") == 0);
  REQUIRE(value_of(text, "kvstrata_users{cache=\"a\"}") == 3);
  REQUIRE(value_of(text, "kvstrata_leases{cache=\"a\"}") == 1);
  REQUIRE(value_of(text, "kvstrata_batches_total{cache=\"a\"}") == 4);
  REQUIRE(value_of(text, "kvstrata_epoch{cache=\"a\"}") == 0);
  REQUIRE(sample("stale_bytes", "1", "arena") == 0);
  c.advance_epoch(epoch_id{7});
  std::ostringstream later;
  prometheus_writer then(later, {{"cache", "a"}});
  write_prometheus(then, c.stats());
  const std::string after = "\n" + later.str();
  REQUIRE(value_of(after, "kvstrata_epoch{cache=\"a\"}") == 7);
  REQUIRE(value_of(after, "kvstrata_stale_bytes{cache=\"a\",level=\"1\",tier=\"arena\"}") ==
          s.levels[1].resident_bytes);
}
