// Parts in stores: put whole and got whole, of the version that is asked for, standing on what they are asked for with.
#include "cache/parts_stores.hpp"
#include "cache/nvme_bed.hpp"

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using over_memory = parts_over_a_store<store_scene<>>;
using over_drive = parts_over_a_store<nvme_scene<>>;

}  // namespace

TEST_CASE("parts in a store: a replace part goes down whole, and comes back whole", "[cache][parts]")
{
  over_memory s({.least_seconds = 1e-4, .most_seconds = 2e-4});
  s.serve({s.statics(1, 5, 19)});
  s.push_out();
  const auto record = s.store.shelf().find({1, 1});
  REQUIRE(record);
  CHECK((record->tokens == token_interval{0, 19}));
  CHECK(record->version == 5);
  CHECK(record->atomic);
  CHECK(s.serve({s.statics(1, 5, 19)})[0].from[1] == 19);  // staged in the arena
  s.start();
  CHECK(s.serve({s.statics(1, 5, 19)})[0].from[1] == 19);
}

TEST_CASE("parts in a store: another version is none, and its successor takes its place", "[cache][parts]")
{
  over_memory s;
  s.serve({s.statics(1, 5, 19), s.appends(1, 12)});
  s.push_out();
  s.start();
  CHECK(s.serve({s.statics(1, 6, 19), s.appends(1, 13)})[0].computed == 19);
  CHECK(s.figures().foreign == 2);  // neither the older version nor what stands on it
  s.push_out();
  REQUIRE(s.store.shelf().find({1, 1}));
  CHECK(s.store.shelf().find({1, 1})->version == 6);
  s.start();
  const auto back = s.serve({s.statics(1, 6, 19), s.appends(1, 14)});
  CHECK(back[0].from[1] == 19);
  CHECK(back[1].from[1] == 13);
  CHECK(back[1].computed == 1);
}

TEST_CASE("parts in a store: what came up once comes up again, whenever it has left the memories", "[cache][parts]")
{
  over_memory s({.least_seconds = 1e-4, .most_seconds = 2e-4});
  s.serve({s.statics(1, 5, 19), s.appends(1, 12)});
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round);
    s.push_out();
    const auto back = s.serve({s.statics(1, 5, 19), s.appends(1, 12)});
    CHECK(back[0].from[1] == 19);
    CHECK(back[1].from[1] == 12);
  }
}

TEST_CASE("parts in a store: what a lease wrote beside and did not commit leaves the record", "[cache][parts]")
{
  over_memory s;
  s.serve({s.statics(1, 5, 19)});
  s.push_out();
  CHECK(s.serve({s.statics(1, 6, 19)}, false)[0].computed == 19);
  CHECK(s.serve({s.statics(1, 5, 19)})[0].from[1] == 19);
}

TEST_CASE("parts in a store: what a lease computes for itself alone is not put", "[cache][parts]")
{
  over_memory s;
  s.serve({s.statics(1, 5, 19)});
  s.push_out();
  std::vector<part> next{s.statics(1, 6, 19)};
  const request r{.user = user_id{2}, .epoch = s.epoch, .parts = next};
  auto writer = s.cache->prepare({&r, 1}, s.compute).value();
  next.front().if_computed_elsewhere = computed_elsewhere::compute_own;
  CHECK(s.serve({next.front(), s.appends(1, 9)})[0].computed == 19);
  s.push_out();
  REQUIRE(s.store.shelf().find({1, 1}));
  CHECK(s.store.shelf().find({1, 1})->version == 5);
  for (layer_index l = 0; l < tiny.layers; ++l) writer.layer_done(l);
  writer.finish();
  s.push_out();
  CHECK(s.store.shelf().find({1, 1})->version == 6);
}

TEST_CASE("parts in a store: one that the room cannot hold is not got in pieces", "[cache][parts]")
{
  over_memory s({}, {.room = 12});  // half of it for each way
  s.serve({s.statics(1, 1, 60)});
  s.serve({s.statics(2, 1, 20)});
  s.push_out();
  CHECK_FALSE(s.store.shelf().find({1, 1}));
  REQUIRE(s.store.shelf().find({1, 2}));
  CHECK((s.store.shelf().find({1, 2})->tokens == token_interval{0, 20}));
}

TEST_CASE("parts in a store: random operations, restarts and losses", "[cache][parts][random]")
{
  parts_served all;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    memory_store_config bad{.lanes = 3, .in_flight = 5, .least_seconds = 1e-6, .most_seconds = 1e-3};
    bad.lost_in = 9;
    bad.unknown_in = 4;
    bad.seed = seed;
    over_memory s(seed % 2 == 0 ? bad : memory_store_config{.most_seconds = 1e-3}, {.slab = 22, .arena = 24}, seed);
    const parts_served one = walk_parts(s, seed, 400);
    for (level_index i = 0; i < most_levels; ++i) all.from[i] += one.from[i];
    all.superseded += one.superseded;
  }
  CHECK(all.from[0] != 0);
  CHECK(all.from[1] != 0);
  CHECK(all.superseded != 0);
}

TEST_CASE("parts on a drive: random operations, and restarts of every kind", "[cache][parts][random]")
{
  parts_served all;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    over_drive s(tiny_nvme(), {.slab = 22, .arena = 24}, seed);
    const parts_served one = walk_parts(s, seed, 300);
    for (level_index i = 0; i < most_levels; ++i) all.from[i] += one.from[i];
  }
  CHECK(all.from[1] != 0);
}
