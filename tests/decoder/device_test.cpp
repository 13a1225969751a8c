// The decoder on an emulated device beside the one on the CPU: the same weights, but for their rounding to bf16.
#include "decoder/gpu/emulated_pass.hpp"
#include "decoder_gpu/pass_checks.hpp"
#include "hstu_gpu/emulated_machine.hpp"
#include "support/catch.hpp"

#include <kvstrata/beams/ancestor_indexed.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

using namespace decoder_gpu_test;
using machine = hstu_gpu_test::emulated_machine;

TEST_CASE("decoder on a device: K, V and what beams find are the CPU's, but for rounding")
{
  const config c = device_config();
  bed<machine> b(c);
  const decoder::model m(c, 2);
  prompts_on_device<machine> there(b, {{0, 75}, {0, 12}}, 8);
  pages here(b.random, m.shape(), 8, there.windows);
  const std::vector<prompt> prompts = there.prompts();
  decoder::prompt_forward(m, prompts, here.view()).run();
  const std::vector<std::byte> all = there.kv.read();
  for (std::size_t r = 0; r < 2; ++r) {
    for (kvstrata::layer_index l = 0; l < c.layers; ++l) {
      for (std::uint32_t t = 0; t < there.windows[r].end; ++t) {
        for (const bool value : {false, true}) {
          CHECK(relative_error(there.kv.row(all, l, r, t, value), here.row(l, r, t, value)) < 2 * near_reference);
        }
      }
    }
  }

  // A width that finds all items, so that near ones cannot push each other out.
  const auto items = std::make_shared<const catalogue>(random_trie(9, c.codebooks, 60));
  const search_options how{.widths = {16, 60, 60}};
  beam_search<kvstrata::ancestor_indexed> search(m, how);
  pages scratch(b.random, m.shape(), 8, std::vector<kvstrata::token_count>(2, search.scratch_rows()));
  search.start(here.view(), scratch.view(), items);
  search.run();
  const std::vector<found_item> found = found_on_device<kvstrata::ancestor_indexed>(b, there, how, items);
  REQUIRE(found.size() == 120);
  for (std::size_t r = 0; r < 2; ++r) {
    REQUIRE(search.found(r).size() == 60);
    for (const found_item& mine : std::span(found).subspan(60 * r, 60)) {
      const auto same = std::find_if(search.found(r).begin(), search.found(r).end(),
                                     [&](const found_item& other) { return other.item == mine.item; });
      REQUIRE(same != search.found(r).end());
      CHECK(std::abs(same->score - mine.score) < 0.05f);
    }
  }
}
