// Boxes of GPUs against times that are worked out by hand: shared memory, shared links, routes.
#include <kvstrata/simulate/fleet_simulator.hpp>

#include "scratch.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/latency_histogram.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;

// One layer, one element a token; a token takes 1 ms to compute and nothing attends to anything (the pairs' share is
// smaller than a rounding); a byte takes 0.25 ms on the link, so fetching always beats computing.
machine_description small_machine()
{
  machine_description m;
  m.name = "small";
  m.model = {.kv = {.layers = 2, .kv_heads = 1, .head_dim = 1, .element = element_type::int8},
             .hidden = 1'000'000'000,
             .candidates = 1};
  m.flops_per_second = 10.0 * m.model.hidden / 1e-3;
  m.to_device.bytes_per_second = 2 / 0.25e-3;  // K and V of a token in 0.25 ms
  m.device_bytes = 10 * 32 * m.model.kv.token_bytes();
  m.host_bytes = 100 * 32 * m.model.kv.token_bytes();
  return m;
}

arrival comes(double seconds, std::uint64_t user, token_count tokens)
{
  return {.seconds = seconds, .asked = {.user = user_id{user}, .history_tokens = tokens}};
}

constexpr double computed = 2e-3;   // a token, in both layers
constexpr double fetched = 0.5e-3;  // a token, in both layers

template <class Route>
std::vector<fleet_answer> serve(fleet_simulator<Route>& fleet, const std::vector<arrival>& all, fleet_report& report)
{
  std::vector<fleet_answer> out;
  const auto observe = [&out](const fleet_answer& a) { out.push_back(a); };
  for (const arrival& one : all) fleet.add(one, observe);
  report = fleet.finish(observe);
  return out;
}

double took(const fleet_answer& a) { return a.ended - a.arrived; }

}  // namespace

TEST_CASE("a GPU of a fleet computes, serves from its slab, and fetches what the box holds", "[simulate][fleet]")
{
  fleet_simulator<> fleet({.machine = small_machine(), .gpus = 1});
  fleet_report r;
  // 313 tokens fit into the slab, 320 less half the slack: user 2's 256 push user 1's 130 out.
  const auto answers =
      serve(fleet, {comes(0, 1, 128), comes(1, 1, 130), comes(2, 2, 256), comes(3, 1, 130), comes(4, 3, 1000)}, r);
  REQUIRE(answers.size() == 5);
  CHECK(took(answers[0]) == Approx((128 + 1) * computed));
  CHECK(took(answers[1]) == Approx((2 + 1) * computed));
  CHECK(took(answers[2]) == Approx((256 + 1) * computed));
  // 130 tokens come back layer by layer: the second layer's arrive while the first one's candidate is computed.
  CHECK(took(answers[3]) == Approx(130 * fetched + computed / 2));
  CHECK(took(answers[4]) == Approx((1000 + 1) * computed));  // larger than the slab
  CHECK(r.requests == 5);
  CHECK(r.unserved == 1);
  const fleet_stretch all = r.total();
  CHECK(all.hits == 2);
  CHECK(all.slab_tokens == 128);
  CHECK(all.arena_tokens + all.recomputed_tokens == 130);
  CHECK(all.tokens() == 128 + 130 + 256 + 130 + 1000);
  CHECK(all.latency.count() == 5);
  CHECK(all.busy_seconds ==
        Approx(took(answers[0]) + took(answers[1]) + took(answers[2]) + took(answers[3]) + took(answers[4])));
  CHECK_FALSE(r.saturated());
}

