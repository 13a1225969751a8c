// Contexts of blocks out of a cache: what plain pages give, whatever happens to the cache meanwhile; and what was computed on top of
// blocks is never anybody else's.
#include "decoder/blocks/serve_context.hpp"
#include "decoder/blocks_bed.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/assembly/append_behind.hpp>
#include <kvstrata/cache.hpp>
#include <kvstrata/device/arrival.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/position/position_free.hpp>
#include <kvstrata/recompute/first_k.hpp>
#include <kvstrata/recompute/v_deviation.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <vector>

using namespace decoder_test;
using kvstrata::recompute_shares;
using kvstrata::position::position_free;
using kvstrata::position::rotate_on_copy;
using kvstrata_test::sentence_of;
namespace recompute = kvstrata::recompute;

namespace {

constexpr kvstrata::token_count page = 4;
using cache_type = kvstrata::default_cache<kvstrata::emulated_device>;

template <kvstrata::position_policy P>
struct block_server
{
  decoder::model m{tiny({20, 20, 20}, 7), 1};
  items_bed items{m, 5, {13, 30, 8, 21, 17, 26}};
  encoded_items<P> plain{m, items, {}, page};
  kvstrata::emulated_device device;
  kvstrata::stream_id compute = device.create_stream("compute");
  cache_type cache;
  decoder::context_server<P> one{m, plain.positions()}, other{m, plain.positions()};
  std::vector<kvstrata::part> parts;
  kvstrata::epoch_id epoch{};

  explicit block_server(std::uint32_t slab_pages)
      : cache(device, {.shape = m.shape(),
                       .tiers = {{.bytes = slab_pages * kvstrata::page_bytes(m.shape(), page)},
                                 {.bytes = 60 * kvstrata::page_bytes(m.shape(), page)}},
                       .layout = {.page_tokens = page, .chunk = 16}})
  {
  }

  kvstrata::result<cache_type::lease> ask(const context_plan& plan, float share)
  {
    const auto anew = kvstrata::tokens_of_share(share, plan.list.block_tokens());
    const auto tokens = static_cast<kvstrata::token_count>(plan.words.size()) - plan.list.block_tokens() + anew;
    decoder::context_parts(plan.list, one.assembly(), tokens, page, parts);
    const kvstrata::request wanted{.user = kvstrata::user_id{1}, .epoch = epoch, .parts = parts};
    return cache.prepare({&wanted, 1}, compute);
  }
  template <class S>
  void run(decoder::context_server<P>& by, cache_type::lease& lease, const context_plan& plan, const S& selector,
           float share)
  {
    by.compute(lease, 0, plan.list, {.words = plan.words, .blocks = plan.blocks, .shares = recompute_shares::of(share)},
               selector, [&](std::uint32_t part) {
                 return std::span<const std::uint32_t>(
                     items.items()[static_cast<std::size_t>(plan.list.parts()[part].key.id)]);
               });
  }
  static std::vector<float> logits_of(decoder::context_server<P>& by)
  {
    const auto logits = by.pass().logits(0);
    return {logits.approximate_value().begin(), logits.approximate_value().end()};
  }
  context_plan any_plan(generator& random)
  {
    std::vector<std::uint32_t> order;
    for (std::size_t i = 0, count = 1 + random() % 3; i < count; ++i) {
      if (random() % 2 == 0) order.push_back(own(static_cast<std::uint32_t>(1 + random() % 6)));
      order.push_back(static_cast<std::uint32_t>(random() % 6));
    }
    return items.plan(order);
  }
};

}  // namespace

