// What the decoder's passes on a device must do, whatever the device: a test file of a few lines runs it on its own machine
// (hstu_gpu/model_bed.hpp says what a machine is).
#pragma once

#include "decoder/beam_search.hpp"
#include "decoder/fixture.hpp"
#include "decoder/gpu/beam_pass.hpp"
#include "decoder/gpu/prompt_pass.hpp"
#include "decoder/naive_search.hpp"
#include "decoder/reference.hpp"
#include "decoder_search/random_catalogue.hpp"
#include "hstu_gpu/device_pages.hpp"
#include "support/catch.hpp"

#include <kvstrata/beams/ancestor_indexed.hpp>
#include <kvstrata/beams/reorder_in_place.hpp>
#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

namespace decoder_gpu_test {

using namespace decoder_test;
using hstu_gpu_test::relative_error;
using kvstrata::token_interval;

// Every step rounds to bf16 (2^-9 relative).
inline constexpr double near_reference = 0.02;

inline config device_config()
{
  return {.layers = 2, .hidden = 64, .heads = 2, .head_dim = 64, .ffn = 72, .codebooks = {16, 24, 8}, .seed = 3};
}

/// The weights as the device has them: matrices and tables in bf16.
struct rounded_model
{
  config c;
  weights w;

  explicit rounded_model(const config& from) : c(from), w(random_weights(from))
  {
    using hstu_gpu_test::rounded;
    for (std::vector<float>& table : w.tokens) table = rounded(table);
    w.start = rounded(w.start);
    for (layer_weights& l : w.layers) {
      for (std::vector<float>* matrix : {&l.project, &l.output, &l.gate_up, &l.down}) *matrix = rounded(*matrix);
    }
  }
  [[nodiscard]] const config& options() const { return c; }
  [[nodiscard]] const weights& parameters() const { return w; }
};

/// A machine with the model, and pages in its memory full of NaN.
template <class Machine>
struct bed
{
  using runner = typename Machine::runner;
  using device_type = typename runner::device_type;
  using pages_type = hstu_gpu_test::device_pages<device_type>;

  Machine machine;
  kvstrata::stream_id stream = device().create_stream("compute");
  decoder::gpu::model<runner> model;
  decoder::gpu::lane<runner> lane;
  generator random;

  explicit bed(const config& c, std::uint64_t seed = 1)
      : model(machine.machine(), c, stream), lane(model, stream), random(seed)
  {
  }
  [[nodiscard]] device_type& device() { return machine.machine().device(); }
  [[nodiscard]] pages_type pages(kvstrata::token_count page_tokens, const std::vector<token_interval>& windows)
  {
    return {random, device(), stream, model.shape(), page_tokens, std::span(windows)};
  }
  void compute(std::span<const prompt> prompts, const kvstrata::page_table_view& view)
  {
    decoder::gpu::prompt_pass<runner>(lane, prompts, view).run();
  }
};

/// Windows with their tokens, computed but for nothing.
template <class Machine>
struct prompts_on_device
{
  std::vector<token_interval> windows;
  std::vector<std::vector<std::uint32_t>> tokens;
  typename bed<Machine>::pages_type kv;

