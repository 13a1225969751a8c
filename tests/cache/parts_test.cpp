// Requests of parts: who may have what, what is served whole or not at all, what goes when a version goes.
#include "cache/parts_bed.hpp"
#include "support/allocation_count.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/ahead/prefetcher.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/sharded/sharded.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <new>
#include <set>
#include <span>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

using bed = parts_bed<default_scene_cache>;

TEST_CASE("parts: a request without parts and one of its history alone are the same", "[cache][parts]")
{
  bed b(20, 40);
  CHECK(b.serve(7, {b.history(7, 10)}).computed == 10);
  const request plain{.user = user_id{7}, .history_tokens = 10};
  auto lease = b.cache.prepare({&plain, 1}, b.compute).value();
  CHECK(lease.sources(0).from[0] == 10);
  lease.release();
  CHECK(b.serve(7, {b.history(7, 12)}).from[0] == 10);
}

TEST_CASE("parts: each has a page table of its own, in the order of the requests", "[cache][parts]")
{
  bed b(30, 40);
  const std::vector<part> first{b.statics(1, 1, 9), b.appends(1, 5), b.scratch(6)};
  const std::vector<part> second{b.statics(2, 1, 3), b.appends(2, 0)};
  const std::vector<request> batch{b.asks(1, first), b.asks(2, second), {.user = user_id{3}, .history_tokens = 8}};
  auto lease = b.cache.prepare(batch, b.compute).value();
  REQUIRE(lease.size() == 3);
  const auto sizes = [&](std::size_t part) {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < 3; ++i) out.push_back(lease.view(part).pages(i).size());
    return out;
  };
  CHECK(sizes(0) == std::vector<std::size_t>{3, 1, 2});
  CHECK(sizes(1) == std::vector<std::size_t>{2, 0, 0});
  CHECK(sizes(2) == std::vector<std::size_t>{2, 0, 0});
  CHECK(lease.view(1).tokens(0) == 5);
  CHECK(lease.view().pages(1).size() == 1);
  CHECK(sentence_of<error>([&] { static_cast<void>(lease.view(3)); }) == "view: part 3 is past the last of 3 parts");
  CHECK(sentence_of<error>([&] { static_cast<void>(lease.compute(1, 2)); }) ==
        "compute: part 2 is past the last of 2 parts");
  CHECK(lease.compute(0, 2).front() == token_interval{0, 6});
  CHECK(lease.compute(1, 1).empty());
  CHECK(lease.compute(2).front() == token_interval{0, 8});
  b.run_model(lease);
  lease.finish();
  CHECK(b.cache.stats().users == 4);  // two static parts, one to append, one history; the empty one is nobody
}

TEST_CASE("parts: what is kept of a history beside them is counted as anywhere", "[cache][parts]")
{
  bed b(30, 40);
  const std::vector<std::uint64_t> hashes{11, 12, 13};
  const std::vector<part> parts{b.reads(9, 7)};
  const request batch[] = {{.user = user_id{1}, .history_tokens = 12, .stretches = {.stride = 4, .hashes = hashes}},
                           b.asks(2, parts)};
  auto lease = b.cache.prepare(batch, b.compute).value();
  b.run_model(lease);
  lease.finish();
  CHECK(b.cache.stats().stretch_bytes == sizeof(std::uint64_t));
  CHECK(b.cache.erase(user_id{1}));
  CHECK(b.cache.stats().stretch_bytes == 0);
}

