// Requests of parts in the simulators: how they are cut, that what is counted is what a cache decides that moves bytes, and what
// they take.
#include <kvstrata/simulate/cache_simulator.hpp>
#include <kvstrata/simulate/dataless_device.hpp>
#include <kvstrata/simulate/fleet_simulator.hpp>
#include <kvstrata/simulate/machine_file.hpp>
#include <kvstrata/simulate/part_cutter.hpp>
#include <kvstrata/simulate/serving_simulator.hpp>
#include <kvstrata/simulate/session_traffic.hpp>

#include "command_line/source_dir.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/cache.hpp>

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace {

using namespace kvstrata;

constexpr std::int64_t hour_ms = 3600 * 1000, day_ms = 24 * hour_ms;

using room = std::array<part, part_cutter::most>;

struct cut_of
{
  std::uint64_t version = 0;
  token_count statics = 0, recents = 0;
  friend bool operator==(const cut_of&, const cut_of&) = default;
};

/// Of the user 7.
cut_of cut(part_cutter& cutter, std::int64_t time_ms, token_count history)
{
  room parts;
  const auto made = cutter.cut({.user = user_id{7}, .history_tokens = history, .time_ms = time_ms}, parts);
  cut_of out;
  for (const part& p : made) {
    if (p.mode == part_mode::scratch) continue;
    CHECK(p.key ==
          sequence_key{p.mode == part_mode::replace ? part_cutter::static_space : part_cutter::recent_space, 7});
    (p.mode == part_mode::replace ? out.statics : out.recents) = p.tokens;
    out.version = p.version;
  }
  return out;
}

// Two layers of 8 bytes a token, pages of 4 tokens.
constexpr geometry shape{.layers = 2, .kv_heads = 1, .head_dim = 2, .element = element_type::bf16};

template <class Device>
using two_levels = cache<tier_stack<device_slab<Device>, pinned_arena<token_write_through>>, paged_layout,
                         layerwise_transfer<batched_copy<>>, lru>;

template <class Device>
typename two_levels<Device>::config pages(page_count slab, page_count arena)
{
  return {.shape = shape,
          .tiers = {{.bytes = slab * page_bytes(shape, 4)}, {.bytes = arena * page_bytes(shape, 4)}},
          .layout = {.page_tokens = 4}};
}

/// Sessions of a few users over several days, each request of parts.
struct stream_of_parts
{
  std::deque<room> rooms;
  std::vector<request> requests;

  explicit stream_of_parts(std::size_t count)
  {
    session_traffic traffic(
        {.users = 40, .requests_a_day = 4, .session_requests = 2, .history_scale = 0.02, .seed = 5});
    part_cutter cutter({.statics = 60, .recents = 24, .candidates = 10});
    while (requests.size() < count) {
      const request plain = traffic.next().asked;
      requests.push_back(of_parts(plain, cutter.cut(plain, rooms.emplace_back())));
    }
  }
};

}  // namespace

TEST_CASE("a cutter makes S anew at each cut of the user's days, R is what has happened since", "[simulate][parts]")
{
  part_cutter daily({.statics = 100, .recents = 20});
  CHECK(cut(daily, 5 * hour_ms, 250) == cut_of{1, 100, 0});  // all that is known at first
  CHECK(cut(daily, 9 * hour_ms, 254) == cut_of{1, 100, 4});
  CHECK(cut(daily, 9 * hour_ms, 254) == cut_of{1, 100, 4});
  CHECK(cut(daily, 23 * hour_ms, 270) == cut_of{1, 100, 20});
  CHECK(cut(daily, 24 * hour_ms, 272) == cut_of{2, 100, 2});  // of what was known before midnight
  CHECK(cut(daily, 25 * hour_ms, 291) == cut_of{3, 100, 0});  // R has no room for 21
  CHECK(cut(daily, 26 * hour_ms, 280) == cut_of{4, 100, 0});  // some of the history was taken back
  CHECK(cut(daily, 60 * hour_ms, 400) == cut_of{5, 100, 0});  // more than R holds since the cut: once, not twice

  part_cutter weekly({.statics = 100, .recents = 20, .cut = cut_period::weekly});
  CHECK(cut(weekly, 0, 30) == cut_of{1, 30, 0});  // a Thursday
  CHECK(cut(weekly, 3 * day_ms + 23 * hour_ms, 34) == cut_of{1, 30, 4});
  CHECK(cut(weekly, 4 * day_ms, 36) == cut_of{2, 34, 2});  // Monday

  part_cutter eastern({.statics = 100, .recents = 20, .zone_ms = 8 * hour_ms});
  CHECK(cut(eastern, 15 * hour_ms, 30) == cut_of{1, 30, 0});
  CHECK(cut(eastern, 16 * hour_ms, 31) == cut_of{2, 30, 1});

  part_cutter fresh({.statics = 100, .recents = 20, .candidates = 5});
  room parts;
  const auto nothing_yet = fresh.cut({.user = user_id{1}}, parts);
  REQUIRE(nothing_yet.size() == 2);  // no S
  CHECK(nothing_yet[0].mode == part_mode::append);
  CHECK(nothing_yet[1].mode == part_mode::scratch);
  CHECK(nothing_yet[1].tokens == 5);
  CHECK(kvstrata_test::sentence_of<config_error>([] { part_cutter({.recents = 0}); }) ==
        "part_options.recents is 0, but it must be at least 1: nothing could happen");
  CHECK(kvstrata_test::sentence_of<config_error>([] { part_cutter({.zone_ms = -25 * hour_ms}); }) ==
        "part_options.zone_ms is -90000000, but it must lie within a day");
}

