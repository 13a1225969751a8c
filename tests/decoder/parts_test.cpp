// Prompts in two parts: a front that many requests read, and a history behind it. What a prompt of one part gives.
#include "decoder/beam_parts.hpp"
#include "decoder/beam_search.hpp"
#include "decoder/fixture.hpp"
#include "decoder/reference.hpp"
#include "decoder_search/random_catalogue.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/beams/ancestor_indexed.hpp>
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

using namespace decoder;
using namespace decoder_test;
using kvstrata::token_count;
using kvstrata::token_interval;
using kvstrata_test::sentence_of;
using search_type = beam_search<kvstrata::ancestor_indexed>;

namespace {

constexpr token_count page = 4;
using cache_type = kvstrata::default_cache<kvstrata::emulated_device>;
constexpr std::uint32_t fronts_space = 1, histories_space = 2;  // key spaces

std::vector<found_item> found_by(search_type& search, std::size_t request)
{
  return {search.found(request).begin(), search.found(request).end()};
}

void compare(const std::vector<found_item>& mine, const std::vector<found_item>& other)
{
  REQUIRE(mine.size() == other.size());
  for (std::size_t i = 0; i < mine.size(); ++i) {
    REQUIRE(std::abs(mine[i].score - other[i].score) < 1e-4f);
    if (i != 0 && mine[i - 1].score - mine[i].score < 2e-4f) continue;
    if (i + 1 != mine.size() && mine[i].score - mine[i + 1].score < 2e-4f) continue;
    REQUIRE(mine[i].item == other[i].item);
  }
}

struct server
{
  model m{tiny({20, 20, 20}), 2};
  generator random{7};
  std::shared_ptr<const catalogue> items =
      std::make_shared<const catalogue>(random_trie(1, m.options().codebooks, 1500));
  search_type search{m, {.widths = {16, 32, 32}}}, alone{m, {.widths = {16, 32, 32}}};
  kvstrata::emulated_device device;
  kvstrata::stream_id compute = device.create_stream("compute");
  cache_type cache{device,
                   {.shape = m.shape(),
                    .tiers = {{.bytes = 80 * kvstrata::page_bytes(m.shape(), page)},
                              {.bytes = 400 * kvstrata::page_bytes(m.shape(), page)}},
                    .layout = {.page_tokens = page, .chunk = 16}}};
  std::vector<std::vector<std::uint32_t>> fronts, histories;
  std::uint64_t front_rows = 0, history_rows = 0;  // computed

  // All tokens of a prompt as one.
  std::vector<std::uint32_t> whole(std::size_t front, std::size_t user) const
  {
    std::vector<std::uint32_t> out = fronts[front];
    out.insert(out.end(), histories[user].begin(), histories[user].end());
    return out;
  }

  // Serves requests (front, user) of one batch; what each found.
  std::vector<std::vector<found_item>> serve(const std::vector<std::pair<std::size_t, std::size_t>>& batch)
  {
    std::vector<std::array<kvstrata::part, 3>> parts;
    for (const auto& [front, user] : batch) {
      parts.push_back(beam_parts({.key = {fronts_space, front},
                                  .tokens = static_cast<token_count>(fronts[front].size()),
                                  .mode = kvstrata::part_mode::read},
                                 {.key = {histories_space, user},
                                  .version = front,  // what it stands on
                                  .tokens = static_cast<token_count>(histories[user].size())},
                                 search.scratch_rows()));
    }
    std::vector<kvstrata::request> wanted;
    for (std::size_t r = 0; r < batch.size(); ++r) {
      wanted.push_back({.user = kvstrata::user_id{100 + r}, .parts = parts[r]});
    }
    auto lease = cache.prepare(wanted, compute).value();
    std::vector<prompt> first, behind;
    for (std::size_t r = 0; r < batch.size(); ++r) {
      const auto& f = fronts[batch[r].first];
      const auto& h = histories[batch[r].second];
      first.push_back({f, static_cast<token_count>(f.size()), lease.compute(r, 0), 0});
      behind.push_back({h, static_cast<token_count>(h.size()), lease.compute(r, 1), 0});
    }
    const kvstrata::page_table_view views[] = {lease.view(0), lease.view(1)};
    prompt_forward front(m, first, views[0]);
    prompt_forward history(m, behind, views[1], views[0]);
    front_rows += front.rows();
    history_rows += history.rows();
    front.embed();
    history.embed();
    for (std::uint32_t l = 0; l < m.options().layers; ++l) {
      lease.wait_sync(l);
      front.layer(l);  // the history's rows see it
      history.layer(l);
      lease.layer_done(l);
    }
    lease.commit();
    search.start(std::span<const kvstrata::page_table_view>(views), lease.view(2), items);
    search.run();
    std::vector<std::vector<found_item>> out;
    for (std::size_t r = 0; r < batch.size(); ++r) out.push_back(found_by(search, r));
    return out;
  }

  // The prompt as one, computed anew.
  std::vector<found_item> anew(std::size_t front, std::size_t user)
  {
    const std::vector<std::uint32_t> tokens = whole(front, user);
    const token_interval all{0, static_cast<token_count>(tokens.size())};
    pages own(random, m.shape(), page, std::span(&all, 1));
    pages scratch(random, m.shape(), page, std::vector<token_count>{alone.scratch_rows()});
    const prompt p{tokens, all.end, std::span(&all, 1), 0};
    prompt_forward(m, std::span(&p, 1), own.view()).run();
    alone.start(own.view(), scratch.view(), items);
    alone.run();
    return found_by(alone, 0);
  }
};

}  // namespace