TEST_CASE("parts: scratch is the lease's own, and gone with it", "[cache][parts]")
{
  bed b(20, 40);
  auto lease = b.hold(1, {b.history(1, 8), b.scratch(30)});
  CHECK(lease.view(1).pages(0).size() == 8);
  CHECK(b.cache.stats().levels[0].resident_bytes == 10 * tiny_page_bytes);
  CHECK(b.cache.stats().levels[0].resident_tokens == 0);
  b.run_model(lease);
  lease.commit();
  CHECK(b.cache.stats().levels[0].resident_tokens == 8);
  lease.release();
  const cache_stats s = b.cache.stats();
  CHECK(s.levels[0].resident_bytes == 2 * tiny_page_bytes);
  CHECK(s.levels[0].evicted_tokens == 0);
  CHECK(s.levels[1].resident_tokens == 8);
  CHECK(b.cache.tracker().read().scratch_tokens == 30);
  CHECK(b.cache.tracker().read().computed_tokens == 8);
  CHECK(b.cache.tracker().read().committed_tokens == 8);

  // While one lease has most of the slab, another one is told the numbers.
  auto large = b.hold(2, {b.scratch(60)});
  const auto refused = b.prepare(3, {b.scratch(40)});
  REQUIRE(!refused);
  CHECK(refused.why().why == pressure::reason::held);
  CHECK(refused.why().pages_needed == 10);
  CHECK(refused.why().pages_held == 15);
  CHECK(!b.cache.wait_sync(refused.why(), std::chrono::nanoseconds(0)));
  large.release();
  CHECK(b.cache.wait_sync(refused.why(), std::chrono::nanoseconds(0)));
  CHECK(b.prepare(3, {b.scratch(40)}).has_value());
}

TEST_CASE("parts: one that is replaced is served whole or computed whole", "[cache][parts]")
{
  bed b(20, 40);
  CHECK(b.serve(1, {b.statics(1, 5, 13)}).computed == 13);
  CHECK(b.serve(1, {b.statics(1, 5, 13)}).from[0] == 13);
  CHECK(b.serve(1, {b.statics(1, 6, 14)}).computed == 14);  // not one row of version 5
  CHECK(b.cache.stats().forgotten.superseded == 13);
  CHECK(b.cache.stats().levels[0].resident_tokens == 14);
  CHECK(b.cache.stats().users == 1);
  static_cast<void>(b.serve(2, {b.scratch(80)}));  // everybody goes
  CHECK(b.cache.stats().levels[0].resident_tokens == 0);
  CHECK(b.serve(1, {b.statics(1, 6, 14)}).from[1] == 14);
}

TEST_CASE("parts: eviction takes what is replaced as a whole", "[cache][parts]")
{
  bed b(20, 10);
  static_cast<void>(b.serve(1, {b.statics(1, 1, 40)}));
  static_cast<void>(b.serve(2, {b.history(2, 32)}));
  static_cast<void>(b.serve(3, {b.scratch(16)}));  // two pages are missing; the first to go has ten
  CHECK(b.cache.stats().levels[0].resident_tokens == 32);
  CHECK(b.cache.stats().levels[0].evicted_tokens == 40);
}

/// No lease is out, and the batch fits: then it is served, whatever of its own users must make room.
TEST_CASE("parts: what a part has beyond a shorter request makes room in the end", "[cache][parts]")
{
  bed b(9, 64);
  static_cast<void>(b.serve(1, {b.statics(1, 1, 12), b.appends(1, 20)}));  // eight of nine pages
  static_cast<void>(b.serve(9, {b.history(9, 4)}));
  const auto victims = [](const auto& lease) { return lease.plan().victims; };

  // As long as somebody else makes room, it stays.
  auto first = b.hold(1, {b.statics(1, 1, 12), b.appends(1, 8), b.scratch(4)});
  REQUIRE(victims(first).size() == 1);
  CHECK(victims(first)[0].user == user_id{9});
  first.release();
  static_cast<void>(b.serve(9, {b.history(9, 4)}));

  auto all_of_it = b.hold(1, {b.statics(1, 1, 12), b.appends(1, 8), b.scratch(16)});  // 3 + 2 + 4 pages
  REQUIRE(victims(all_of_it).size() == 2);
  CHECK(victims(all_of_it)[0].space == 2);
  CHECK(victims(all_of_it)[0].pages == 3);
  CHECK(victims(all_of_it)[0].rear);
  CHECK(victims(all_of_it)[1].user == user_id{9});
  CHECK(all_of_it.sources(0, 0).from[0] == 12);
  CHECK(all_of_it.sources(0, 1).from[0] == 8);
  CHECK(all_of_it.view(2).pages(0).size() == 4);
  all_of_it.release();
  const token_sources again = b.serve(1, {b.statics(1, 1, 12), b.appends(1, 20)}, 1);
  CHECK(again.from[0] == 8);
  CHECK(again.from[1] == 12);
  CHECK(b.cache.stats().levels[0].dropped_tokens == 0);
}