TEST_CASE("what a simulator counts of parts is what a cache decides that moves bytes", "[simulate][parts]")
{
  const stream_of_parts stream(1500);
  dataless_device none;
  two_levels<dataless_device> simulated(none, pages<dataless_device>(60, 300));
  cache_simulator<two_levels<dataless_device>> sim(simulated, {.batch_size = 3});
  for (const request& r : stream.requests) sim.add(r);
  sim.flush();
  const simulation_counts counted = sim.counts();

  emulated_device device;
  two_levels<emulated_device> real(device, pages<emulated_device>(60, 300));
  const stream_id compute = device.create_stream("compute");
  part_counts right;
  std::uint64_t missed = 0, unserved = 0, merged = 0;
  request_batch batch(3);
  const auto serve = [&] {
    std::size_t done = 0;
    for (std::size_t size = batch.requests().size(); done < batch.requests().size();) {
      const auto some = batch.requests().subspan(done, size);
      std::optional<two_levels<emulated_device>::lease> lease;
      try {
        if (auto got = real.prepare(some, compute)) lease.emplace(std::move(got).value());
      } catch (const capacity_error&) {
      }
      if (!lease && size == 1) {
        right.add_computed(some.front());
        ++unserved;
      } else if (!lease) {
        size = size / 2;
        continue;
      } else {
        for (std::size_t i = 0; i < some.size(); ++i) {
          bool any = false;
          for (std::size_t p = 0; p < some[i].parts.size(); ++p) {
            const token_sources came = lease->sources(i, p);
            right.add(some[i].parts[p].mode, came);
            any = any || came.from[0] + came.fetched() != 0;
          }
          missed += any ? 0U : 1U;
        }
        for (layer_index l = 0; l < shape.layers; ++l) {
          lease->wait(l);
          lease->layer_done(l);
        }
        lease->commit();
        lease->release();
      }
      done += some.size();
      size = batch.requests().size() - done;
    }
    merged += batch.merged();
    batch.clear();
  };
  for (const request& r : stream.requests) {
    batch.add(r);
    if (batch.full()) serve();
  }
  serve();
  const cache_stats s = real.stats();
  right.of(part_mode::replace).superseded = s.superseded_versions;
  right.of(part_mode::append).superseded = s.forgotten.superseded - s.superseded_versions;

  CHECK(counted.parts == right);
  CHECK(counted.forgotten == s.forgotten);
  CHECK(counted.missed == missed);
  CHECK(counted.unserved == unserved);
  CHECK(counted.merged == merged);
  for (level_index i = 0; i < 2; ++i) {
    const std::uint64_t served = right.of(part_mode::replace).served[i] + right.of(part_mode::append).served[i];
    CHECK(counted.levels[i].tokens == served);
    CHECK(counted.levels[i].evicted == s.levels[i].evicted_tokens);
    CHECK(counted.levels[i].dropped == s.levels[i].dropped_tokens);
  }
  CHECK(counted.computed_tokens == right.of(part_mode::replace).computed + right.of(part_mode::append).computed);
  // Or it shows nothing:
  for (const part_mode mode : {part_mode::replace, part_mode::append}) {
    CHECK(right.of(mode).served[0] != 0);
    CHECK(right.of(mode).served[1] != 0);
    CHECK(right.of(mode).computed != 0);
    CHECK(right.of(mode).superseded != 0);
  }
  CHECK(right.of(part_mode::scratch).computed == 10 * (stream.requests.size() - merged));
  CHECK(right.of(part_mode::scratch).served == by_level<std::uint64_t>{});
}