  prompts_on_device(bed<Machine>& b, std::vector<token_interval> of, kvstrata::token_count page_tokens)
      : windows(std::move(of)), kv(b.pages(page_tokens, windows))
  {
    for (const token_interval w : windows) {
      tokens.push_back(random_history(b.random, b.model.options(), w.size(), w.begin));
    }
    b.compute(prompts(), kv.view());
  }
  [[nodiscard]] std::vector<prompt> prompts() const
  {
    std::vector<prompt> out;
    for (std::size_t r = 0; r < windows.size(); ++r) {
      out.push_back({tokens[r], windows[r].end, std::span(windows).subspan(r, 1), windows[r].begin});
    }
    return out;
  }
};

/// K and V of every layer near those of double precision, of all requests, and nothing written beside them.
template <class Machine>
void check_prompts(const config& c, const std::vector<token_interval>& windows, kvstrata::token_count page_tokens)
{
  INFO("hidden " << c.hidden << ", heads " << c.heads << " x " << c.head_dim << ", page " << page_tokens);
  bed<Machine> b(c);
  const rounded_model m(c);
  prompts_on_device<Machine> prompts(b, windows, page_tokens);
  const std::vector<std::byte> all = prompts.kv.read();
  std::size_t written = 0;
  for (std::size_t r = 0; r < windows.size(); ++r) {
    const sequence_result right = recompute(m, prompts.tokens[r], windows[r].begin, false, {});
    for (kvstrata::layer_index l = 0; l < c.layers; ++l) {
      for (const bool value : {false, true}) {
        std::vector<float> mine;
        row reference;
        for (std::uint32_t t = windows[r].begin; t < windows[r].end; ++t) {
          const std::vector<float> one = prompts.kv.row(all, l, r, t, value);
          const row& other = (value ? right.values : right.keys)[l][t - windows[r].begin];
          mine.insert(mine.end(), one.begin(), one.end());
          reference.insert(reference.end(), other.begin(), other.end());
        }
        INFO("prompt " << r << ", layer " << l << (value ? ", values" : ", keys"));
        CHECK(relative_error(mine, reference) < near_reference);
        written += 2 * mine.size();
      }
    }
  }
  CHECK(static_cast<std::size_t>(std::count(all.begin(), all.end(), std::byte{0xFF})) >= all.size() - written);
}

template <class Machine>
void check_sizes()
{
  const config c = device_config();
  check_prompts<Machine>(c, {{0, 70}, {0, 0}, {5, 6}, {9, 140}}, 8);
  check_prompts<Machine>(c, {{0, 64}, {3, 129}}, 12);
  config wide = c;
  wide.layers = 3;
  wide.hidden = 328;  // no whole vectors of a warp
  wide.heads = 1;
  wide.head_dim = 128;
  wide.ffn = 40;
  wide.codebooks = {8, 16};
  check_prompts<Machine>(wide, {{0, 33}}, 16);
}

/// What is in the pages serves as what is computed, and no byte changes but of what is computed.
template <class Machine>
void check_cached()
{
  bed<Machine> b(device_config());
  prompts_on_device<Machine> prompts(b, {{0, 90}, {6, 50}}, 8);
  const std::vector<std::byte> whole = prompts.kv.read();
  const std::vector<token_interval> lists[] = {{{89, 90}}, {{20, 90}}, {{0, 10}, {20, 21}, {30, 75}}, {}};
  for (const auto& list : lists) {
    std::vector<std::byte> poisoned = whole;
    for (kvstrata::layer_index l = 0; l < 2; ++l) {
      for (const token_interval i : list) {
        for (std::uint32_t t = i.begin; t < i.end; ++t) {
          for (const bool value : {false, true}) {
            std::fill_n(poisoned.data() + prompts.kv.offset(l, 0, t, value), b.model.shape().key_bytes(),
                        std::byte{0xFF});
          }
        }
      }
    }
    prompts.kv.write(poisoned);
    std::vector<prompt> some = prompts.prompts();
    some[0].compute = list;
    some[1].compute = {};
    b.compute(some, prompts.kv.view());
    const std::vector<std::byte> now = prompts.kv.read();
    if (Machine::bitwise) CHECK(now == whole);
    for (kvstrata::layer_index l = 0; l < 2; ++l) {
      for (std::uint32_t t = 0; t < 90; ++t) {
        CHECK(relative_error(prompts.kv.row(now, l, 0, t, true), prompts.kv.row(whole, l, 0, t, true)) <
              near_reference);
      }
    }
  }
}

/// A token that comes later changes no bit of those before.
template <class Machine>
void check_leaks()
{
  bed<Machine> b(device_config());
  prompts_on_device<Machine> prompts(b, {{0, 80}}, 8);
  const std::vector<std::byte> before = prompts.kv.read();
  prompts.tokens[0][70] ^= 1;
  b.compute(prompts.prompts(), prompts.kv.view());
  const std::vector<std::byte> after = prompts.kv.read();
  for (std::uint32_t t = 0; t < 80; ++t) {
    for (kvstrata::layer_index l = 0; l < 2; ++l) {
      const bool same = prompts.kv.row(before, l, 0, t, true) == prompts.kv.row(after, l, 0, t, true);
      CHECK(same == (t < 70 || (l == 0 && t != 70)));
    }
  }
}

/// Logits of beams near those of double precision, which computes each beam's line anew; what is read is counted.
template <class Machine>
void check_beams(const config& c, const std::vector<token_interval>& windows, const std::vector<std::uint32_t>& widths)
{
  bed<Machine> b(c);
  const rounded_model m(c);
  prompts_on_device<Machine> prompts(b, windows, 8);
  const std::uint32_t rows_of_request = 1 + (depth_of(c) - 1) * *std::max_element(widths.begin(), widths.end());
  auto scratch = b.pages(4, std::vector<token_interval>(windows.size(), {0, rows_of_request}));
  decoder::gpu::beam_pass<typename Machine::runner> pass(b.lane);
  std::vector<std::vector<token_line>> lines(windows.size());
  std::uint64_t prompt_bytes = 0, own_bytes = 0;
  for (std::uint32_t step = 0; step < depth_of(c); ++step) {
    std::vector<std::uint32_t> now, tokens, own_rows;
    for (std::size_t r = 0; r < windows.size(); ++r) {
      now.push_back(step == 0 ? std::min(widths[r], 1U) : widths[r]);
      if (step == 1) lines[r].resize(widths[r]);
      for (std::uint32_t beam = 0; beam < now.back(); ++beam) {
        own_rows.push_back(0);  // the start token's
        for (std::uint32_t s = 1; s <= step; ++s) own_rows.push_back(1 + (s - 1) * widths[r] + beam);
        if (step != 0) {
          tokens.push_back(static_cast<std::uint32_t>(b.random() % c.codebooks[step - 1]));
          lines[r][beam].push_back(tokens.back());
        }
        own_bytes += (step + 1) * b.model.shape().token_bytes();
      }
      prompt_bytes += (now.back() + 63) / 64 * windows[r].size() * b.model.shape().token_bytes();
    }
    const std::span<const float> logits = pass.run({step, now, tokens, own_rows}, prompts.kv.view(), scratch.view());
    std::size_t at = 0;
    for (std::size_t r = 0; r < windows.size(); ++r) {
      for (std::uint32_t beam = 0; beam < now[r]; ++beam, at += c.codebooks[step]) {
        if (now[r] > 8 && beam % 23 != 0) continue;
        const row right = recompute(m, prompts.tokens[r], windows[r].begin, true,
                                    step == 0 ? std::span<const std::uint32_t>() : lines[r][beam])
                              .logits;
        INFO("request " << r << ", step " << step << ", beam " << beam);
        CHECK(relative_error(logits.subspan(at, c.codebooks[step]), right) < near_reference);
      }
    }
    REQUIRE(at == logits.size());
  }
  CHECK(pass.traffic().prompt_bytes == prompt_bytes);
  CHECK(pass.traffic().own_bytes == own_bytes);
}

template <class Machine>
void check_steps()
{
  const config c = device_config();
  check_beams<Machine>(c, {{0, 70}, {0, 0}, {7, 30}}, {5, 3, 0});
  check_beams<Machine>(c, {{0, 40}}, {70});  // two tiles
  config wide = c;
  wide.layers = 1;
  wide.head_dim = 128;
  wide.codebooks = {8, 8, 8, 8};
  check_beams<Machine>(wide, {{0, 21}}, {4});
}

/// A front and a history behind it give what a prompt of one part gives.
template <class Machine>
void check_parts()
{
  const config c = device_config();
  bed<Machine> b(c);
  const rounded_model m(c);
  const prompts_on_device<Machine> fronts(b, {{0, 71}, {0, 0}, {0, 66}}, 8);
  const std::vector<token_interval> windows{{0, 40}, {0, 13}, {0, 0}};
  auto kv = b.pages(16, windows);
  auto scratch = b.pages(8, {{0, 1}, {0, 1}, {0, 1}});
  std::vector<std::vector<std::uint32_t>> tokens;
  std::vector<prompt> prompts;
  for (std::size_t r = 0; r < 3; ++r)
    tokens.push_back(random_history(b.random, c, windows[r].size(), fronts.windows[r].end));
  for (std::size_t r = 0; r < 3; ++r)
    prompts.push_back({tokens[r], windows[r].end, std::span(windows).subspan(r, 1), 0});
  const kvstrata::page_table_view parts[] = {fronts.kv.view(), kv.view()};
  decoder::gpu::prompt_pass<typename Machine::runner>(b.lane, prompts, parts[1], parts[0]).run();
  const std::vector<std::byte> all = kv.read();
  decoder::gpu::beam_pass<typename Machine::runner> pass(b.lane);
  const std::vector<std::uint32_t> widths{1, 1, 1}, rows{0, 0, 0};
  const std::span<const float> logits =
      pass.run({0, widths, {}, rows}, std::span<const kvstrata::page_table_view>(parts), scratch.view());
  for (std::size_t r = 0; r < 3; ++r) {
    INFO("request " << r);
    std::vector<std::uint32_t> whole = fronts.tokens[r];
    whole.insert(whole.end(), tokens[r].begin(), tokens[r].end());
    const sequence_result right = recompute(m, whole, 0, true, {});
    CHECK(relative_error(logits.subspan(16 * r, 16), right.logits) < near_reference);
    for (kvstrata::layer_index l = 0; l < c.layers; ++l) {
      for (std::uint32_t t = 0; t < windows[r].end; ++t) {
        const std::size_t at = fronts.windows[r].end + t;
        CHECK(relative_error(kv.row(all, l, r, t, false), right.keys[l][at]) < 2 * near_reference);
        CHECK(relative_error(kv.row(all, l, r, t, true), right.values[l][at]) < 2 * near_reference);
      }
    }
  }
  CHECK(pass.traffic().read() == (71 + 40 + 13 + 66 + 3) * b.model.shape().token_bytes());
}

template <class Layout, class Machine>
std::vector<found_item> found_on_device(bed<Machine>& b, const prompts_on_device<Machine>& prompts,
                                        const search_options& how, std::shared_ptr<const catalogue> items,
                                        std::uint64_t* moved = nullptr)
{
  beam_search<Layout, decoder::gpu::beam_pass<typename Machine::runner>> search(b.lane, how);
  auto scratch = b.pages(4, std::vector<token_interval>(prompts.windows.size(), {0, search.scratch_rows()}));
  search.start(prompts.kv.view(), scratch.view(), std::move(items));
  search.run();
  std::vector<found_item> out;
  for (std::size_t r = 0; r < search.size(); ++r) {
    out.insert(out.end(), search.found(r).begin(), search.found(r).end());
  }
  if (moved != nullptr) *moved = search.traffic().moved_bytes;
  return out;
}

/// A width that all prefixes fit into finds all items, with the scores of double precision; and with narrow beams both layouts find
/// the same, one of which moves tokens on the device.
template <class Machine>
void check_searches()
{
  const config c = device_config();
  bed<Machine> b(c);
  const rounded_model m(c);
  const auto items = std::make_shared<const catalogue>(random_trie(9, c.codebooks, 60));
  const prompts_on_device<Machine> prompts(b, {{0, 30}}, 8);
  const search_options all{.widths = {16, 60, 60}};
  const std::vector<found_item> found = found_on_device<kvstrata::ancestor_indexed>(b, prompts, all, items);
  const naive_result right = naive_search(m, prompts.tokens[0], items.get(), all);
  REQUIRE(found.size() == 60);
  REQUIRE(right.beams.size() == 60);
  std::vector<bool> seen(60);
  for (const found_item& f : found) {
    const auto same = std::find_if(right.beams.begin(), right.beams.end(),
                                   [&](const naive_beam& beam) { return items->items().find(beam.line) == f.item; });
    REQUIRE(same != right.beams.end());
    CHECK(std::abs(static_cast<double>(f.score) - same->score) < 0.05);
    REQUIRE(!seen[f.item]);
    seen[f.item] = true;
  }
  const search_options narrow{.widths = {6, 20, 12}};
  const prompts_on_device<Machine> more(b, {{0, 30}, {0, 11}, {0, 0}}, 8);
  std::uint64_t moved = 0;
  const auto indexed = found_on_device<kvstrata::ancestor_indexed>(b, more, narrow, items);
  const auto moving = found_on_device<kvstrata::reorder_in_place>(b, more, narrow, items, &moved);
  CHECK(moved > 0);
  REQUIRE(indexed.size() == 36);
  REQUIRE(moving.size() == 36);
  for (std::size_t i = 0; i < 36; ++i) {
    if (Machine::bitwise) CHECK(indexed[i].item == moving[i].item);
    CHECK(std::abs(indexed[i].score - moving[i].score) < (Machine::bitwise ? 1e-6f : 0.05f));
  }
}

template <class Machine>
void check_refusals()
{
  const config c = device_config();
  bed<Machine> b(c);
  prompts_on_device<Machine> prompts(b, {{0, 20}}, 8);
  auto scratch = b.pages(8, {{0, 9}});
  const auto refusal = [](auto&& call) -> std::string {
    try {
      call();
    } catch (const kvstrata::error& e) {
      return e.what();
    }
    return "";
  };
  using runner = typename Machine::runner;
  using prompt_pass = decoder::gpu::prompt_pass<runner>;
  decoder::gpu::beam_pass<runner> beams(b.lane);
  const std::vector<std::uint32_t> one{1}, row{0};
  const beam_step step{0, one, {}, row};
  const std::vector<std::byte> before = prompts.kv.read();
  {
    const std::vector<prompt> all = prompts.prompts();
    prompt_pass first(b.lane, all, prompts.kv.view());
    CHECK(refusal([&] { prompt_pass(b.lane, all, prompts.kv.view()); }) ==
          "a pass was made while another one has its lane; destroy that first");
    CHECK(refusal([&] { beams.start(step, prompts.kv.view(), scratch.view()); }) ==
          "a pass was made while another one has its lane; destroy that first");
    CHECK(refusal([&] { first.layer(0); }) == "layer(0) was called, but embed() comes first");
    first.embed();
    CHECK(refusal([&] { first.layer(1); }) == "layer(1) was called, but layer 0 is next");
    CHECK(refusal([&] { first.embed(); }) == "embed() was called, but layer 0 is next");
  }
  CHECK(refusal([&] { beams.layer(0); }) == "layer(0) was called, but start() comes first");
  beams.start(step, prompts.kv.view(), scratch.view());
  CHECK(refusal([&] { beams.logits(); }) == "logits() was called, but layer 0 is next");
  CHECK(refusal([&] { static_cast<void>(beams.logits_sync()); }) == "logits() has not been called, so there are none");
  beams.start(step, prompts.kv.view(), scratch.view());  // what was begun is given up
  const std::vector<std::uint32_t> late{9};
  CHECK(refusal([&] { beams.start({0, one, {}, late}, prompts.kv.view(), scratch.view()); }) ==
        "row 9 is beyond the scratch of request 0, which has 9");
  std::vector<prompt> wrong = prompts.prompts();
  wrong[0].history = 19;
  CHECK(refusal([&] { prompt_pass(b.lane, wrong, prompts.kv.view()); }) ==
        "prompt 0 has 20 tokens, but its window has 19");
  CHECK(prompts.kv.read() == before);
  const auto config_refusal = [&](auto&& change) {
    config bad = c;
    change(bad);
    return refusal([&] { decoder::gpu::check_gpu(bad); });
  };
  CHECK(config_refusal([](config& bad) { bad.head_dim = 32; }) ==
        "decoder.head_dim is 32, but staged attention on a GPU takes 64 and 128");
  CHECK(config_refusal([](config& bad) { bad.codebooks[1] = 20; }) ==
        "decoder.codebooks[1] is 20, but on a GPU it must be a multiple of 8, which is what a thread takes at once");
  CHECK(config_refusal([](config& bad) { bad.hidden = 8192; }).find("decoder.hidden is 8192, but on a GPU it may") ==
        0);
  CHECK(config_refusal([](config& bad) { bad.layers = 0; }) == "decoder.layers is 0, but it must be at least 1");
}

}  // namespace decoder_gpu_test
