// Prototypes in place of a history's tokens: what a naive search and plain pages give; and only for those who ask.
#include "decoder/blocks/serve_context.hpp"
#include "decoder/blocks_bed.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/position/position_free.hpp>
#include <kvstrata/recompute/attention_and_divergence.hpp>
#include <kvstrata/recompute/first_k.hpp>
#include <kvstrata/recompute/k_deviation.hpp>

#include <cmath>
#include <optional>

using namespace decoder_test;
using kvstrata::position::position_free;
using kvstrata_test::sentence_of;
namespace recompute = kvstrata::recompute;
namespace kv = kvstrata;

namespace {

constexpr kv::token_count page = 4;
constexpr std::uint32_t stand_in_kind = 4;
constexpr float least_cosine = 0.85F;

decoder::config small_config() { return tiny({9, 9}, 7); }  // so few words that texts have pairs of them in common

/// Items 0 to 3 are what prototypes are made of, 4 and 5 texts of a history, 6 and 7 candidates.
struct bed
{
  decoder::model m{small_config(), 1};
  items_bed items{m, 5, {40, 40, 40, 40, 13, 30, 21, 9}};
  encoded_items<position_free> plain{m, items, {}, page, 2};
  kv::prototype_pool pool = learn();

  [[nodiscard]] kv::prototype_pool learn() const
  {
    kv::prototype_pool out({.dimensions = m.options().hidden, .most = 90, .planes = 2, .least_cosine = least_cosine},
                           m.shape());
    for (std::size_t i = 0; i < 4; ++i)
      static_cast<void>(decoder::learn_prototypes(out, m, {items.items()[i], plain.item(i), 0}));
    return out;
  }

  /// The history's texts as blocks of prototypes, the candidates as themselves.
  struct asked
  {
    context_plan plan;
    std::vector<kv::token_interval> always;
  };
  [[nodiscard]] asked ask(const std::vector<std::uint32_t>& order)
  {
    asked out{items.plan(order), {}};
    std::vector<kv::placed_block> placed(out.plan.list.blocks().begin(), out.plan.list.blocks().end());
    decoder::stand_ins finder(m, pool);
    out.plan.list.start({}, static_cast<kv::token_count>(out.plan.words.size()));
    for (std::size_t b = 0; b < placed.size(); ++b) {
      if (placed[b].key.id == 4 || placed[b].key.id == 5) {
        placed[b].key.kind = stand_in_kind;
        placed[b].key.version = pool.version();
        out.plan.blocks[b].group = kv::block_group::history;
        out.plan.blocks[b].stands_in = true;
        finder.lacking(items.items()[placed[b].key.id], placed[b].start, out.always);
      }
      out.plan.list.add(placed[b]);
    }
    return out;
  }
};

/// A cache and a server of it.
struct node
{
  const bed& b;
  kv::emulated_device device;
  kv::stream_id compute = device.create_stream("compute");
  kv::default_cache<kv::emulated_device> cache;
  decoder::context_server<position_free> server;
  std::vector<kv::part> parts;

  explicit node(const bed& of)
      : b(of),
        cache(device, {.shape = of.m.shape(),
                       .tiers = {{.bytes = 90 * kv::page_bytes(of.m.shape(), page)},
                                 {.bytes = 60 * kv::page_bytes(of.m.shape(), page)}},
                       .layout = {.page_tokens = page, .chunk = 16}}),
        server(of.m, of.plain.positions())
  {
  }

