// What a store has is not waited for where the model computes it sooner: the decision knows the store's speed.
#include "cache/stores_bed.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/simulate/fetch_worth.hpp>
#include <kvstrata/transfer/store_cost.hpp>

#include <cmath>
#include <cstdint>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

/// Users 1 and 2 are in the store alone, which gives 100 tokens a second after one second; the model computes one in a tenth.
struct worth_scene : store_scene<>
{
  explicit worth_scene(staged_for what, bool told = true) : store_scene<>({.lanes = 2, .in_flight = 4}, {.room = 32})
  {
    for (unsigned u = 1; u <= 2; ++u) serve(u, 30);
    for (unsigned u = 100; u < 107; ++u) serve(u, 32);
    for (int i = 0; i < 8; ++i) settle();
    if (told) reads = {.latency_seconds = 1, .bytes_per_second = 100.0 * static_cast<double>(tiny.token_bytes())};
    costs = {.seconds_per_token = 0.1 / tiny.layers, .layers = tiny.layers};
    stages_for = what;
    start();
  }
  [[nodiscard]] const losses& heard() { return cache->tracker(); }
};

}  // namespace

TEST_CASE("a short history is computed although a store has it, and a long one is fetched")
{
  worth_scene s(staged_for::latency);
  const auto brief = s.serve(1, 8);  // 0.8 s for 1.08
  REQUIRE(brief);
  CHECK(brief->computed == 8);
  CHECK(s.arrivals == 0);  // nobody waited
  CHECK(s.figures().computed_tokens == 8);
  CHECK(s.figures().gets == 0);
  CHECK(s.heard().left_to_model == 8);
  const auto whole = s.serve(2, 30);  // 3 s for 1.3
  REQUIRE(whole);
  CHECK(whole->computed <= 1);
  CHECK(s.arrivals != 0);
  CHECK(s.figures().computed_tokens == 8);
  CHECK(s.figures().freeing_tokens == 0);
}

TEST_CASE("what is fetched to leave the device to others is counted apart")
{
  worth_scene s(staged_for::throughput);
  const auto brief = s.serve(1, 8);
  REQUIRE(brief);
  CHECK(brief->computed <= 1);
  CHECK(s.figures().freeing_gets == 1);
  CHECK(s.figures().freeing_tokens == 8);
  CHECK(s.figures().computed_tokens == 0);
  CHECK(s.heard().fetched_all_the_same == 8);
  const auto whole = s.serve(2, 30);
  REQUIRE(whole);
  CHECK(whole->computed <= 1);
  CHECK(s.figures().freeing_gets == 1);
}

TEST_CASE("what is on its way for others comes first, and is part of the wait")
{
  worth_scene s(staged_for::latency);
  REQUIRE_FALSE(s.serve(2, 30, true, 0, false));  // 30 tokens are on their way
  const auto next = s.serve(1, 14);               // alone 1.14 s for 1.4; behind these 1.44
  REQUIRE(next);
  CHECK(next->computed == 14);
  CHECK(s.figures().computed_tokens == 14);
}

TEST_CASE("what nobody knows the speed of is staged, and so is what is prefetched")
{
  worth_scene unknown(staged_for::latency, false);
  const auto brief = unknown.serve(1, 8);
  REQUIRE(brief);
  CHECK(brief->computed <= 1);
  CHECK(unknown.figures().computed_tokens == 0);

  worth_scene s(staged_for::latency);
  const request r{.user = user_id{1}, .history_tokens = 8, .if_rewritten = rewritten_history::start_anew};
  CHECK_FALSE(s.cache->prefetch(r));
  for (int i = 0; i < 4; ++i) s.settle();
  CHECK(s.figures().gets == 1);
  CHECK(s.figures().staged_tokens != 0);
  CHECK(s.figures().computed_tokens + s.figures().freeing_tokens == 0);
}

TEST_CASE("figures of a store's speed are checked")
{
  worth_scene s(staged_for::latency);
  s.reads.bytes_per_second = -1;
  CHECK(sentence_of<config_error>([&] { s.start(); }) ==
        "stores.reads.bytes_per_second is -1.000000, but it must be a finite number, at least 0");
}

TEST_CASE("the decision turns where the printed length of a machine says")
{
  const machine_description m{.name = "a machine",
                              .flops_per_second = 1e14,
                              .to_device = {.bytes_per_second = 5e10, .latency_seconds = 1e-5},
                              .model = {.kv = {.layers = 8, .kv_heads = 4, .head_dim = 64}, .hidden = 256},
                              .device_bytes = 1,
                              .store_bytes_per_second = 6e9,
                              .store_latency_seconds = 1e-4};
  const store_cost cost{.cost = cost_of(m),
                        .reads = {m.store_latency_seconds, m.store_bytes_per_second},
                        .token_bytes = m.model.kv.token_bytes()};
  const double from = worth_of_fetches(m).back().from_tokens;
  REQUIRE(from > 100);
  REQUIRE(from < 1e6);
  CHECK(cost.computes_sooner({0, static_cast<token_count>(from * 0.999)}, 0, 0, false));
  CHECK_FALSE(cost.computes_sooner({0, static_cast<token_count>(from * 1.001) + 1}, 0, 0, false));
  CHECK_FALSE(cost.computes_sooner({0, static_cast<token_count>(from)}, 0, 0, true));  // layers overlap
}