TEMPLATE_TEST_CASE("blocks out of a cache: what plain pages give, through evictions, erasures and epochs", "[blocks]",
                   position_free, rotate_on_copy)
{
  constexpr std::uint32_t slab_pages = 62;
  block_server<TestType> s(slab_pages);
  generator random(3);
  std::uint64_t encoded = 0, asked = 0;
  for (int round = 0; round < 60; ++round) {
    const context_plan plan = s.any_plan(random);
    if (round % 10 == 3) static_cast<void>(s.cache.erase(kvstrata::sequence_key{1, random() % 6}));
    if (round % 6 == 5) {  // somebody else needs nearly all pages
      s.parts.assign(1, {.tokens = (slab_pages - 2) * page, .mode = kvstrata::part_mode::scratch});
      const kvstrata::request large{.user = kvstrata::user_id{2}, .epoch = s.epoch, .parts = s.parts};
      s.cache.prepare({&large, 1}, s.compute).value().release();
    }
    if (round % 20 == 11) {
      s.epoch = kvstrata::epoch_id{to_number(s.epoch) + 1};
      s.cache.advance_epoch(s.epoch);
    }
    const float share = round % 3 == 0 ? 0.0F : 0.3F;
    auto lease = s.ask(plan, share).value();
    const auto selector = recompute::v_deviation{};
    s.run(s.one, lease, plan, selector, share);
    encoded += s.one.encoded();
    for (const auto& p : plan.list.parts()) asked += p.tokens;
    const computed_context wanted = s.plain.compute(plan, selector, recompute_shares::of(share));
    REQUIRE(hstu_test::furthest(block_server<TestType>::logits_of(s.one), wanted.logits) < 2e-5);
    REQUIRE(s.one.pass().report() == wanted.report);
    lease.finish();
  }
  CHECK(encoded * 2 < asked);  // the rest came from the cache
  CHECK(s.cache.stats().levels[0].evicted_tokens > 0);
  s.cache.close();
}

TEST_CASE("blocks out of a cache: a block is encoded once, and others wait for its commit", "[blocks]")
{
  block_server<position_free> s(200);
  const context_plan first = s.items.plan({own(3), 1, 2}), second = s.items.plan({2, own(5), 1, own(2)});
  // A context ends with its start word, which is its own.
  std::optional<cache_type::lease> a(s.ask(first, 0).value());
  const auto refused = s.ask(second, 0);
  REQUIRE(!refused);
  CHECK(comes_by_commit(refused.why()));
  s.run(s.one, *a, first, recompute::none{}, 0);
  CHECK(s.one.encoded() == 30 + 8);
  a->commit();
  std::optional<cache_type::lease> b(s.ask(second, 0).value());  // while the first is still held
  s.run(s.other, *b, second, recompute::first_k{}, 0);
  CHECK(s.other.encoded() == 0);
  CHECK(hstu_test::furthest(block_server<position_free>::logits_of(s.other),
                            s.plain.compute(second, recompute::none{}, {}).logits) < 2e-5);
  CHECK(hstu_test::furthest(block_server<position_free>::logits_of(s.one),
                            s.plain.compute(first, recompute::none{}, {}).logits) < 2e-5);
  a.reset();
  b.reset();
  // Of a context nothing stays but its blocks.
  CHECK(s.cache.stats().levels[0].resident_tokens == 30 + 8);
  CHECK(s.cache.stats().users == 2);
  s.cache.close();
}

TEMPLATE_TEST_CASE("blocks out of a cache: two servers at once encode one block, and one of them for itself",
                   "[blocks]", position_free, rotate_on_copy)
{
  block_server<TestType> s(200);
  const context_plan first = s.items.plan({own(3), 1, 2});
  context_plan second = s.items.plan({2, own(5), 1, own(2), 0, 2});
  const std::vector<kvstrata::placed_block> blocks(second.list.blocks().begin(), second.list.blocks().end());
  second.list.start({}, second.list.context(), kvstrata::computed_elsewhere::compute_own);
  for (const kvstrata::placed_block& b : blocks) second.list.add(b);
  const bool commits_first = GENERATE(true, false);
  std::optional<cache_type::lease> a(s.ask(first, 0).value()), b(s.ask(second, 0.3F).value());
  const auto run_first = [&] {
    s.run(s.one, *a, first, recompute::none{}, 0);
    a->finish();
  };
  if (commits_first) run_first();
  s.run(s.other, *b, second, recompute::v_deviation{}, 0.3F);
  b->finish();
  if (!commits_first) run_first();
  CHECK(s.other.encoded() == 30 + 8 + 13);
  CHECK(hstu_test::furthest(block_server<TestType>::logits_of(s.one),
                            s.plain.compute(first, recompute::none{}, {}).logits) < 2e-5);
  CHECK(hstu_test::furthest(block_server<TestType>::logits_of(s.other),
                            s.plain.compute(second, recompute::v_deviation{}, recompute_shares::of(0.3F)).logits) <
        2e-5);
  // Each block is there once, and block 0 is the second server's: nobody else encoded it.
  CHECK(s.cache.stats().levels[0].resident_tokens == 30 + 8 + 13);
  std::optional<cache_type::lease> again(s.ask(second, 0.3F).value());
  s.run(s.one, *again, second, recompute::v_deviation{}, 0.3F);
  CHECK(s.one.encoded() == 0);
  CHECK(block_server<TestType>::logits_of(s.one) == block_server<TestType>::logits_of(s.other));
  again.reset();
  s.cache.close();
}