TEST_CASE("parts: where its copy is refused, what a batch shares is given back", "[cache][parts]")
{
  bed b(8, 64);
  static_cast<void>(b.serve(1, {b.reads(5, 16)}));
  static_cast<void>(b.serve(2, {b.scratch(32)}));  // it goes down
  const std::vector<part> shared{b.reads(5, 16)};
  const std::vector<request> batch{b.asks(1, shared), b.asks(2, shared)};
  b.device.refuse_next_copy(0, 1);
  const auto refused = b.cache.prepare(batch, b.compute);
  REQUIRE(!refused);
  CHECK(refused.why().why == pressure::reason::copy_refused);
  CHECK(b.cache.stats().levels[0].resident_bytes == 0);
  static_cast<void>(b.serve(3, {b.scratch(32)}));  // all of the slab can be had
  CHECK(b.cache.prepare(batch, b.compute).value().sources(1).from[0] == 16);
}

TEST_CASE("parts: readers of a version go on while another is written beside it", "[cache][parts]")
{
  bed b(30, 40);
  static_cast<void>(b.serve(1, {b.statics(1, 1, 8)}));
  auto reader = b.hold(2, {b.statics(1, 1, 8)});
  auto other_reader = b.hold(3, {b.statics(1, 1, 8)});
  CHECK(other_reader.sources(0).from[0] == 8);
  auto writer = b.hold(1, {b.statics(1, 2, 9)});
  CHECK(writer.sources(0).computed == 9);
  const auto second = b.prepare(4, {b.statics(1, 2, 9)});
  REQUIRE(!second);
  CHECK(comes_by_commit(second.why()));
  CHECK(!b.cache.wait_sync(second.why(), std::chrono::nanoseconds(0)));
  auto third_reader = b.hold(4, {b.statics(1, 1, 8)});
  CHECK(third_reader.sources(0).from[0] == 8);

  SECTION("a commit puts it in its place; the old one goes with its last hold")
  {
    b.run_model(writer);
    writer.commit();
    CHECK(b.cache.wait_sync(second.why(), std::chrono::nanoseconds(0)));
    auto reads_new = b.hold(5, {b.statics(1, 2, 9)});  // before it is released
    CHECK(reads_new.sources(0).from[0] == 9);
    CHECK(b.cache.stats().levels[0].resident_tokens == 9);
    CHECK(b.cache.stats().levels[0].resident_bytes == 5 * tiny_page_bytes);
    CHECK_THROWS_AS(b.prepare(6, {b.statics(1, 1, 8)}), history_error);
    writer.release();
    reader.release();
    other_reader.release();
    CHECK(b.cache.stats().levels[0].resident_bytes == 5 * tiny_page_bytes);
    third_reader.release();
    CHECK(b.cache.stats().levels[0].resident_bytes == 3 * tiny_page_bytes);
    reads_new.release();
  }
  SECTION("dropped without a commit it leaves the old one")
  {
    writer.release();
    CHECK(b.cache.wait_sync(second.why(), std::chrono::nanoseconds(0)));
    CHECK(b.serve(5, {b.statics(1, 1, 8)}).from[0] == 8);
    CHECK(b.cache.stats().forgotten.superseded == 0);
  }
  SECTION("an erasure reaches both")
  {
    CHECK(b.cache.erase(sequence_key{1, 1}));
    b.run_model(writer);
    writer.finish();
    CHECK(b.cache.stats().users == 0);
    CHECK(b.serve(5, {b.statics(1, 1, 7)}).computed == 7);  // an older version, of which nobody knows
  }
  SECTION("the epoch of both may end")
  {
    b.cache.advance_epoch(epoch_id{1});
    b.epoch = epoch_id{1};
    b.run_model(writer);
    writer.finish();
    CHECK(b.cache.stats().users == 0);
    CHECK(b.serve(5, {b.statics(1, 2, 9)}).computed == 9);
  }
}