TEST_CASE("GPUs of a box share its memory, those of another do not", "[simulate][fleet]")
{
  // The route is told by the user's number; user 7 is sent on.
  struct told
  {
    std::size_t seven = 0;
    std::size_t operator()(const request& r, const fleet_simulator<told>& fleet)
    {
      return to_number(r.user) == 7 ? seven++ % fleet.gpu_count() : to_number(r.user) % fleet.gpu_count();
    }
  };
  fleet_simulator<told> fleet({.machine = small_machine(), .boxes = 2, .gpus = 2});
  CHECK(fleet.gpu_count() == 4);
  CHECK(fleet.box_of(1) == 0);
  CHECK(fleet.box_of(2) == 1);
  fleet_report r;
  const auto answers = serve(fleet, {comes(0, 7, 128), comes(1, 7, 128), comes(2, 7, 128), comes(3, 7, 128)}, r);
  CHECK(took(answers[0]) == Approx(129 * computed));  // GPU 0 computes
  CHECK(took(answers[1]) < 64 * computed);            // GPU 1 fetches what GPU 0 has written
  CHECK(took(answers[2]) == Approx(129 * computed));  // the other box knows nothing
  CHECK(took(answers[3]) < 64 * computed);
}

TEST_CASE("two GPUs on one link wait for each other's copies, on two they do not", "[simulate][fleet]")
{
  for (const std::uint32_t gpus_a_link : {1U, 2U}) {
    CAPTURE(gpus_a_link);
    machine_description m = small_machine();
    m.flops_per_second /= 1000;  // computing is out of the question
    fleet_simulator<> fleet({.machine = m, .gpus = 2, .gpus_a_link = gpus_a_link});
    // Two users of each GPU, by hash; the second pushes the first out of the slab, and the first come back at one time.
    std::vector<std::vector<std::uint64_t>> of(2);
    for (std::uint64_t u = 0; of[0].size() < 2 || of[1].size() < 2; ++u) {
      of[hash_route()(request{.user = user_id{u}}, fleet)].push_back(u);
    }
    std::vector<arrival> all;
    double at = 0;
    for (const std::size_t which : {0U, 1U}) {
      for (const auto& users : of) all.push_back(comes(at += 1e4, users[which], 256));
    }
    all.push_back(comes(1e5, of[0][0], 256));
    all.push_back(comes(1e5, of[1][0], 256));
    fleet_report r;
    const auto answers = serve(fleet, all, r);
    REQUIRE(answers.size() == 6);
    const double alone = took(answers[4]);
    CHECK(alone > 256 * fetched);
    CHECK(took(answers[5]) == Approx(gpus_a_link == 1 ? alone : alone + 256 * fetched).epsilon(1e-6));
    CHECK(r.links == 2 / gpus_a_link);
  }
}

TEST_CASE("affinity stays where the user is, and leaves who is busy", "[simulate][fleet]")
{
  fleet_simulator<affinity_route> fleet({.machine = small_machine(), .gpus = 3}, affinity_route(1));
  std::vector<std::size_t> gpus;
  const auto observe = [&gpus](const fleet_answer& a) { gpus.push_back(a.gpu); };
  fleet.add(comes(0, 1, 100), observe);      // GPU 0: all are idle
  fleet.add(comes(0.01, 2, 100), observe);   // GPU 1: 0 is busy
  fleet.add(comes(10, 2, 110), observe);     // GPU 1 again: its slab has the user
  fleet.add(comes(20, 1, 110), observe);     // GPU 0 again
  fleet.add(comes(20.01, 1, 111), observe);  // and again: one request busier than the others is not too many
  fleet.add(comes(20.02, 1, 112), observe);  // another one: two are
  const fleet_report r = fleet.finish(observe);
  CHECK(r.requests == 6);
  REQUIRE(gpus.size() == 6);
  CHECK(std::vector<std::size_t>(gpus.begin(), gpus.begin() + 4) == std::vector<std::size_t>{0, 1, 1, 0});
  std::size_t elsewhere = 0;
  for (std::size_t i = 4; i < 6; ++i) {
    if (gpus[i] != 0) ++elsewhere;
  }
  CHECK(elsewhere == 1);
}