TEST_CASE("blocks out of a cache: an erased block and a new epoch under a lease change nothing of it", "[blocks]")
{
  block_server<rotate_on_copy> s(200);
  const context_plan plan = s.items.plan({own(3), 1, 2, own(4)});
  {
    auto lease = s.ask(plan, 0.3F).value();
    s.run(s.one, lease, plan, recompute::first_k{}, 0.3F);
    lease.finish();
  }
  auto lease = s.ask(plan, 0.3F).value();
  CHECK(s.cache.erase(kvstrata::sequence_key{1, 2}));
  s.epoch = kvstrata::epoch_id{1};
  s.cache.advance_epoch(s.epoch);
  s.run(s.one, lease, plan, recompute::first_k{}, 0.3F);
  CHECK(s.one.encoded() == 0);
  CHECK(hstu_test::furthest(block_server<rotate_on_copy>::logits_of(s.one),
                            s.plain.compute(plan, recompute::first_k{}, recompute_shares::of(0.3F)).logits) < 2e-5);
  lease.finish();
  CHECK(s.cache.stats().levels[0].resident_tokens == 0);
  s.cache.close();
}

TEST_CASE("blocks out of a cache: another version or another model's is a miss, never an older page", "[blocks]")
{
  block_server<position_free> s(200);
  const context_plan plan = s.items.plan({own(3), 1, 2, own(4)});
  {
    auto lease = s.ask(plan, 0).value();
    s.run(s.one, lease, plan, recompute::none{}, 0);
    lease.finish();
  }
  context_plan newer = plan;
  newer.list.start({}, static_cast<kvstrata::token_count>(plan.words.size()));
  for (kvstrata::placed_block b : plan.list.blocks()) {
    b.key.version = b.key.id == 1 ? 2 : 1;
    newer.list.add(b);
  }
  auto lease = s.ask(newer, 0).value();
  s.run(s.one, lease, newer, recompute::none{}, 0);
  CHECK(s.one.encoded() == 30);  // the one of a new version
  CHECK(hstu_test::furthest(block_server<position_free>::logits_of(s.one),
                            s.plain.compute(plan, recompute::none{}, {}).logits) < 2e-5);
  lease.finish();
  s.epoch = kvstrata::epoch_id{1};
  s.cache.advance_epoch(s.epoch);
  auto again = s.ask(newer, 0).value();
  s.run(s.one, again, newer, recompute::none{}, 0);
  CHECK(s.one.encoded() == 30 + 8);
  again.finish();
  s.cache.close();
}

TEST_CASE("blocks out of a cache: who wants exact tokens reuses none that are not", "[blocks]")
{
  block_server<position_free> s(200);
  const auto serve = [&](const context_plan& plan, const auto& selector, float share, bool exact) {
    auto lease = s.ask(plan, 1).value();
    return sentence_of<kvstrata::usage_error>([&] {
      s.one.compute(lease, 0, plan.list,
                    {.words = plan.words, .blocks = plan.blocks, .shares = recompute_shares::of(share), .exact = exact},
                    selector, [&](std::uint32_t part) {
                      return std::span<const std::uint32_t>(
                          s.items.items()[static_cast<std::size_t>(plan.list.parts()[part].key.id)]);
                    });
    });
  };
  const context_plan behind = s.items.plan({own(3), 1, 2, own(4)}), first = s.items.plan({1, own(4)}),
                     nothing = s.items.plan({own(9)});
  const std::string refused =
      "exact tokens are asked for, but 38 of the 46 of a context would be reused where they are not";
  CHECK(serve(behind, recompute::none{}, 0, true) == refused);
  CHECK(serve(behind, recompute::v_deviation{}, 0, true) == refused);  // in layer 1
  CHECK(serve(behind, recompute::first_k{}, 0.5F, true).starts_with("exact tokens are asked for, but 19 of the 46"));
  CHECK(serve(behind, recompute::none{}, 0, false) == "nothing was thrown");
  CHECK(serve(behind, recompute::first_k{}, 1, true) == "nothing was thrown");
  CHECK(serve(first, recompute::none{}, 0, true) == "nothing was thrown");  // where it was encoded
  CHECK(serve(nothing, recompute::none{}, 0, true) == "nothing was thrown");
  s.cache.close();
}