TEST_CASE("parts: a reader of what is committed and not released waits for all of it, whatever layer was done last",
          "[cache][parts]")
{
  parts_bed<lone_scene_cache> b(30);  // no copy down, which would be waited for besides
  const std::vector<part> parts{b.statics(1, 2, 9)};
  const auto touch = [&b](auto& lease, layer_index layer, stream_id on, bool writes) {
    const emulated_device::memory_range row{lease.view().key(layer, 0, 0), tiny.key_bytes()};
    const std::span<const emulated_device::memory_range> one(&row, 1), none;
    lease.wait(layer);
    b.device.launch(on, {.label = "layer", .seconds = 1, .reads = writes ? none : one, .writes = writes ? one : none},
                    [] {});
    lease.layer_done(layer);
  };
  auto writer = b.hold(1, parts);
  for (layer_index layer = tiny.layers; layer-- != 0;) touch(writer, layer, b.compute, true);
  writer.commit();
  const request r = b.asks(2, parts);
  const stream_id other = b.device.create_stream("other");
  auto reader = b.cache.prepare({&r, 1}, other).value();
  CHECK(reader.sources(0).from[0] == 9);
  for (layer_index layer = 0; layer < tiny.layers; ++layer) touch(reader, layer, other, false);
  b.device.wait_sync(b.device.record(other));  // the bed looks whether it was in order
}

TEST_CASE("parts: what stands on a version goes with it", "[cache][parts]")
{
  bed b(40, 60);
  const auto ask = [&b](std::uint64_t version, token_count recent) {
    return std::vector<part>{b.statics(1, version, 12), b.appends(1, recent), b.scratch(4)};
  };
  CHECK(b.serve(1, ask(1, 10), 1).computed == 10);
  CHECK(b.serve(1, ask(1, 13), 1).from[0] == 10);
  SECTION("met by a request")
  {
    CHECK(b.serve(1, ask(2, 13), 1).computed == 13);
    CHECK(b.serve(1, ask(2, 13), 1).from[0] == 13);
    CHECK(b.cache.stats().forgotten.superseded == 12 + 13);
    CHECK(b.cache.tracker().read().superseded_tokens == 12 + 13);
  }
  SECTION("asked for in figures")
  {
    static_cast<void>(b.serve(1, {b.statics(1, 2, 12)}));
    const cache_stats s = b.cache.stats();
    CHECK(s.forgotten.superseded == 12 + 13);
    CHECK(s.levels[0].resident_tokens == 12);
    CHECK(s.levels[0].stale_bytes == 4 * tiny_page_bytes);
    CHECK(s.dirty_tokens == 0);
    CHECK(b.serve(1, ask(2, 13), 1).computed == 13);
    CHECK(b.cache.stats().forgotten.superseded == 12 + 13);
  }
  SECTION("gone before anybody else for room")
  {
    static_cast<void>(b.serve(9, {b.history(9, 4)}));  // younger than the static part, older than its successor
    static_cast<void>(b.serve(1, {b.statics(1, 2, 12)}));
    static_cast<void>(b.serve(2, {b.scratch(130)}));
    const cache_stats s = b.cache.stats();
    CHECK(s.forgotten.superseded == 12 + 13);
    CHECK(s.levels[0].evicted_tokens == 0);
    CHECK(s.levels[0].stale_bytes == 0);
    CHECK(s.levels[0].resident_tokens == 12 + 4);
  }
  SECTION("under a lease it goes later")
  {
    auto lease = b.hold(1, ask(1, 15));
    static_cast<void>(b.serve(2, {b.statics(1, 2, 12)}));
    CHECK(b.cache.stats().forgotten.superseded == 12);
    b.run_model(lease);
    lease.finish();
    CHECK(b.cache.stats().forgotten.superseded == 12 + 15);
    CHECK(b.cache.stats().superseded_versions == 12);
  }
}