  template <class S>
  computed_context serve(const bed::asked& what, const S& selector, float share)
  {
    decoder::context_parts(what.plan.list, server.assembly(), what.plan.list.context(), page, parts);
    const kv::request wanted{.user = kv::user_id{1}, .parts = parts};
    auto lease = cache.prepare({&wanted, 1}, compute).value();
    server.compute(lease, 0, what.plan.list,
                   {.words = what.plan.words,
                    .blocks = what.plan.blocks,
                    .shares = kv::recompute_shares::of(share),
                    .always = what.always},
                   selector, [&](std::uint32_t part) {
                     return std::span<const std::uint32_t>(
                         b.items.items()[static_cast<std::size_t>(what.plan.list.parts()[part].key.id)]);
                   });
    computed_context out;
    const auto logits = server.pass().logits(0);
    out.logits.assign(logits.approximate_value().begin(), logits.approximate_value().end());
    out.report = logits.how();
    for (std::uint32_t l = 0; l < b.m.options().layers; ++l)
      out.layers.push_back(decoder::rows_of(server.pass().view(), l, b.plain.positions()));
    lease.finish();
    return out;
  }
};

/// Every token's feature, by the definition: embeddings of the tokens up to it, each further one half as much.
std::vector<double> feature_of(const decoder::model& m, const std::vector<std::uint32_t>& words, std::size_t t)
{
  std::vector<double> out(m.options().hidden, 0);
  for (std::size_t before = 0; before <= t; ++before) {
    const float* const e = decoder::embedding_of(m.options(), m.parameters(), words[t - before]);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += std::ldexp(double{e[i]}, -static_cast<int>(before));
  }
  return out;
}

double cosine(const std::vector<double>& a, const std::vector<double>& b)
{
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

}  // namespace

TEST_CASE("stand-ins: the rows of a block are those of the tokens that a naive search finds", "[blocks][prototypes]")
{
  bed b;
  // The same tokens in the same order, with their buckets alone from the index.
  struct learned
  {
    std::size_t item;
    kv::token_count token;
    std::vector<double> feature;
    std::uint32_t bucket;
  };
  const auto bucket_of = [&](const std::vector<double>& f) {
    const std::vector<float> rounded(f.begin(), f.end());
    return b.pool.index().bucket_of(rounded);
  };
  std::vector<learned> those;
  const auto nearest = [&](const std::vector<double>& f) {
    const learned* best = nullptr;
    double near = least_cosine;
    for (const learned& l : those) {
      if (l.bucket != bucket_of(f)) continue;
      const double c = cosine(l.feature, f);
      if (c < near + (best == nullptr ? 0 : 1e-6)) continue;
      best = &l;
      near = c;
    }
    return best;
  };
  for (std::size_t i = 0; i < 4; ++i) {
    for (kv::token_count t = 0; t < b.items.items()[i].size(); ++t) {
      const auto f = feature_of(b.m, b.items.items()[i], t);
      if (those.size() < 90 && nearest(f) == nullptr) those.push_back({i, t, f, bucket_of(f)});
    }
  }
  REQUIRE(b.pool.index().size() == those.size());

  generator random(4);
  pages filled(random, b.m.shape(), page, {13, 30});
  const std::vector<decoder::block_to_encode> blocks{{b.items.items()[4], filled.view(), 0},
                                                     {b.items.items()[5], filled.view(), 1}};
  decoder::stand_ins finder(b.m, b.pool);
  finder.start(blocks);
  for (kv::layer_index l = 0; l < b.m.shape().layers; ++l) finder.fill(l);
  std::size_t found = 0, lacking = 0;
  for (std::size_t r = 0; r < 2; ++r) {
    const auto& words = b.items.items()[4 + r];
    std::vector<kv::token_interval> intervals;
    finder.lacking(words, 100, intervals);
    for (kv::token_count t = 0; t < words.size(); ++t) {
      const learned* const wanted = nearest(feature_of(b.m, words, t));
      bool told = false;
      for (const kv::token_interval i : intervals) told = told || (i.begin <= 100 + t && 100 + t < i.end);
      REQUIRE(told == (wanted == nullptr));
      (wanted == nullptr ? lacking : found) += 1;
      for (kv::layer_index l = 0; l < b.m.shape().layers; ++l) {
        const auto* const mine = reinterpret_cast<const float*>(filled.view().key(l, r, t));
        const auto* const theirs =
            wanted == nullptr ? nullptr
                              : reinterpret_cast<const float*>(b.plain.item(wanted->item).key(l, 0, wanted->token));
        const std::size_t value = filled.view().value_offset() / sizeof(float);
        const std::size_t of_theirs = b.plain.item(0).value_offset() / sizeof(float);
        for (std::size_t i = 0; i < decoder::width_of(b.m.options()); ++i) {
          REQUIRE(mine[i] == (theirs == nullptr ? 0.0F : theirs[i]));
          REQUIRE(mine[value + i] == (theirs == nullptr ? 0.0F : theirs[of_theirs + i]));
        }
      }
    }
  }
  CHECK(found > 5);
  CHECK(lacking > 5);
}

TEST_CASE("stand-ins: out of a cache, on every node with a pool, and exact only where all is computed anew",
          "[blocks][prototypes]")
{
  bed b;
  const kv::prototype_pool replica = b.learn();
  REQUIRE(replica.version() == b.pool.version());
  node one(b), other(b);
  one.server.allow_stand_ins(b.pool, stand_in_kind);
  other.server.allow_stand_ins(replica, stand_in_kind);
  // A block of prototypes begins the context, and comes again behind something else.
  const bed::asked first = b.ask({4, own(2), 6, own(1), 5, 7, own(3)}),
                   again = b.ask({own(3), 5, 6, own(1), 4, own(2)});
  kv::token_count lacking = 0;
  for (const kv::token_interval i : first.always) lacking += i.size();
  REQUIRE(lacking > 0);
  REQUIRE(lacking < 13 + 30);
  double before = 1e9;
  for (const float share : {0.0F, 0.4F, 1.0F}) {
    const computed_context mine = one.serve(first, recompute::first_k{}, share);
    const computed_context theirs = other.serve(first, recompute::first_k{}, share);
    CHECK(mine.logits == theirs.logits);
    const computed_context full = recomputed(b.m, first.plan);
    CHECK(mine.report.reused + mine.report.recomputed + mine.report.own == first.plan.words.size());
    CHECK(mine.report.stood_in == 43 - lacking - kv::tokens_of_share(share, 43 - lacking));
    CHECK(mine.report.recomputed ==
          lacking + kv::tokens_of_share(share, 43 - lacking) + kv::tokens_of_share(share, 30));
    CHECK(mine.report.reused_exactly == 0);  // though a block is where it was encoded
    CHECK(mine.report.exact() == (share == 1));
    double error = 0;
    for (std::size_t l = 0; l < full.layers.size(); ++l) {
      error += decoder::relative_error(mine.layers[l].keys, full.layers[l].keys) +
               decoder::relative_error(mine.layers[l].values, full.layers[l].values);
    }
    CHECK(error < before);
    before = error;
    if (share == 1) CHECK(hstu_test::furthest(mine.logits, full.logits) < 2e-5);
  }
  CHECK(before < 1e-4);
  // Those that read layers see prototypes' rows there, and nothing of what has none.
  for (const float share : {0.0F, 0.3F, 1.0F}) {
    const computed_context k = one.serve(again, recompute::k_deviation{}, share);
    const computed_context a = one.serve(again, recompute::attention_and_divergence{}, share);
    CHECK(one.server.encoded() == 0);
    CHECK(k.report.recomputed == a.report.recomputed);
    node third(b);
    third.server.allow_stand_ins(replica, stand_in_kind);
    const computed_context fresh = third.serve(again, recompute::k_deviation{}, share);
    third.cache.close();
    CHECK(hstu_test::furthest(k.logits, fresh.logits) < 2e-5);
    if (share == 1) CHECK(hstu_test::furthest(a.logits, recomputed(b.m, again.plan).logits) < 2e-5);
  }
  one.cache.close();
  other.cache.close();
}

TEST_CASE("stand-ins: nobody gets one who has not asked for it", "[blocks][prototypes]")
{
  bed b;
  node without(b), with(b);
  with.server.allow_stand_ins(b.pool, stand_in_kind);
  const bed::asked what = b.ask({own(3), 5, 6, own(1), 4, own(2)});
  const computed_context encoded = without.serve(what, recompute::first_k{}, 0);
  CHECK(without.server.encoded() == 13 + 30 + 21);
  CHECK(hstu_test::furthest(encoded.logits, with.serve(what, recompute::first_k{}, 0).logits) > 1e-3);
  CHECK(with.server.encoded() == 21);
  CHECK(with.server.finder().finder().lookups() == 2);
  static_cast<void>(with.server.finder().find(b.items.items()[4]));  // as whoever asks which tokens to compute
  CHECK(with.server.finder().finder().lookups() == 2);
  // Of the same texts as themselves the same server encodes all.
  bed::asked plain{b.items.plan({own(3), 5, 6, own(1), 4, own(2)}), {}};
  const computed_context mine = with.serve(plain, recompute::first_k{}, 0);
  CHECK(with.server.encoded() == 13 + 30);
  CHECK(mine.report.stood_in == 0);
  CHECK(hstu_test::furthest(mine.logits, b.plain.compute(plain.plan, recompute::first_k{}, {}).logits) < 2e-5);
  without.cache.close();
  with.cache.close();
}

TEST_CASE("stand-ins: what makes no sense is refused with a sentence", "[blocks][prototypes]")
{
  bed b;
  node n(b);
  CHECK(sentence_of<kv::usage_error>([&] { n.server.allow_stand_ins(b.pool, 0); }) ==
        "stand-ins need a kind of block that is not 0, users' histories");
  const kv::prototype_pool narrow({.dimensions = 5}, b.m.shape());
  CHECK(sentence_of<kv::usage_error>([&] { n.server.allow_stand_ins(narrow, stand_in_kind); }) ==
        "prototypes have 5 dimensions, but a token of this decoder has 24");
  kv::geometry deeper = b.m.shape();
  deeper.layers = 3;
  const kv::prototype_pool other({.dimensions = 24}, deeper);
  CHECK(sentence_of<kv::usage_error>([&] {
          n.server.allow_stand_ins(other, stand_in_kind);
        }).starts_with("prototypes are of 3 layers"));
  decoder::stand_ins finder(b.m, b.pool);
  const std::vector<std::uint32_t> wrong{1, 19}, few{1, 2};
  CHECK(sentence_of<kv::history_error>([&] { static_cast<void>(finder.find(wrong)); }) ==
        "a token is word 19, but the last is 18");
  CHECK(sentence_of<kv::history_error>([&] {
          const decoder::block_to_encode block{few, b.plain.item(4), 0};
          finder.start({&block, 1});
        }) == "a block has 2 tokens, but its pages are of 13");
  const bed::asked what = b.ask({own(3), 5, own(2)});
  const auto always = [&](std::vector<kv::token_interval> these) {
    bed::asked asked{what.plan, std::move(these)};
    return sentence_of<kv::error>([&] { static_cast<void>(n.serve(asked, recompute::none{}, 0)); });
  };
  CHECK(always({{3, 9}, {8, 12}}) ==
        "the tokens [8, 12) are always computed anew, but intervals ascend within [9, 36)");
  CHECK(always({{30, 37}}) == "the tokens [30, 37) are always computed anew, but intervals ascend within [0, 36)");
  CHECK(always({{1, 5}}) ==
        "the tokens [1, 5) are to be computed anew, but not all of them are in blocks; what is in "
        "none is computed anyway");
  n.cache.close();
}