TEST_CASE(
    "blocks out of a cache: an append part behind blocks is served on the same ground alone, and to nobody who wants "
    "exact tokens",
    "[blocks]")
{
  block_server<position_free> s(200);
  generator random(17);
  // By user what rows rest on, in words, and how many there are.
  struct known
  {
    std::string ground;
    kvstrata::token_count tokens = 0;
  };
  std::map<std::uint64_t, known> naive;
  std::vector<context_plan> plans;
  for (const auto& order : std::vector<std::vector<std::uint32_t>>{{1, own(2), 2, own(1)},
                                                                   {own(2), 1, 2, own(1)},
                                                                   {2, own(2), 1, own(1)},
                                                                   {1, own(3), 2},
                                                                   {1, own(2)},
                                                                   {own(4)}})
    plans.push_back(s.items.plan(order));
  for (const std::size_t like : {0U, 5U}) {  // the same blocks at the same places, another token of the context's own
    plans.push_back(plans[like]);
    plans.back().words[plans[like].words.size() - 2] ^= 1U;
  }
  std::size_t served = 0, anew = 0, exact_served = 0;
  for (int round = 0; round < 600; ++round) {
    const std::size_t number = random() % plans.size();
    const context_plan& plan = plans[number];
    const bool exact = random() % 3 == 0, alone = random() % 8 == 0;  // behind nothing
    const float share = exact ? 1 : std::vector<float>{0, 0.3F, 1}[random() % 3];
    const std::uint64_t user = random() % 2;
    const kvstrata::part plain{.key = {7, user}, .tokens = static_cast<kvstrata::token_count>(1 + random() % 12)};
    std::string ground;
    std::vector<kvstrata::part> parts;
    if (alone) {
      parts = {plain};
    } else {
      decoder::context_parts(plan.list, s.one.assembly(), plan.list.context(), page, parts);
      parts.push_back(
          kvstrata::append_behind(plain, plan.list, recompute_shares::of(share), "first_k",
                                  kvstrata::fingerprint_of_own(plan.list, std::span<const std::uint32_t>(plan.words))));
      ground = "plan" + std::to_string(number);
      if (share != 1 && !plan.list.blocks().empty()) ground += " at " + std::to_string(share);
    }
    const kvstrata::request wanted{.user = kvstrata::user_id{user}, .exact = exact, .parts = parts};
    auto lease = s.cache.prepare({&wanted, 1}, s.compute).value();
    known& mine = naive[user];
    const kvstrata::token_count there = mine.ground == ground ? std::min(mine.tokens, plain.tokens) : 0;
    REQUIRE(lease.sources(0, parts.size() - 1).computed == plain.tokens - there);
    served += there != 0;
    exact_served += exact && there != 0;
    anew += there == 0;
    for (std::uint32_t l = 0; l < s.m.options().layers; ++l) {
      lease.wait_sync(l);
      lease.layer_done(l);
    }
    lease.finish();
    mine = {ground, mine.ground == ground ? std::max(mine.tokens, plain.tokens) : plain.tokens};
  }
  CHECK(served > 20);
  CHECK(exact_served > 5);
  CHECK(anew > 100);
  const std::vector<int> few(3);
  CHECK(sentence_of<kvstrata::usage_error>([&] {
          static_cast<void>(kvstrata::fingerprint_of_own(plans[5].list, std::span<const int>(few)));
        }) == "fingerprint_of_own: 3 tokens are given, but the context has " + std::to_string(plans[5].words.size()));
  s.cache.close();
}
