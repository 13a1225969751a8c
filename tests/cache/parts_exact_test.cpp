// Requests of parts where a level is lossy: what came through it, and what was computed on top of that, is served to nobody who
// wants exact tokens, whichever part it is of.
#include "cache/parts_bed.hpp"
#include "support/sentence_of.hpp"
#include "support/toy_codec.hpp"

#include <kvstrata/transfer/engines/batched_copy.hpp>

#include <array>
#include <cstdint>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

using lossy_parts_cache =
    cache<tier_stack<device_slab<emulated_device>, pinned_arena<token_write_through, toy_code<true>>>, hybrid_layout,
          layerwise_transfer<batched_copy<>>, lru, counters>;

struct lossy_parts_bed : parts_bed<lossy_parts_cache>
{
  lossy_parts_bed() : parts_bed({.time = time_mode::virtual_time, .check_ordering = true}, config()) {}

  [[nodiscard]] static lossy_parts_cache::config config()
  {
    auto c = tiny_config<lossy_parts_cache>(30, 120);
    std::get<1>(c.tiers).raw_share = 0.75;  // the model of these stories writes nothing that has a code
    return c;
  }
  /// By part, where its tokens came from and what of them is exact.
  struct served
  {
    std::vector<token_sources> from;
    std::vector<token_count> inexact_from;
  };
  served ask(std::uint64_t user, const std::vector<part>& parts, bool exact, bool commits = true)
  {
    request r = asks(user, parts);
    r.exact = exact;
    auto mine = cache.prepare({&r, 1}, compute).value();
    served out;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      out.from.push_back(mine.sources(0, p));
      out.inexact_from.push_back(mine.plan().requests[mine.plan().row(0, p)].inexact_from);
    }
    run_model(mine);
    if (commits) mine.commit();
    mine.release();
    return out;
  }
  /// Everybody goes down, through the lossy level.
  void push_out() { static_cast<void>(serve(99, {scratch(120)})); }
};

TEST_CASE("exact parts: what is appended on a lossy copy was never copied itself, and is inexact all the same",
          "[cache][parts][codec]")
{
  lossy_parts_bed b;
  static_cast<void>(b.ask(1, {b.statics(1, 1, 13)}, false));
  b.push_out();
  const auto first = b.ask(1, {b.statics(1, 1, 13), b.appends(1, 6)}, false);
  CHECK(is(first.from[0], 0, 13, 0));
  CHECK(is(first.from[1], 0, 0, 6));
  CHECK(first.inexact_from == std::vector<token_count>{0, 0});
  CHECK(is(b.ask(1, {b.statics(1, 1, 13), b.appends(1, 6)}, false).from[1], 6, 0, 0));

  const auto exact = b.ask(1, {b.statics(1, 1, 13), b.appends(1, 8)}, true);
  CHECK(is(exact.from[0], 0, 0, 13));
  CHECK(is(exact.from[1], 0, 0, 8));
  CHECK(exact.inexact_from == std::vector<token_count>{all_exact, all_exact});
  CHECK(b.cache.stats().forgotten.inexact == 6);
  const auto again = b.ask(1, {b.statics(1, 1, 13), b.appends(1, 8)}, true);
  CHECK(is(again.from[0], 13, 0, 0));
  CHECK(is(again.from[1], 8, 0, 0));
}

TEST_CASE("exact parts: exact rows stay in front of those that were computed on a lossy copy", "[cache][parts][codec]")
{
  lossy_parts_bed b;
  static_cast<void>(b.ask(1, {b.statics(1, 1, 5), b.appends(1, 6)}, false));
  {
    const auto keeps_recent = b.hold(1, {b.statics(1, 1, 5), b.appends(1, 6)});
    CHECK(b.cache.erase(sequence_key{1, 1}));
    static_cast<void>(b.ask(2, {b.statics(1, 1, 5)}, false));
    static_cast<void>(b.serve(99, {b.scratch(104)}));  // the static part alone goes down
  }
  const auto mixed = b.ask(1, {b.statics(1, 1, 5), b.appends(1, 9)}, false);
  CHECK(is(mixed.from[0], 0, 5, 0));
  CHECK(is(mixed.from[1], 6, 0, 3));
  CHECK(mixed.inexact_from == std::vector<token_count>{0, 6});
  const auto exact = b.ask(1, {b.statics(1, 1, 5), b.appends(1, 9)}, true);
  CHECK(is(exact.from[0], 0, 0, 5));
  CHECK(is(exact.from[1], 6, 0, 3));
  CHECK(b.cache.stats().forgotten.inexact == 3);
}