TEST_CASE("a fleet takes in the past in no time, and batches share a turn", "[simulate][fleet]")
{
  fleet_simulator<> fleet({.machine = small_machine(), .gpus = 1, .batch_size = 2, .report_seconds = 1});
  fleet.take_in(comes(0, 1, 64).asked);
  fleet_report r;
  const auto answers =
      serve(fleet, {comes(0.5, 1, 64), comes(0.501, 2, 10), comes(0.501, 2, 12), comes(2.5, 1, 65)}, r);
  REQUIRE(answers.size() == 4);
  CHECK(took(answers[0]) == Approx(1 * computed));  // alone: the others were not there when it began
  CHECK(took(answers[1]) == Approx(0.001 + (12 + 1) * computed));
  CHECK(took(answers[2]) == Approx(took(answers[1])));
  REQUIRE(r.stretches.size() == 3);
  CHECK(r.stretches[0].latency.count() == 3);
  CHECK(r.stretches[1].latency.count() == 0);
  CHECK(r.stretches[2].latency.count() == 1);
  CHECK(r.worst_percentile(1) == Approx(took(answers[1])).epsilon(0.0101));
}

TEST_CASE("a fleet that is asked too much is saturated, by its model or by its writes", "[simulate][fleet]")
{
  const auto run = [](double every, double write_speed) {
    machine_description m = small_machine();
    m.from_device.bytes_per_second = write_speed;
    fleet_simulator<> fleet({.machine = m, .gpus = 1});
    fleet_report r;
    std::vector<arrival> all;
    for (std::uint64_t u = 0; u < 1000; ++u) all.push_back(comes(static_cast<double>(u) * every, u, 10));
    serve(fleet, all, r);
    return r;
  };
  CHECK_FALSE(run(11.1 * computed, 0).saturated());
  CHECK(run(10.8 * computed, 0).saturated());
  CHECK_FALSE(run(11.1 * computed, 1e6).saturated());
  CHECK(run(11.1 * computed, 1e3).saturated());  // 40 bytes a request
}

TEST_CASE("a fleet that makes no sense is refused", "[simulate][fleet]")
{
  const auto with = [](auto change) {
    fleet_config c{.machine = small_machine()};
    change(c);
    return c;
  };
  CHECK_THROWS_WITH(fleet_simulator<>(with([](fleet_config& c) { c.gpus = 0; })),
                    "fleet_config.gpus is 0, but it must be at least 1");
  CHECK_THROWS_WITH(fleet_simulator<>(with([](fleet_config& c) { c.gpus_a_link = 3; })),
                    "fleet_config.gpus_a_link is 3, but it must divide the 8 GPUs of a box");
  CHECK_THROWS_AS(fleet_simulator<>(with([](fleet_config& c) { c.boxes = 0; })), config_error);
  CHECK_THROWS_AS(fleet_simulator<>(with([](fleet_config& c) { c.batch_size = 0; })), config_error);
  CHECK_THROWS_AS(fleet_simulator<>(with([](fleet_config& c) { c.report_seconds = 0; })), config_error);
  fleet_simulator<> fleet(with([](fleet_config&) {}));
  fleet.add(comes(2, 1, 1));
  CHECK_THROWS_AS(fleet.add(comes(1, 1, 1)), usage_error);
}

TEST_CASE("a histogram's percentiles are within a hundredth", "[simulate][fleet]")
{
  latency_histogram h, other;
  for (int i = 1; i <= 10'000; ++i) (i % 2 == 0 ? h : other).add(i * 1e-4);
  h += other;
  CHECK(h.count() == 10'000);
  for (const double share : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    CAPTURE(share);
    CHECK(h.percentile(share) == Approx(share).epsilon(0.0101));
  }
  CHECK(h.mean() == Approx(0.50005));
  CHECK(h.most() == Approx(1));
  CHECK(latency_histogram().percentile(0.5) == 0);
  latency_histogram odd;
  odd.add(0);
  odd.add(1e9);
  CHECK(odd.count() == 2);
}