TEST_CASE("parts: several requests of a batch read what one of them computes", "[cache][parts]")
{
  bed b(30, 40);
  const std::vector<part> first{b.reads(9, 7), b.appends(1, 5)};
  const std::vector<part> second{b.reads(9, 7), b.appends(2, 5)};
  for (int round = 0; round < 2; ++round) {
    const std::vector<request> batch{b.asks(1, first), b.asks(2, second)};
    auto lease = b.cache.prepare(batch, b.compute).value();
    CHECK(lease.sources(0, 0).computed == (round == 0 ? 7 : 0));
    CHECK(lease.sources(1, 0).computed == 0);
    CHECK(std::ranges::equal(lease.view(0).pages(0), lease.view(0).pages(1)));
    CHECK(b.cache.stats().levels[0].resident_bytes == 6 * tiny_page_bytes);
    b.run_model(lease);
    lease.finish();
  }
  CHECK(b.cache.stats().levels[0].resident_tokens == 17);
  CHECK(b.cache.tracker().read().computed_tokens == 17);
}

TEST_CASE("parts: bad input is refused with a sentence, and changes nothing", "[cache][parts]")
{
  bed b(20, 40);
  static_cast<void>(b.serve(1, {b.statics(1, 3, 8), b.appends(1, 4)}));
  const auto said = [&b](const std::vector<part>& parts) {
    return sentence_of<error>([&] { static_cast<void>(b.prepare(7, parts)); });
  };
  CHECK(
      said({b.appends(1, 4), b.statics(1, 3, 8)}) ==
      "the request of user 7 has the replace part sequence 1 of space 1 behind an append part; a part stands on those "
      "before it, so what is replaced comes first");
  CHECK(said({b.appends(1, 4), b.appends(1, 4)}) == "sequence 1 of space 2 is twice in the request of user 7");
  CHECK(said({b.statics(1, 2, 8)}) ==
        "version 2 of sequence 1 of space 1 is asked for, but version 3 is cached; versions only go forward");
  CHECK(said({b.statics(1, 3, 9)}) ==
        "version 3 of sequence 1 of space 1 has 9 tokens in the request, but 8 in the cache; give what is changed "
        "another "
        "version");
  CHECK(said({{.key = {1, 1}, .tokens = 8}}) ==
        "sequence 1 of space 1 is asked for as a part to append, but was cached as one to replace or read; give each "
        "kind "
        "of part a space of its own");
  CHECK(said({{.key = {0, 5}, .tokens = 3, .mode = part_mode::scratch, .first_token = 1}}) ==
        "the request of user 7 has a scratch part user 5 that begins at token 1; only append parts have "
        "windows");
  CHECK(said({b.scratch(81)}) ==
        "the batch of 1 users needs 21 pages, but the slab has 20; send a smaller batch or give the slab more bytes");
  CHECK(said({b.appends(4, 70), b.scratch(12)}) ==
        "the batch of 1 users needs 21 pages, but the slab has 20; send a smaller batch or give the slab more bytes");
  const std::vector<part> some{b.statics(1, 3, 8)};
  request r = b.asks(7, some);
  r.history_tokens = 4;
  CHECK(sentence_of<error>([&] { static_cast<void>(b.cache.prepare({&r, 1}, b.compute)); }) ==
        "the request of user 7 has parts and also tokens of its own; of a request with parts only the parts tell of "
        "tokens");
  r.history_tokens = 0;
  r.provisional = true;
  CHECK(sentence_of<error>([&] { static_cast<void>(b.cache.prepare({&r, 1}, b.compute)); }) ==
        "the request of user 7 has parts and also request.provisional; only a request without parts is counted on "
        "before a "
        "store has answered: leave it out, and wait where the call says pressure::arriving");
  const std::vector<part> mine{b.appends(1, 4)}, theirs{b.appends(1, 4)};
  const std::vector<request> twice{b.asks(1, mine), b.asks(2, theirs)};
  CHECK(sentence_of<error>([&] { static_cast<void>(b.cache.prepare(twice, b.compute)); }) ==
        "sequence 1 of space 2 is twice in one batch, the second time in the request of user 2; an append part is one "
        "request's, and a sequence has one mode");
  const std::vector<part> old{b.statics(2, 1, 4)}, fresh{b.statics(2, 2, 4)};
  const std::vector<request> two{b.asks(1, old), b.asks(2, fresh)};
  CHECK(sentence_of<error>([&] { static_cast<void>(b.cache.prepare(two, b.compute)); }) ==
        "sequence 2 of space 1 is twice in one batch, as version 1 of 4 tokens and as version 2 of 4 tokens");
  const cache_stats s = b.cache.stats();
  CHECK(s.levels[0].resident_tokens == 12);
  CHECK(s.leases == 0);
  CHECK(s.forgotten.total() == 0);
  CHECK(b.serve(1, {b.statics(1, 3, 8), b.appends(1, 4)}, 1).from[0] == 4);
}