TEST_CASE("exact parts: an exact version is written beside an inexact one, whose readers go on",
          "[cache][parts][codec]")
{
  lossy_parts_bed b;
  static_cast<void>(b.ask(1, {b.reads(9, 7)}, false));
  b.push_out();
  auto reader = b.hold(1, {b.reads(9, 7)});
  CHECK(is(reader.sources(0), 0, 7, 0));
  auto dropped = b.ask(2, {b.reads(9, 7)}, true, false);  // who does not commit leaves it as it was
  CHECK(is(dropped.from[0], 0, 0, 7));
  CHECK(b.ask(3, {b.reads(9, 7)}, false).inexact_from[0] == 0);
  CHECK(is(b.ask(2, {b.reads(9, 7)}, true).from[0], 0, 0, 7));
  CHECK(b.ask(3, {b.reads(9, 7)}, false).inexact_from[0] == all_exact);
  reader.release();
  CHECK(is(b.ask(2, {b.reads(9, 7)}, true).from[0], 7, 0, 0));
  CHECK(b.cache.stats().levels[0].resident_tokens == 7);
}

TEST_CASE("exact parts: of a batch, all read what the one who wants exact tokens needs", "[cache][parts][codec]")
{
  for (const bool exact_first : {true, false}) {
    CAPTURE(exact_first);
    lossy_parts_bed b;
    static_cast<void>(b.ask(1, {b.reads(9, 7)}, false));
    b.push_out();
    const std::vector<part> mine{b.reads(9, 7), b.appends(1, 5)}, theirs{b.reads(9, 7), b.appends(2, 5)};
    std::array<request, 2> both{b.asks(1, mine), b.asks(2, theirs)};
    both[exact_first ? 0 : 1].exact = true;
    auto lease = b.cache.prepare(both, b.compute).value();
    CHECK(lease.sources(0, 0).computed == 7);
    CHECK(lease.sources(1, 0).from[0] == 7);
    for (const request_plan& row : lease.plan().requests) CHECK(row.inexact_from == all_exact);
    b.run_model(lease);
    lease.finish();
    CHECK(b.cache.stats().forgotten.inexact == 0);
  }
}

TEST_CASE("parts: what a later reader of a batch says of a version counts as what the first one says", "[cache][parts]")
{
  parts_bed<default_scene_cache> b(30, 40);
  const std::array<std::uint64_t, 7> hashes{1, 2, 3, 4, 5, 6, 7}, others{1, 2, 3, 4, 5, 6, 8};
  const auto with = [&b](const std::array<std::uint64_t, 7>& says) {
    part p = b.reads(9, 7);
    p.fingerprint = {.stride = 1, .prefix_hashes = says};
    return p;
  };
  static_cast<void>(b.serve(1, {with(hashes)}));
  const std::vector<part> plain{b.reads(9, 7)}, same{with(hashes)}, other{with(others)};
  std::array<request, 2> batch{b.asks(1, plain), b.asks(2, other)};
  CHECK(sentence_of<error>([&] {
          static_cast<void>(b.cache.prepare(batch, b.compute));
        }).find("version 0 of sequence 9 of space 3 contradicts what is cached of it: their ") == 0);
  batch[0].parts = same;
  CHECK(sentence_of<error>([&] { static_cast<void>(b.cache.prepare(batch, b.compute)); }) ==
        "sequence 9 of space 3 is twice in one batch, with two fingerprints, the second in the request of user 2; one "
        "version has one content");
  CHECK(b.cache.stats().leases == 0);
  batch[0].parts = plain;
  batch[1].if_rewritten = rewritten_history::start_anew;
  CHECK(sentence_of<error>([&] {
          static_cast<void>(b.cache.prepare(batch, b.compute));
        }).find("give what is changed another version") != std::string::npos);
}

TEST_CASE("parts: one version has one content, also for who would start anew", "[cache][parts]")
{
  parts_bed<default_scene_cache> b(30, 40);
  const std::array<std::uint64_t, 8> before{1, 2, 3, 4, 5, 6, 7, 8}, after{11, 12, 13, 14, 15, 16, 17, 18};
  const auto ask = [&](std::uint64_t version, const std::array<std::uint64_t, 8>& says, token_count tokens = 8) {
    part k = b.statics(1, version, tokens);
    k.fingerprint = {.stride = 1, .prefix_hashes = says};
    return std::vector<part>{k, b.appends(1, 10)};
  };
  CHECK(b.serve(1, ask(1, before), 1).computed == 10);
  const auto refused = [&](const std::vector<part>& parts) {
    request r = b.asks(1, parts);
    r.if_rewritten = rewritten_history::start_anew;
    return sentence_of<history_error>([&] { static_cast<void>(b.cache.prepare({&r, 1}, b.compute)); });
  };
  const std::string other = "version 1 of sequence 1 of space ";
  CHECK(refused(ask(1, after)).find(other) == 0);
  CHECK(refused(ask(1, before, 6)).find("give what is changed another version") != std::string::npos);
  CHECK(b.serve(1, ask(1, before), 1).computed == 0);  // nothing has changed
  CHECK(b.serve(1, ask(2, after), 1).computed == 10);  // whose rows saw what is no more
}

}  // namespace