TEST_CASE("prompts in parts: K, V and logits are those of one part, wherever the cut is")
{
  const model m(tiny({6, 9, 5}), 2);
  generator random(3);
  const auto tokens = random_history(random, m.options(), 41);
  for (const token_count cut : {0U, 1U, 8U, 19U, 40U, 41U}) {
    const std::vector<token_count> lengths[] = {{cut}, {41 - cut}, {1}};
    pages first(random, m.shape(), 8, lengths[0]), behind(random, m.shape(), 4, lengths[1]),
        scratch(random, m.shape(), 4, lengths[2]);
    const token_interval all[] = {{0, cut}, {0, 41 - cut}};
    const prompt front{std::span(tokens).first(cut), cut, std::span(all, 1), 0};
    const prompt history{std::span(tokens).subspan(cut), 41 - cut, std::span(all).subspan(1), 0};
    prompt_forward(m, std::span(&front, 1), first.view()).run();
    const kvstrata::page_table_view views[] = {first.view(), behind.view()};
    prompt_forward(m, std::span(&history, 1), views[1], views[0]).run();
    const sequence_result right = recompute(m, tokens, 0, true, {});
    for (std::uint32_t l = 0; l < 2; ++l) {
      for (token_count t = 0; t < 41 - cut; ++t) {
        for (const bool value : {false, true}) {
          const std::span<const float> mine = behind.row(l, 0, t, value);
          const row& reference = (value ? right.values : right.keys)[l][cut + t];
          for (std::size_t i = 0; i < mine.size(); ++i) {
            REQUIRE(std::abs(static_cast<double>(mine[i]) - reference[i]) < 3e-5);
          }
        }
      }
    }
    beam_forward pass(m);
    const std::vector<std::uint32_t> one{1}, row_0{0};
    const auto logits =
        pass.run({0, one, {}, row_0}, std::span<const kvstrata::page_table_view>(views), scratch.view());
    for (std::size_t i = 0; i < logits.size(); ++i) {
      REQUIRE(std::abs(static_cast<double>(logits[i]) - right.logits[i]) < 3e-5);
    }
    CHECK(pass.traffic().read() == (41 + 1) * m.shape().token_bytes());  // L + beams x steps, whatever the cut
  }
}

TEST_CASE("prompts in parts: a front is computed once for all who read it, histories grow behind it")
{
  server s;
  for (const std::size_t tokens : {26U, 9U}) s.fronts.push_back(random_history(s.random, s.m.options(), tokens));
  for (const std::size_t tokens : {14U, 30U, 0U}) {
    // Levels go on behind the front: of three, 26 leave 2. So histories are tokens that every level has.
    s.histories.push_back(random_history(s.random, s.m.options(), tokens));
  }
  const auto found = s.serve({{0, 0}, {0, 1}, {0, 2}});
  CHECK(s.front_rows == 26);
  CHECK(s.history_rows == 44);
  for (std::size_t user = 0; user < 3; ++user) compare(found[user], s.anew(0, user));

  for (auto& h : s.histories) h.push_back(3);
  const auto later = s.serve({{0, 2}, {0, 0}});
  CHECK(s.front_rows == 26);
  CHECK(s.history_rows == 44 + 2);
  compare(later[0], s.anew(0, 2));
  compare(later[1], s.anew(0, 0));

  // Behind another front the history is another one.
  const auto other = s.serve({{1, 0}});
  CHECK(s.front_rows == 26 + 9);
  CHECK(s.history_rows == 46 + 15);
  compare(other[0], s.anew(1, 0));
  s.cache.close();
}

TEST_CASE("prompts in parts: what does not fit is refused")
{
  const model m(tiny({6, 9}), 1);
  generator random(4);
  pages two(random, m.shape(), 4, std::vector<token_count>{5, 5}),
      one(random, m.shape(), 4, std::vector<token_count>{4});
  pages narrow(random, {.layers = 2, .kv_heads = 1, .head_dim = 12, .element = kvstrata::element_type::f32}, 4,
               std::vector<token_count>{4});
  const std::vector<std::uint32_t> tokens{8, 5, 8, 5};  // of levels 1, 0, 1, 0: behind an odd number of tokens
  const token_interval all[] = {{0, 4}};
  const prompt p{tokens, 4, all, 0};
  const auto refused = [&](auto error, const prompt_views& fronts) {
    return sentence_of<decltype(error)>([&] { const prompt_forward pass(m, std::span(&p, 1), one.view(), fronts); });
  };

  const kvstrata::page_table_view fronts[] = {two.view(), narrow.view(), one.view()};
  CHECK(refused(kvstrata::history_error(""), fronts[0]) == "there are 1 prompts, but pages in front of 2");
  CHECK(refused(kvstrata::geometry_error(""), fronts[1]) ==
        "the pages in front are of 2 layers x 1 heads x 12 f32, but the decoder is of 2 layers x 2 heads x 12 f32");
  CHECK(refused(kvstrata::history_error(""), fronts[2]) ==
        "token 0 of prompt 0 is 8, but the codebook of level 0 has 6");
  search_type search(m, {.widths = {2, 2}, .constrained = false});
  CHECK(sentence_of<kvstrata::usage_error>([&] { search.start(prompt_views(), one.view(), nullptr); }) ==
        "there are no prompts, not even empty ones");
}