TEST_CASE("parts: a prefetch brings up one after the other, replace parts whole or not at all", "[cache][parts]")
{
  bed b(20, 60);
  const std::vector<part> mine{b.statics(1, 1, 16), b.appends(1, 12), b.scratch(4)};
  static_cast<void>(b.serve(1, mine));
  static_cast<void>(b.serve(2, {b.scratch(80)}));  // all go down
  const request r = b.asks(1, mine);
  const auto few = b.cache.prefetch(r, {.pages = 3}).value();
  CHECK(few.tokens == 12);  // not the static part, which has four pages
  CHECK(few.left == 16);
  CHECK(b.cache.undo_prefetch(r) == 12);
  const auto all = b.cache.prefetch(r).value();
  CHECK(all.tokens == 28);
  CHECK(all.left == 0);
  CHECK(all.pages == 7);
  CHECK(b.serve(1, mine, 1).from[0] == 12);
  const std::vector<part> another{b.statics(1, 2, 16), b.appends(1, 12)};
  CHECK(b.cache.prefetch(b.asks(1, another)).value().tokens == 0);
  const std::vector<part> older{b.appends(1, 12), b.statics(1, 0, 16)};
  CHECK_THROWS_AS(b.cache.prefetch(b.asks(1, older)), usage_error);
}

TEST_CASE("parts: a prefetcher keeps what it needs of them", "[cache][parts]")
{
  bed b(20, 60);
  static_cast<void>(b.serve(1, {b.statics(1, 1, 16), b.appends(1, 12)}));
  static_cast<void>(b.serve(2, {b.scratch(80)}));
  prefetcher<default_scene_cache> ahead(b.cache, {.budget_pages = 20, .step_pages = 10});
  prefetch_ticket ticket;
  {
    const std::vector<part> gone_soon{b.statics(1, 1, 16), b.appends(1, 12)};
    ticket = ahead.launch(b.asks(1, gone_soon));
  }
  CHECK(ahead.wait_sync(ticket));
  CHECK(ahead.take(ticket) == 28);
  CHECK(b.serve(1, {b.statics(1, 1, 16), b.appends(1, 12)}).from[0] == 16);
}

