// Prompts out of a cache, beams in scratch of the lease: to the last beam what prompts give that are computed anew, whatever
// happens to the cache meanwhile.
#include "decoder/beam_parts.hpp"
#include "decoder/beam_search.hpp"
#include "decoder/fixture.hpp"
#include "decoder_search/random_catalogue.hpp"
#include "support/catch.hpp"

#include <kvstrata/beams/ancestor_indexed.hpp>
#include <kvstrata/beams/reorder_in_place.hpp>
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

using namespace decoder;
using namespace decoder_test;
using kvstrata::ancestor_indexed;
using kvstrata::reorder_in_place;

namespace {

constexpr kvstrata::token_count page = 4;
using cache_type = kvstrata::default_cache<kvstrata::emulated_device>;

// Key spaces.
constexpr std::uint32_t histories_of_users = 1, shared_prompts = 2;

struct server
{
  model m{tiny({20, 20, 20}), 2};
  std::shared_ptr<const catalogue> items =
      std::make_shared<const catalogue>(random_trie(1, m.options().codebooks, 1500));
  kvstrata::emulated_device device;
  kvstrata::stream_id compute = device.create_stream("compute");
  std::uint32_t slab_pages;
  cache_type cache{device,
                   {.shape = m.shape(),
                    .tiers = {{.bytes = slab_pages * kvstrata::page_bytes(m.shape(), page)},
                              {.bytes = 400 * kvstrata::page_bytes(m.shape(), page)}},
                    .layout = {.page_tokens = page, .chunk = 16}}};
  generator random{5};
  std::vector<std::vector<std::uint32_t>> histories = std::vector<std::vector<std::uint32_t>>(8);
  kvstrata::epoch_id epoch{};
  std::uint64_t computed = 0;
  std::uint64_t served = 0;

  explicit server(std::uint32_t pages) : slab_pages(pages) {}

  void grow(std::size_t user, std::size_t tokens)
  {
    auto& h = histories[user];
    const auto more = random_history(random, m.options(), tokens, static_cast<std::uint32_t>(h.size()));
    h.insert(h.end(), more.begin(), more.end());
  }

  [[nodiscard]] kvstrata::part prompt_of(std::size_t user, kvstrata::part_mode mode) const
  {
    return {.key = {mode == kvstrata::part_mode::read ? shared_prompts : histories_of_users, user},
            .tokens = static_cast<kvstrata::token_count>(histories[user].size()),
            .mode = mode};
  }

  // One request for each number of `prompts`, in whose history its prompt is.
  [[nodiscard]] kvstrata::result<cache_type::lease> ask(const std::vector<std::size_t>& prompts,
                                                        std::uint32_t scratch_rows,
                                                        kvstrata::part_mode mode = kvstrata::part_mode::append)
  {
    std::vector<std::array<kvstrata::part, 2>> parts;
    for (const std::size_t p : prompts) parts.push_back(beam_parts(prompt_of(p, mode), scratch_rows));
    std::vector<kvstrata::request> wanted;
    for (std::size_t r = 0; r < prompts.size(); ++r) {
      wanted.push_back({.user = kvstrata::user_id{100 + r}, .epoch = epoch, .parts = parts[r]});
    }
    return cache.prepare(wanted, compute);
  }

  void compute_what_lacks(cache_type::lease& lease, const std::vector<std::size_t>& prompts)
  {
    std::vector<prompt> all;
    for (std::size_t r = 0; r < prompts.size(); ++r) {
      const auto& history = histories[prompts[r]];
      all.push_back({history, static_cast<kvstrata::token_count>(history.size()), lease.compute(r, prompt_part), 0});
      served += history.size();
    }
    prompt_forward pass(m, all, lease.view(prompt_part));
    computed += pass.rows();
    compute_prompts(pass, m.options().layers, lease);
  }

  // A lease with the whole prompts in its pages, and scratch.
  cache_type::lease hold(const std::vector<std::size_t>& prompts, std::uint32_t scratch_rows,
                         kvstrata::part_mode mode = kvstrata::part_mode::append, bool commit = true)
  {
    auto lease = ask(prompts, scratch_rows, mode).value();
    compute_what_lacks(lease, prompts);
    if (commit) lease.commit();
    return lease;
  }

