// Prompts out of a cache on an emulated device, beams in scratch of the lease: to the last bit what prompts give that are computed anew
// by the same kernels, and nothing is touched out of order.
#include "decoder/beam_parts.hpp"
#include "decoder/gpu/emulated_pass.hpp"
#include "decoder_gpu/pass_checks.hpp"
#include "hstu_gpu/emulated_machine.hpp"

#include <kvstrata/cache.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

using namespace decoder_gpu_test;

namespace {

using machine = hstu_gpu_test::emulated_machine;
using cache_type = kvstrata::default_cache<kvstrata::emulated_device>;
using pass_type = decoder::gpu::beam_pass<machine::runner>;
constexpr kvstrata::token_count page = 8;
constexpr std::uint32_t histories_of_users = 1, shared_prompts = 2;  // key spaces

struct server
{
  bed<machine> b{device_config()};
  std::shared_ptr<const catalogue> items =
      std::make_shared<const catalogue>(random_trie(9, b.model.options().codebooks, 200));
  cache_type cache{b.device(),
                   {.shape = b.model.shape(),
                    .tiers = {{.bytes = 24 * kvstrata::page_bytes(b.model.shape(), page)},
                              {.bytes = 100 * kvstrata::page_bytes(b.model.shape(), page)}},
                    .layout = {.page_tokens = page, .chunk = 16}}};
  std::vector<std::vector<std::uint32_t>> histories = std::vector<std::vector<std::uint32_t>>(4);
  std::uint64_t computed = 0, served = 0;

  void grow(std::size_t user, std::size_t tokens)
  {
    auto& h = histories[user];
    const auto more = random_history(b.random, b.model.options(), tokens, static_cast<std::uint32_t>(h.size()));
    h.insert(h.end(), more.begin(), more.end());
  }

  /// A lease with the users' whole histories queued into its pages, and scratch. Nobody waits for anything.
  cache_type::lease hold(const std::vector<std::size_t>& users, std::uint32_t scratch_rows, kvstrata::part_mode mode)
  {
    std::vector<std::array<kvstrata::part, 2>> parts;
    for (const std::size_t u : users) {
      const std::uint32_t space = mode == kvstrata::part_mode::read ? shared_prompts : histories_of_users;
      parts.push_back(decoder::beam_parts(
          {.key = {space, u}, .tokens = static_cast<kvstrata::token_count>(histories[u].size()), .mode = mode},
          scratch_rows));
    }
    std::vector<kvstrata::request> wanted;
    for (std::size_t r = 0; r < users.size(); ++r) {
      wanted.push_back({.user = kvstrata::user_id{100 + r}, .parts = parts[r]});
    }
    auto lease = cache.prepare(wanted, b.stream).value();
    std::vector<prompt> prompts;
    for (std::size_t r = 0; r < users.size(); ++r) {
      const auto& h = histories[users[r]];
      prompts.push_back({h, static_cast<kvstrata::token_count>(h.size()), lease.compute(r, prompt_part), 0});
      served += h.size();
    }
    decoder::gpu::prompt_pass<machine::runner> pass(b.lane, prompts, lease.view(prompt_part));
    computed += pass.rows();
    pass.embed();
    for (kvstrata::layer_index l = 0; l < b.model.options().layers; ++l) {
      lease.wait(l);
      pass.layer(l);
      lease.layer_done(l);
    }
    lease.commit();
    return lease;
  }

  template <class Search>
  std::vector<found_item> anew(std::size_t user, Search& search)
  {
    const std::vector<token_interval> window{{0, static_cast<kvstrata::token_count>(histories[user].size())}};
    auto own = b.pages(page, window);
    auto scratch = b.pages(page, {{0, search.scratch_rows()}});
    const prompt p{histories[user], window[0].end, window, 0};
    b.compute(std::span(&p, 1), own.view());
    search.start(own.view(), scratch.view(), items);
    search.run();
    return {search.found(0).begin(), search.found(0).end()};
  }
};

void compare(const std::vector<found_item>& mine, const std::vector<found_item>& other)
{
  REQUIRE(mine.size() == other.size());
  for (std::size_t i = 0; i < mine.size(); ++i) {
    REQUIRE(mine[i].item == other[i].item);
    REQUIRE(mine[i].score == other[i].score);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("decoder on a device: a cached prompt gives what a recomputed one gives, to the last bit", "",
                   kvstrata::reorder_in_place, kvstrata::ancestor_indexed)
{
  server s;
  beam_search<TestType, pass_type> search(s.b.lane, {.widths = {6, 12, 10}});
  for (int round = 0; round < 2; ++round) {
    for (std::size_t user = 0; user < 4; ++user) {
      s.grow(user, round == 0 ? 40 + 9 * user : 1 + 2 * user);
      std::vector<found_item> cached;
      {
        auto lease = s.hold({user}, search.scratch_rows(), kvstrata::part_mode::append);
        search.start(lease.view(prompt_part), lease.view(scratch_part), s.items);
        search.run();
        cached.assign(search.found(0).begin(), search.found(0).end());
      }
      REQUIRE(cached.size() == 10);
      compare(cached, s.anew(user, search));
    }
  }
  CHECK(s.computed < s.served);
  CHECK(s.cache.stats().levels[0].evicted_tokens > 0);
  CHECK(s.b.device().violations().empty());
  s.cache.close();
}

TEST_CASE("decoder on a device: requests that read one prompt")
{
  server s;
  beam_search<kvstrata::ancestor_indexed, pass_type> search(s.b.lane, {.widths = {6, 12, 10}});
  s.grow(0, 30);
  s.grow(1, 17);
  std::vector<std::vector<found_item>> cached;
  {
    auto lease = s.hold({0, 1, 0}, search.scratch_rows(), kvstrata::part_mode::read);
    CHECK(s.computed == 30 + 17);  // each once
    search.start(lease.view(prompt_part), lease.view(scratch_part), s.items);
    search.run();
    for (std::size_t r = 0; r < 3; ++r) cached.emplace_back(search.found(r).begin(), search.found(r).end());
  }
  for (std::size_t r = 0; r < 3; ++r) compare(cached[r], s.anew(r % 2, search));
  CHECK(s.b.device().violations().empty());
  s.cache.close();
}
