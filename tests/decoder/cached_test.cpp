// Prompts out of a cache: to the last beam what prompts give that are computed anew, whatever happens to the cache meanwhile.
#include "decoder/beam_search.hpp"
#include "decoder/fixture.hpp"
#include "decoder_search/random_catalogue.hpp"
#include "support/catch.hpp"

#include <kvstrata/beams/ancestor_indexed.hpp>
#include <kvstrata/beams/reorder_in_place.hpp>
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

using namespace decoder;
using namespace decoder_test;
using kvstrata::ancestor_indexed;
using kvstrata::reorder_in_place;

namespace {

constexpr kvstrata::token_count page = 4;
using cache_type = kvstrata::default_cache<kvstrata::emulated_device>;

struct server
{
  model m{tiny({20, 20, 20}), 2};
  std::shared_ptr<const catalogue> items =
      std::make_shared<const catalogue>(random_trie(1, m.options().codebooks, 1500));
  kvstrata::emulated_device device;
  kvstrata::stream_id compute = device.create_stream("compute");
  cache_type cache{device,
                   {.shape = m.shape(),
                    .tiers = {{.bytes = 40 * kvstrata::page_bytes(m.shape(), page)},
                              {.bytes = 400 * kvstrata::page_bytes(m.shape(), page)}},
                    .layout = {.page_tokens = page, .chunk = 16}}};
  generator random{5};
  std::vector<std::vector<std::uint32_t>> histories = std::vector<std::vector<std::uint32_t>>(8);
  kvstrata::epoch_id epoch{};
  std::uint64_t computed = 0;
  std::uint64_t served = 0;

  void grow(std::size_t user, std::size_t tokens)
  {
    auto& h = histories[user];
    const auto more = random_history(random, m.options(), tokens, static_cast<std::uint32_t>(h.size()));
    h.insert(h.end(), more.begin(), more.end());
  }

  // A lease with the whole prompt in its pages.
  cache_type::lease prompt_of(std::size_t user, bool commit = true)
  {
    const auto& history = histories[user];
    const kvstrata::request wanted{.user = kvstrata::user_id{user},
                                   .history_tokens = static_cast<kvstrata::token_count>(history.size()),
                                   .epoch = epoch};
    auto lease = cache.prepare({&wanted, 1}, compute).value();
    const prompt p{history, wanted.history_tokens, lease.compute(0), 0};
    prompt_forward pass(m, std::span(&p, 1), lease.view());
    computed += pass.rows();
    served += history.size();
    pass.embed();
    for (kvstrata::layer_index l = 0; l < m.options().layers; ++l) {
      lease.wait_sync(l);
      pass.layer(l);
      lease.layer_done(l);
    }
    if (commit) lease.commit();
    return lease;
  }

  // What the user's whole history, computed anew in pages of its own, gives.
  template <class Layout>
  std::vector<found_item> anew(std::size_t user, beam_search<Layout>& search, const kvstrata::page_table_view& scratch)
  {
    const auto length = static_cast<kvstrata::token_count>(histories[user].size());
    pages own(random, m.shape(), page, std::vector<kvstrata::token_count>{length});
    const kvstrata::token_interval all[] = {{0, length}};
    const prompt p{histories[user], length, all, 0};
    prompt_forward(m, std::span(&p, 1), own.view()).run();
    search.start(own.view(), scratch, items);
    search.run();
    return {search.found(0).begin(), search.found(0).end()};
  }
};

void compare(std::span<const found_item> mine, const std::vector<found_item>& other)
{
  REQUIRE(mine.size() == other.size());
  for (std::size_t i = 0; i < mine.size(); ++i) {
    REQUIRE(std::abs(mine[i].score - other[i].score) < 1e-4f);
    // Neighbours that are nearer than rounding may have changed places.
    if (i != 0 && mine[i - 1].score - mine[i].score < 2e-4f) continue;
    if (i + 1 != mine.size() && mine[i].score - mine[i + 1].score < 2e-4f) continue;
    REQUIRE(mine[i].item == other[i].item);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("beams on a cached prompt: equal to a recomputed prompt to the last beam, widths 1, 2 and 512", "",
                   reorder_in_place, ancestor_indexed)
{
  server s;
  for (const std::uint32_t width : {1U, 2U, 512U}) {
    beam_search<TestType> search(s.m, {.widths = {std::min(width, 20U), width, width}});
    pages scratch(s.random, s.m.shape(), 4, std::vector<kvstrata::token_count>{search.scratch_rows()});
    for (int round = 0; round < 3; ++round) {
      for (std::size_t user = 0; user < 8; ++user) {  // more than the slab holds
        s.grow(user, round == 0 && width == 1 ? 30 : 1 + s.random() % 4);
        std::vector<found_item> cached;
        {
          auto lease = s.prompt_of(user);
          search.start(lease.view(), scratch.view(), s.items);
          search.run();
          cached.assign(search.found(0).begin(), search.found(0).end());
        }
        compare(cached, s.anew(user, search, scratch.view()));
        REQUIRE(cached.size() == width);
      }
    }
  }
  CHECK(s.computed * 3 < s.served);  // the rest came from the cache
  s.cache.close();
}

TEST_CASE("beams on a cached prompt: an eviction, an erased user and a new epoch between two steps change nothing")
{
  server s;
  beam_search<ancestor_indexed> search(s.m, {.widths = {16, 32, 32}});
  pages scratch(s.random, s.m.shape(), 4, std::vector<kvstrata::token_count>{search.scratch_rows()});
  for (std::size_t user = 0; user < 8; ++user) {
    s.grow(user, 30);
    s.prompt_of(user);
  }
  std::optional<cache_type::lease> lease(s.prompt_of(0));
  search.start(lease->view(), scratch.view(), s.items);
  search.step();
  for (std::size_t user = 1; user < 8; ++user) s.prompt_of(user);  // the slab turns over
  static_cast<void>(s.cache.erase(kvstrata::user_id{3}));
  search.step();
  s.epoch = kvstrata::epoch_id{1};
  s.cache.advance_epoch(s.epoch);
  s.prompt_of(5);
  search.run();
  const std::vector<found_item> cached(search.found(0).begin(), search.found(0).end());
  lease.reset();
  compare(cached, s.anew(0, search, scratch.view()));
  CHECK(s.cache.stats().levels[0].evicted_tokens > 0);
  s.cache.close();
}

TEST_CASE("beams on a cached prompt: a lease that is dropped in the middle costs its new tokens, and nothing else")
{
  server s;
  beam_search<reorder_in_place> search(s.m, {.widths = {16, 32, 32}});
  pages scratch(s.random, s.m.shape(), 4, std::vector<kvstrata::token_count>{search.scratch_rows()});
  s.grow(0, 40);
  s.prompt_of(0);
  s.grow(0, 6);
  {
    const auto lease = s.prompt_of(0, false);
    search.start(lease.view(), scratch.view(), s.items);
    search.step();
  }  // neither committed nor decoded
  const std::uint64_t before = s.computed;
  std::vector<found_item> cached;
  {
    const auto lease = s.prompt_of(0);
    search.start(lease.view(), scratch.view(), s.items);
    search.run();
    cached.assign(search.found(0).begin(), search.found(0).end());
  }
  CHECK(s.computed - before == 6);
  compare(cached, s.anew(0, search, scratch.view()));
  s.cache.close();
}