  // What the user's whole history, computed anew in pages of its own, gives.
  template <class Layout>
  std::vector<found_item> anew(std::size_t user, beam_search<Layout>& search)
  {
    const auto length = static_cast<kvstrata::token_count>(histories[user].size());
    pages own(random, m.shape(), page, std::vector<kvstrata::token_count>{length});
    pages scratch(random, m.shape(), page, std::vector<kvstrata::token_count>{search.scratch_rows()});
    const kvstrata::token_interval all[] = {{0, length}};
    const prompt p{histories[user], length, all, 0};
    prompt_forward(m, std::span(&p, 1), own.view()).run();
    search.start(own.view(), scratch.view(), items);
    search.run();
    return {search.found(0).begin(), search.found(0).end()};
  }

  template <class Layout>
  void begin(beam_search<Layout>& search, const cache_type::lease& lease)
  {
    search.start(lease.view(prompt_part), lease.view(scratch_part), items);
  }
};

template <class Layout>
std::vector<found_item> found_by(beam_search<Layout>& search, std::size_t request = 0)
{
  return {search.found(request).begin(), search.found(request).end()};
}

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
  // Beside scratch of 512 beams there is room for two prompts or three.
  const std::vector<std::uint32_t> widest{1, 20, 512};
  server s((TestType(widest).rows() + page - 1) / page + 40);
  for (const std::uint32_t width : {1U, 2U, 512U}) {
    beam_search<TestType> search(s.m, {.widths = {std::min(width, 20U), width, width}});
    for (int round = 0; round < 3; ++round) {
      for (std::size_t user = 0; user < 8; ++user) {
        s.grow(user, round == 0 && width == 1 ? 30 : 1 + s.random() % 4);
        std::vector<found_item> cached;
        {
          auto lease = s.hold({user}, search.scratch_rows());
          s.begin(search, lease);
          search.run();
          cached = found_by(search);
        }
        compare(cached, s.anew(user, search));
        REQUIRE(cached.size() == width);
      }
    }
  }
  CHECK(s.computed * 3 < s.served);  // the rest came from the cache
  CHECK(s.cache.stats().levels[0].evicted_tokens > 0);
  s.cache.close();
}

TEMPLATE_TEST_CASE("beams on a cached prompt: requests of a batch have scratch apart, and may read one prompt", "",
                   reorder_in_place, ancestor_indexed)
{
  server s(120);
  for (std::size_t user = 0; user < 3; ++user) s.grow(user, 20 + 7 * user);
  beam_search<TestType> search(s.m, {.widths = {16, 32, 32}});
  beam_search<TestType> alone(s.m, {.widths = {16, 32, 32}});
  {  // three prompts
    auto lease = s.hold({0, 1, 2}, search.scratch_rows());
    s.begin(search, lease);
    search.run();
    for (std::size_t r = 0; r < 3; ++r) compare(search.found(r), s.anew(r, alone));
  }
  const std::uint64_t before = s.computed;
  {  // one prompt that two of four share, and another
    auto lease = s.hold({2, 1, 2, 1}, search.scratch_rows(), kvstrata::part_mode::read);
    CHECK(std::ranges::equal(lease.view(prompt_part).pages(0), lease.view(prompt_part).pages(2)));
    CHECK(!std::ranges::equal(lease.view(scratch_part).pages(0), lease.view(scratch_part).pages(2)));
    CHECK(s.computed - before == s.histories[1].size() + s.histories[2].size());  // each once
    s.begin(search, lease);
    search.run();
    for (std::size_t r = 0; r < 4; ++r) compare(search.found(r), s.anew(r % 2 == 0 ? 2 : 1, alone));
  }
  {  // two leases at once read what is there
    auto one = s.hold({2}, search.scratch_rows(), kvstrata::part_mode::read);
    auto other = s.hold({2}, search.scratch_rows(), kvstrata::part_mode::read);
    CHECK(s.computed - before == s.histories[1].size() + s.histories[2].size());
    s.begin(search, one);
    s.begin(alone, other);
    for (int step = 0; step < 3; ++step) {
      search.step();
      alone.step();
    }
    const auto first = found_by(search), second = found_by(alone);
    compare(first, second);
    compare(first, s.anew(2, alone));
  }
  s.cache.close();
}

