// Pipelines: the same beams as step by step, the host's part beside the device's, one wait at the end.
#include "decoder/beam_pipeline.hpp"
#include "decoder/fixture.hpp"
#include "decoder_search/random_catalogue.hpp"
#include "support/catch.hpp"

#include <kvstrata/beams/ancestor_indexed.hpp>
#include <kvstrata/beams/reorder_in_place.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/timeline.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

using namespace decoder;
using namespace decoder_test;
using kvstrata::ancestor_indexed;
using kvstrata::emulated_device;
using kvstrata::op_span;
using kvstrata::reorder_in_place;

namespace {

constexpr double us = 1e-6;
constexpr step_seconds figures{.pass = 100 * us, .select = 30 * us, .index = 5 * us, .allowed = 60 * us};

struct pipelines_bed
{
  model m{tiny({20, 20, 20}), 2};
  // Half of the items may be shown, so that lists differ from the trie's.
  std::shared_ptr<const item_trie> trie = random_trie(1, m.options().codebooks, 1500);
  std::shared_ptr<const catalogue> items = some_of(trie);
  search_options how{.widths = {16, 32, 32}};
  generator random{3};
  prompts_in_pages prompts{random, m, {13, 40}, 4};

  [[nodiscard]] static std::shared_ptr<const catalogue> some_of(const std::shared_ptr<const item_trie>& all)
  {
    std::vector<std::uint64_t> bits((all->items() + 63U) / 64, 0x5555555555555555U);
    if (all->items() % 64 != 0) bits.back() &= (std::uint64_t{1} << all->items() % 64) - 1;
    return std::make_shared<const catalogue>(std::make_shared<const eligible_items>(all, bits, all->items()));
  }

  template <class Layout>
  [[nodiscard]] pages scratch(beam_search<Layout>& of)
  {
    return {random, m.shape(), 4, std::vector<kvstrata::token_count>(2, of.scratch_rows())};
  }

  template <class Layout>
  void require_right(beam_search<Layout>& mine)
  {
    beam_search<Layout> plain(m, how);
    pages own = scratch(plain);
    plain.start(prompts.kv.view(), own.view(), items);
    plain.run();
    for (std::size_t r = 0; r < 2; ++r) {
      REQUIRE(mine.found(r).size() == plain.found(r).size());
      for (std::size_t i = 0; i < plain.found(r).size(); ++i) {
        REQUIRE(mine.found(r)[i].item == plain.found(r)[i].item);
        REQUIRE(mine.found(r)[i].score == plain.found(r)[i].score);
      }
    }
  }

  // So many batches on so many pipelines, which take turns: virtual seconds until all are over.
  [[nodiscard]] double seconds_of(std::size_t pipelines, std::size_t batches)
  {
    emulated_device device({.time = kvstrata::time_mode::virtual_time, .share_compute = true});
    std::vector<std::unique_ptr<beam_pipeline<ancestor_indexed>>> all;
    std::vector<pages> own;
    for (std::size_t p = 0; p < pipelines; ++p) {
      all.push_back(std::make_unique<beam_pipeline<ancestor_indexed>>(device, m, how, "beams " + std::to_string(p)));
      own.push_back(scratch(all.back()->search()));
    }
    for (std::size_t b = 0; b < batches; b += pipelines) {
      std::vector<kvstrata::event> ends;
      for (std::size_t p = 0; p < pipelines; ++p) {
        ends.push_back(all[p]->queue(prompts.kv.view(), own[p].view(), items, [](std::uint32_t) { return figures; }));
      }
      for (const kvstrata::event end : ends) device.wait_sync(end);
    }
    for (auto& one : all) require_right(one->search());
    return device.now();
  }
};

std::vector<op_span> spans_with(const std::vector<op_span>& all, std::string_view stream, std::string_view label)
{
  std::vector<op_span> out;
  std::copy_if(all.begin(), all.end(), std::back_inserter(out), [&](const op_span& s) {
    return s.kind != kvstrata::operation_kind::wait && s.stream_name == stream && s.label.find(label) == 0;
  });
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("pipelines: the beams are those of the search step by step, in real and in virtual time", "",
                   reorder_in_place, ancestor_indexed)
{
  pipelines_bed b;
  for (const auto time : {kvstrata::time_mode::real, kvstrata::time_mode::virtual_time}) {
    emulated_device device({.time = time});
    beam_pipeline<TestType> one(device, b.m, b.how, "one"), other(device, b.m, b.how, "other");
    pages own = b.scratch(one.search()), others = b.scratch(other.search());
    for (int batch = 0; batch < 2; ++batch) {
      const auto cost = [](std::uint32_t) { return figures; };
      const kvstrata::event end = one.queue(b.prompts.kv.view(), own.view(), b.items, cost);
      const kvstrata::event also = other.queue(b.prompts.kv.view(), others.view(), b.items, cost);
      device.wait_sync(end);
      device.wait_sync(also);
      b.require_right(one.search());
      b.require_right(other.search());
    }
  }
}

TEST_CASE("pipelines: the host prepares beside the pass, nothing waits for the host but the end")
{
  pipelines_bed b;
  emulated_device device({.time = kvstrata::time_mode::virtual_time, .trace = true});
  beam_pipeline<ancestor_indexed> one(device, b.m, b.how, "beams");
  pages own = b.scratch(one.search());
  device.wait_sync(one.queue(b.prompts.kv.view(), own.view(), b.items, [](std::uint32_t) { return figures; }));
  CHECK(device.stats().host_waits == 1);
  // Index, then the pass with the lists beside it, then the selection.
  CHECK(std::abs(device.now() - 3 * (5 + 100 + 30) * us) < us / 100);

  const std::vector<op_span> all = device.trace();
  const auto passes = spans_with(all, "beams", "pass");
  const auto selections = spans_with(all, "beams", "select");
  const auto host = spans_with(all, "beams, host", "");
  REQUIRE(passes.size() == 3);
  REQUIRE(selections.size() == 3);
  REQUIRE(host.size() == 6);
  for (std::size_t s = 0; s < 3; ++s) {
    const op_span& index = host[2 * s];
    const op_span& allowed = host[2 * s + 1];
    CHECK(index.end <= passes[s].begin);
    CHECK(allowed.begin >= passes[s].begin - us / 100);
    CHECK(allowed.end <= passes[s].end);
    CHECK(allowed.end - allowed.begin > 59 * us);  // all of it beside the pass
    CHECK(passes[s].end <= selections[s].begin);
  }
  kvstrata::timeline line;
  line.add_spans(all);
  std::ostringstream text;
  line.write(text);
  CHECK(text.str().find("beams, host") != std::string::npos);
  CHECK(text.str().find("pass 2") != std::string::npos);
}

TEST_CASE("pipelines: several fill each other's gaps")
{
  pipelines_bed b;
  const double alone = b.seconds_of(1, 4);
  const double two = b.seconds_of(2, 4);
  CHECK(std::abs(alone - 4 * 3 * 135 * us) < us / 10);
  // The device computes all the time, but before the first pass of each round.
  const double busy = 4 * 3 * 130 * us;
  CHECK(two >= busy);
  CHECK(two < busy + 2 * 5 * us + us / 10);
}