TEST_CASE("parts: all of a request are in the shard of its user", "[cache][parts][sharded]")
{
  emulated_device device({.time = time_mode::virtual_time});
  const stream_id compute = device.create_stream("compute");
  sharded<default_scene_cache> cache(device, tiny_config<default_scene_cache>(90, 120), 3);
  std::vector<std::vector<part>> parts;
  for (std::uint64_t user = 0; user < 6; ++user)
    parts.push_back({bed::reads(5, 6), bed::appends(user, static_cast<token_count>(4 + user))});
  std::vector<request> batch;
  for (std::uint64_t user = 0; user < 6; ++user) batch.push_back({.user = user_id{user}, .parts = parts[user]});
  batch.push_back({.user = user_id{6}, .history_tokens = 9});
  for (int round = 0; round < 2; ++round) {
    auto lease = cache.prepare(batch, compute).value();
    REQUIRE(lease.size() == 7);
    std::set<std::uint32_t> computed_in;
    for (std::size_t i = 0; i < 6; ++i) {
      CHECK(lease.view(0).tokens(i) == 6);
      CHECK(lease.view(1).tokens(i) == 4 + i);
      CHECK(lease.view(1).pages(i).size() == (4 + i + 3) / 4);
      CHECK(lease.sources(i, 1).computed == (round == 0 ? 4 + i : 0));
      if (!lease.compute(i, 0).empty()) CHECK(computed_in.insert(cache.shard_of(user_id{i})).second);
    }
    CHECK(computed_in.empty() == (round != 0));
    CHECK(lease.view(0).tokens(6) == 9);
    CHECK(lease.view(1).pages(6).empty());
    CHECK(sentence_of<error>([&] { static_cast<void>(lease.view(2)); }) == "view: part 2 is past the last of 2 parts");
    for (layer_index layer = 0; layer < tiny.layers; ++layer) lease.layer_done(layer);
    lease.finish();
  }
  CHECK(cache.erase(sequence_key{3, 5}));
  CHECK_FALSE(cache.erase(sequence_key{3, 5}));
  CHECK(cache.stats().leases == 0);
}

TEST_CASE("parts: whichever allocation fails, nothing stays held and nothing is lost sight of", "[cache][parts][hooks]")
{
  bool failed = true;
  for (std::size_t which = 1; failed; ++which) {
    CAPTURE(which);
    bed b(16, 24);
    static_cast<void>(b.serve(1, {b.statics(1, 1, 12), b.appends(1, 9)}));
    {
      const failing_allocation starving(which);
      try {
        auto reader = b.hold(2, {b.statics(1, 1, 12), b.scratch(5)});
        static_cast<void>(b.serve(1, {b.statics(1, 2, 13), b.appends(1, 11), b.scratch(3)}));
        reader.release();
        static_cast<void>(b.serve(3, {b.reads(1, 5), b.appends(3, 7), b.history(3, 6)}));
        static_cast<void>(b.serve(1, {b.statics(1, 2, 13), b.appends(1, 12)}));
      } catch (const std::bad_alloc&) {
      }
      failed = failing_allocation::happened();
    }
    const cache_stats s = b.cache.stats();
    CHECK(s.leases == 0);
    for (const tier_stats& tier : all_tiers(s))
      REQUIRE(tier.free_bytes + tier.resident_bytes + tier.in_flight_bytes == tier.capacity_bytes);
    CHECK(b.serve(1, {b.statics(1, 3, 6), b.appends(1, 13)}).computed == 6);
    for (std::uint32_t space = 0; space < 4; ++space) {
      for (std::uint64_t id = 1; id < 4; ++id) b.cache.erase(sequence_key{space, id});
    }
    const cache_stats after = b.cache.stats();
    CHECK(after.users == 0);
    for (const tier_stats& tier : all_tiers(after)) CHECK(tier.resident_bytes == tier.stale_bytes);
    b.cache.close();
    if (which > 2000) FAIL("allocations fail for ever");
  }
}

}  // namespace