TEST_CASE("a layer's work of parts: what each token sees", "[simulate][parts]")
{
  const cost_model pairs{.seconds_per_token = 100, .seconds_per_pair = 1, .layers = 1};
  const auto all = [](token_count tokens) { return token_interval{0, tokens}; };
  const auto add = [&](request_work& work, part_mode mode, token_interval tokens, token_interval computed) {
    work.add(mode, tokens, {&computed, 1});
  };
  request_work work(pairs, 9);
  add(work, part_mode::replace, all(6), all(6));  // each sees all six
  add(work, part_mode::append, all(4), {2, 4});   // the third sees six and three
  add(work, part_mode::scratch, all(3), all(3));  // each sees ten and itself
  CHECK(work.layer_seconds() == 600 + 36 + 200 + (6 + 3) + (6 + 4) + 300 + 3 * 11);

  request_work history(pairs, 2);  // candidates of the model's own
  add(history, part_mode::append, {3, 8}, {3, 8});
  const token_interval window{3, 8};
  CHECK(history.layer_seconds() == layer_seconds(pairs, 2, {&window, 1}, 8, 3));
}

TEST_CASE("a machine serves requests of parts: S once a version, R what is new, candidates always", "[simulate][parts]")
{
  // A token takes 1 ms a layer, whatever it attends to.
  constexpr cost_model cost{.seconds_per_token = 1e-3, .layers = 2};
  emulated_device device({.time = time_mode::virtual_time, .data = false});
  two_levels<emulated_device> cache(device, pages<emulated_device>(10, 100));
  serving_simulator sim(device, cache, cost, 50);
  const auto ask = [](std::uint64_t version, token_count recents, token_count candidates) {
    return room{part{.key = {1, 7}, .version = version, .tokens = 8, .mode = part_mode::replace},
                part{.key = {2, 7}, .tokens = recents}, part{.tokens = candidates, .mode = part_mode::scratch}};
  };
  const std::vector<room> asked{ask(1, 4, 3), ask(1, 6, 3), ask(2, 6, 3), ask(2, 6, 30)};
  std::vector<double> took;
  std::vector<arrival> arrivals;
  for (const room& parts : asked) arrivals.push_back({.asked = of_parts({.user = user_id{7}}, parts)});
  std::size_t at = 0;
  const serving_report r =
      sim.run([&] { return at == arrivals.size() ? std::nullopt : std::optional(arrivals[at++]); }, {.batch_size = 1});
  REQUIRE(r.latencies.size() == 4);
  CHECK(r.latencies[0] == Approx(2e-3 * (8 + 4 + 3)));
  CHECK(r.latencies[1] == Approx(2e-3 * (2 + 3)));
  CHECK(r.latencies[2] == Approx(2e-3 * (8 + 6 + 3)));   // R stood on version 1
  CHECK(r.latencies[3] == Approx(2e-3 * (8 + 6 + 30)));  // 12 pages: beside the cache
  CHECK(r.unserved == 1);
  CHECK(r.computed_tokens == 12 + 2 + 14 + 14);
  CHECK(r.served_tokens[0] == 12);
  CHECK(r.parts.of(part_mode::replace).computed == 24);
  CHECK(r.parts.of(part_mode::replace).served[0] == 8);
  CHECK(r.parts.of(part_mode::replace).superseded == 8);
  CHECK(r.parts.of(part_mode::append).computed == 18);
  CHECK(r.parts.of(part_mode::append).served[0] == 4);
  CHECK(r.parts.of(part_mode::append).superseded == 6);
  CHECK(r.parts.of(part_mode::scratch).computed == 39);
}

TEST_CASE("a fleet simulator refuses requests of parts", "[simulate][parts]")
{
  const part all{.key = {1, 7}, .tokens = 4};
  fleet_simulator<> fleet(
      {.machine = read_machine((tools::source_dir() / "tools/sim/machines/h200_pcie5.machine").string())});
  CHECK(kvstrata_test::sentence_of<usage_error>(
            [&] { fleet.add({.asked = of_parts({.user = user_id{7}}, {&all, 1})}); }) ==
        "the request of user 7 has parts, but a fleet_simulator knows whole users; a serving_simulator takes parts");
}