TEST_CASE("beams on a cached prompt: an eviction, an erased user and a new epoch between two steps change nothing")
{
  server s(40);
  beam_search<ancestor_indexed> search(s.m, {.widths = {16, 16, 32}});  // 33 rows of scratch, 9 pages
  for (std::size_t user = 0; user < 8; ++user) {
    s.grow(user, 30);
    s.hold({user}, search.scratch_rows());
  }
  std::optional<cache_type::lease> lease(s.hold({0}, search.scratch_rows()));
  s.begin(search, *lease);
  search.step();
  const std::uint64_t evicted = s.cache.stats().levels[0].evicted_tokens;
  for (std::size_t user = 1; user < 8; ++user) s.hold({user}, search.scratch_rows());  // the slab turns over
  CHECK(s.cache.stats().levels[0].evicted_tokens > evicted);
  static_cast<void>(s.cache.erase(kvstrata::sequence_key{histories_of_users, 3}));
  search.step();
  s.epoch = kvstrata::epoch_id{1};
  s.cache.advance_epoch(s.epoch);
  s.hold({5}, search.scratch_rows());
  search.run();
  const std::vector<found_item> cached = found_by(search);
  lease.reset();
  compare(cached, s.anew(0, search));
  s.cache.close();
}

TEST_CASE("beams on a cached prompt: a lease that is dropped in the middle costs its new tokens, and nothing else")
{
  server s(40);
  beam_search<reorder_in_place> search(s.m, {.widths = {16, 16, 32}});
  s.grow(0, 40);
  s.hold({0}, search.scratch_rows());
  const std::uint64_t resident = s.cache.stats().levels[0].resident_bytes;
  s.grow(0, 4);
  {
    const auto lease = s.hold({0}, search.scratch_rows(), kvstrata::part_mode::append, false);
    s.begin(search, lease);
    search.step();
    CHECK(s.cache.stats().levels[0].resident_bytes > resident);
  }  // neither committed nor decoded: scratch is gone with it
  CHECK(s.cache.stats().levels[0].resident_bytes == resident);
  const std::uint64_t before = s.computed;
  std::vector<found_item> cached;
  {
    const auto lease = s.hold({0}, search.scratch_rows());
    s.begin(search, lease);
    search.run();
    cached = found_by(search);
  }
  CHECK(s.computed - before == 4);
  compare(cached, s.anew(0, search));
  s.cache.close();
}

TEST_CASE(
    "beams on a cached prompt: scratch that cannot be had is refused with the numbers, and evicts nobody under a lease")
{
  server s(40);
  const beam_search<ancestor_indexed> small(s.m, {.widths = {16, 16, 32}});
  const beam_search<ancestor_indexed> large(s.m, {.widths = {20, 120, 120}});    // 141 rows, 36 pages
  const beam_search<ancestor_indexed> too_large(s.m, {.widths = {20, 200, 1}});  // 221 rows, 56 pages
  s.grow(0, 16);
  s.grow(1, 16);
  {
    const auto lease = s.hold({0}, large.scratch_rows());  // all 40 pages
    const auto refused = s.ask({1}, small.scratch_rows());
    REQUIRE(!refused);
    CHECK(refused.why().why == kvstrata::pressure::reason::held);
    CHECK(refused.why().pages_needed == 4 + 9);
    CHECK(refused.why().pages_held == 40);
  }
  CHECK(s.ask({1}, small.scratch_rows()).has_value());
  try {
    static_cast<void>(s.ask({1}, too_large.scratch_rows()));
    FAIL("more scratch than the slab has");
  } catch (const kvstrata::capacity_error& e) {
    CHECK(std::string(e.what()).find("needs 60 pages, but the slab has 40") != std::string::npos);
  }
  CHECK(s.cache.stats().levels[1].resident_tokens == 16);  // of scratch nothing was written down
  s.cache.close();
}
