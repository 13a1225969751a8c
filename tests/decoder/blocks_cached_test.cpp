// Contexts of blocks out of a cache: what plain pages give, whatever happens to the cache meanwhile; and what was computed on top of
// blocks is never anybody else's.
#include "decoder/blocks/serve_context.hpp"
#include "decoder/blocks_bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/position/position_free.hpp>
#include <kvstrata/recompute/first_k.hpp>
#include <kvstrata/recompute/v_deviation.hpp>

#include <cmath>
#include <optional>

using namespace decoder_test;
using kvstrata::recompute_shares;
using kvstrata::position::position_free;
using kvstrata::position::rotate_on_copy;
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
  CHECK(refused.why().why == kvstrata::pressure::reason::user_held);
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
