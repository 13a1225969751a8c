// HSTU on contexts put together from blocks: exact where it must be, nearer the more is computed anew.
#include "hstu/blocks/context_forward.hpp"
#include "hstu/fixture.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/device/arrival.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/recompute/attention_and_divergence.hpp>
#include <kvstrata/recompute/first_k.hpp>
#include <kvstrata/recompute/k_deviation.hpp>
#include <kvstrata/recompute/none.hpp>
#include <kvstrata/recompute/random.hpp>
#include <kvstrata/recompute/v_deviation.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

using namespace hstu_test;
using kvstrata::recompute_shares;
namespace recompute = kvstrata::recompute;
using kvstrata_test::sentence_of;

namespace {

hstu::config small()
{
  return {.layers = 3,
          .hidden = 24,
          .heads = 2,
          .head_dim = 12,
          .tasks = 3,
          .max_tokens = 128,
          .normaliser = 32,
          .position_buckets = 40,
          .time_buckets = 0,
          .inputs = hstu::token_inputs::by_caller,
          .event_tokens = 1};
}

/// With biases by time, too.
hstu::config timed()
{
  hstu::config c = small();
  c.time_buckets = 20;
  return c;
}

kvstrata::page_table_view only(const kvstrata::page_table_view& all, std::size_t request)
{
  kvstrata::page_table_view one = all;
  one.indptr = all.indptr.subspan(request, 2);
  one.last_page_len = all.last_page_len.subspan(request, 1);
  one.first_tokens = all.first_tokens.subspan(request, 1);
  return one;
}

struct answer
{
  std::vector<float> scores, last_state;
  std::vector<std::vector<float>> keys, values;  // [layers][context][D]
  kvstrata::reuse_report report;
  hstu::context_work work;
};

// Items of a few tokens each, encoded by themselves into pages, and scratch.
class items_bed
{
 public:
  items_bed(const hstu::model& m, std::uint64_t seed, std::vector<kvstrata::token_count> lengths,
            kvstrata::token_count page_tokens)
      : m_(&m), random_(seed), lengths_(std::move(lengths)), pages_(random_, m.shape(), page_tokens, with_scratch())
  {
    for (std::size_t i = 0; i < lengths_.size(); ++i) {
      items_.push_back(some(lengths_[i]));
      const kvstrata::token_interval all[] = {{0, lengths_[i]}};
      hstu::request r;
      r.history = lengths_[i];
      r.compute = all;
      r.inputs = items_[i];
      const auto times = times_of(i, 1'000'000);
      r.times = times;
      hstu::batch_forward pass(m, {&r, 1}, only(pages_.view(), i));
      pass.embed();
      for (std::uint32_t l = 0; l < m.options().layers; ++l) pass.layer(l);
    }
    candidates_ = some(5);
  }

  /// Items in turn, each behind `gap` tokens of the context's own, and a few at the end.
  struct plan
  {
    kvstrata::block_list list;
    std::vector<kvstrata::reused_block> blocks;
    std::vector<float> inputs;
    std::vector<std::int64_t> times;
    std::vector<kvstrata::token_interval> always;
  };
  [[nodiscard]] plan plan_of(const std::vector<std::uint32_t>& order, std::uint32_t gap, std::uint32_t end)
  {
    plan out;
    std::vector<kvstrata::placed_block> placed;
    const auto add = [&](const std::vector<float>& inputs) {
      out.inputs.insert(out.inputs.end(), inputs.begin(), inputs.end());
    };
    const auto at = [&] { return static_cast<kvstrata::token_count>(out.inputs.size() / m_->options().hidden); };
    std::int64_t now = 500;
    const auto wait = [&](std::size_t tokens) {
      for (std::size_t t = 0; t < tokens; ++t) out.times.push_back(now += 1 + below(random_, 3000));
    };
    for (const std::uint32_t item : order) {
      add(some(gap));
      wait(gap);
      const auto times = times_of(item, now);
      out.times.insert(out.times.end(), times.begin(), times.end());
      now = times.back();
      placed.push_back({.key = {.kind = 1, .id = item, .version = 1}, .start = at(), .tokens = lengths_[item]});
      out.blocks.push_back({at(), lengths_[item]});
      add(items_[item]);
    }
    add(some(end));
    wait(end);
    out.list.start({}, at());
    for (const auto& b : placed) out.list.add(b);
    return out;
  }

  template <kvstrata::token_selector S>
  answer compute(const plan& p, const S& selector, float share, bool exact = false)
  {
    kvstrata::paged_context context;
    context.assemble(
        p.list,
        [&](std::uint32_t part) { return only(pages_.view(), static_cast<std::size_t>(p.list.parts()[part].key.id)); },
        0, only(pages_.view(), lengths_.size()));
    hstu::context_forward pass(*m_);
    pass.run({.inputs = p.inputs,
              .blocks = p.blocks,
              .shares = recompute_shares::of(share),
              .candidate_inputs = candidates_,
              .exact = exact,
              .always = p.always,
              .times = p.times,
              .time = p.times.back() + 50,
              .last_state = true},
             selector, context, [](kvstrata::layer_index) {});
    answer out;
    out.report = pass.report();
    out.work = pass.work();
    const auto scores = pass.scores();
    out.scores.assign(scores.approximate_value().begin(), scores.approximate_value().end());
    const auto state = pass.last_state();
    out.last_state.assign(state.approximate_value().begin(), state.approximate_value().end());
    const std::size_t width = hstu::width_of(m_->options());
    for (std::uint32_t l = 0; l < m_->options().layers; ++l) {
      out.keys.emplace_back();
      out.values.emplace_back();
      for (kvstrata::token_count t = 0; t < p.list.context(); ++t) {
        const auto* const key = reinterpret_cast<const float*>(context.view().key(l, 0, t));
        const auto* const value = key + context.view().value_offset() / sizeof(float);
        out.keys.back().insert(out.keys.back().end(), key, key + width);
        out.values.back().insert(out.values.back().end(), value, value + width);
      }
    }
    return out;
  }
  /// As a server does that has its blocks from a lease, whose last part is scratch: those that the lease lacks are encoded on the way.
  template <class Lease>
  std::vector<float> serve(const plan& p, Lease& lease)
  {
    const auto scratch = static_cast<std::uint32_t>(p.list.parts().size());
    for (std::uint32_t part = 0; part < scratch; ++part) {
      const kvstrata::token_interval all[] = {{0, p.list.parts()[part].tokens}};
      if (lease.compute(0, part).empty()) continue;
      hstu::request r;
      r.history = all[0].end;
      r.compute = all;
      r.inputs = items_[static_cast<std::size_t>(p.list.parts()[part].key.id)];
      hstu::batch_forward pass(*m_, {&r, 1}, lease.view(part));
      pass.embed();
      for (std::uint32_t l = 0; l < m_->options().layers; ++l) pass.layer(l);
    }
    kvstrata::paged_context context;
    context.assemble(p.list, [&](std::uint32_t part) { return lease.view(part); }, 0, lease.view(scratch));
    hstu::context_forward pass(*m_);
    pass.run({.inputs = p.inputs, .blocks = p.blocks, .candidate_inputs = candidates_}, recompute::none{}, context,
             [&lease](kvstrata::layer_index l) { lease.wait_sync(l); });
    for (std::uint32_t l = 0; l < m_->options().layers; ++l) lease.layer_done(l);
    const auto scores = pass.scores().approximate_value();
    return {scores.begin(), scores.end()};
  }
  /// The same inputs, all of them the context's own.
  answer recomputed(const plan& p)
  {
    plan all;
    all.inputs = p.inputs;
    all.times = p.times;
    all.list.start({}, p.list.context());
    return compute(all, recompute::none{}, 0);
  }
  /// By the model's own pass, without blocks.
  std::vector<float> last_state_of(const plan& p)
  {
    const kvstrata::token_interval all[] = {{0, p.list.context()}};
    hstu::request r;
    r.history = p.list.context();
    r.compute = all;
    r.inputs = p.inputs;
    r.times = p.times;
    r.last_state = true;
    r.last_input = std::span(p.inputs).last(m_->options().hidden);
    pages alone(random_, m_->shape(), 8, {p.list.context()});
    hstu::batch_forward pass(*m_, {&r, 1}, alone.view());
    pass.embed();
    for (std::uint32_t l = 0; l < m_->options().layers; ++l) pass.layer(l);
    return {pass.last_state(0).begin(), pass.last_state(0).end()};
  }

 private:
  /// An item's tokens keep their distances in time wherever it stands.
  [[nodiscard]] static std::vector<std::int64_t> times_of(std::size_t item, std::int64_t after, std::size_t tokens)
  {
    std::vector<std::int64_t> out;
    for (std::size_t t = 0; t < tokens; ++t)
      out.push_back(after += 1 + static_cast<std::int64_t>((item * 37 + t * 101) % 900));
    return out;
  }
  [[nodiscard]] std::vector<std::int64_t> times_of(std::size_t item, std::int64_t after) const
  {
    return times_of(item, after, lengths_[item]);
  }
  std::vector<float> some(std::size_t tokens)
  {
    std::vector<float> out;
    for (std::size_t i = 0; i < tokens * m_->options().hidden; ++i)
      out.push_back(static_cast<float>(static_cast<std::int32_t>(below(random_, 2001)) - 1000) / 600.0F);
    return out;
  }
  std::vector<kvstrata::token_count> with_scratch() const
  {
    auto out = lengths_;
    out.push_back(300);
    return out;
  }

  const hstu::model* m_;
  generator random_;
  std::vector<kvstrata::token_count> lengths_;
  pages pages_;
  std::vector<std::vector<float>> items_;
  std::vector<float> candidates_;
};

double apart(const answer& a, const answer& b)
{
  double most = std::max(furthest(a.scores, b.scores), furthest(a.last_state, b.last_state));
  for (std::size_t l = 0; l < b.keys.size(); ++l)
    most = std::max({most, furthest(a.keys[l], b.keys[l]), furthest(a.values[l], b.values[l])});
  return most;
}

double error_of(const std::vector<float>& a, const std::vector<float>& b)
{
  double d = 0, all = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    d += (a[i] - b[i]) * (a[i] - b[i]);
    all += b[i] * b[i];
  }
  return std::sqrt(d / all);
}

template <class Each>
void each_selector(Each&& each)
{
  each(recompute::first_k{});
  each(recompute::k_deviation{});
  each(recompute::v_deviation{});
  each(recompute::attention_and_divergence{});
  each(recompute::random{});
}

constexpr double near = 2e-5;

/// What each token receives in layer 0, token by token in doubles.
std::vector<double> naive_attention(const hstu::model& m, const std::vector<float>& inputs,
                                    const std::vector<std::int64_t>& times)
{
  const hstu::config& c = m.options();
  const hstu::layer_weights& w = m.parameters().layers.front();
  const std::size_t width = hstu::width_of(c), tokens = times.size();
  const auto silu = [](double x) { return x / (1 + std::exp(-x)); };
  std::vector<std::vector<double>> queries(tokens), keys(tokens);
  for (std::size_t t = 0; t < tokens; ++t) {
    const float* const x = inputs.data() + t * c.hidden;
    double mean = 0, square = 0;
    for (std::size_t i = 0; i < c.hidden; ++i) mean += double{x[i]} / c.hidden;
    for (std::size_t i = 0; i < c.hidden; ++i) square += (double{x[i]} - mean) * (double{x[i]} - mean) / c.hidden;
    for (std::size_t column = width; column < 3 * width; ++column) {
      double sum = 0;
      for (std::size_t i = 0; i < c.hidden; ++i)
        sum +=
            (double{x[i]} - mean) / std::sqrt(square + double{c.epsilon}) * double{w.project[i * 4 * width + column]};
      (column < 2 * width ? queries : keys)[t].push_back(silu(sum));
    }
  }
  std::vector<double> out(tokens);
  for (std::size_t t = 0; t < tokens; ++t) {
    for (std::size_t k = 0; k <= t; ++k) {
      for (std::size_t h = 0; h < c.heads; ++h) {
        double score = 0;
        for (std::size_t d = h * c.head_dim; d < (h + 1) * c.head_dim; ++d) score += queries[t][d] * keys[k][d];
        score += double{w.position_bias[h * c.position_buckets + std::min(t - k, std::size_t{c.position_buckets} - 1)]};
        const double seconds = static_cast<double>(std::max(std::int64_t{1}, times[t] - times[k]));
        const auto bucket =
            std::min(static_cast<std::size_t>(std::log(seconds) / 0.301), std::size_t{c.time_buckets} - 1);
        score += double{w.time_bias[h * c.time_buckets + bucket]};
        out[k] += std::abs(silu(score));
      }
    }
  }
  return out;
}

}  // namespace

TEST_CASE("blocks: HSTU's are exact where all is computed anew, and where one block begins the context", "[blocks]")
{
  const bool by_time = GENERATE(false, true);
  const hstu::model m(by_time ? timed() : small(), 1);
  for (const kvstrata::token_count page_tokens : {4U, 8U}) {
    items_bed bed(m, page_tokens, {16, 24, 9, 13}, page_tokens);
    for (const auto& plan : {bed.plan_of({0, 1, 2, 3}, 3, 5), bed.plan_of({1, 0, 0}, 8, 1), bed.plan_of({2}, 0, 0)}) {
      const answer full = bed.recomputed(plan);
      REQUIRE(full.report.exact());
      REQUIRE(furthest(full.last_state, bed.last_state_of(plan)) < near);
      auto always = plan;
      for (const kvstrata::reused_block& b : plan.blocks) always.always.push_back({b.start, b.start + b.tokens});
      REQUIRE(apart(bed.compute(always, recompute::none{}, 0), full) < near);
      REQUIRE(bed.compute(always, recompute::none{}, 0).report.exact());
      each_selector([&](const auto& selector) {
        const answer all = bed.compute(plan, selector, 1);
        REQUIRE(apart(all, full) < near);
        REQUIRE(all.report.exact());
      });
    }
    const auto first = bed.plan_of({1}, 0, 6);
    const answer mine = bed.compute(first, recompute::none{}, 0);
    CHECK(apart(mine, bed.recomputed(first)) < near);
    CHECK(mine.report == kvstrata::reuse_report{.reused = 24, .reused_exactly = 24, .own = 6});
    const auto later = bed.plan_of({1}, 8, 6);
    const answer other = bed.compute(later, recompute::none{}, 0);
    CHECK(apart(other, bed.recomputed(later)) > 1e-3);
    CHECK(!other.report.exact());
  }
}

TEST_CASE("blocks: HSTU's error falls with the share that is computed anew, layer by layer", "[blocks]")
{
  const hstu::model m(small(), 1);
  const float shares[] = {0, 0.3F, 0.6F, 1};
  each_selector([&](const auto& selector) {
    INFO(selector.name);
    std::vector<std::vector<double>> errors(4, std::vector<double>(3, 0.0));
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      items_bed bed(m, seed, {16, 24, 9, 13}, 8);
      const auto plan = bed.plan_of({0, 1, 2, 3}, 4, 5);
      const answer full = bed.recomputed(plan);
      for (std::size_t s = 0; s < 4; ++s) {
        const answer mine = bed.compute(plan, selector, shares[s]);
        for (std::size_t l = 0; l < 3; ++l)
          errors[s][l] += error_of(mine.keys[l], full.keys[l]) + error_of(mine.values[l], full.values[l]);
      }
    }
    for (std::size_t l = 0; l < 3; ++l) {
      INFO("layer " << l);
      REQUIRE(errors[3][l] < 1e-4);
      REQUIRE((l == 0 || errors[0][l] > 1e-3));
      for (std::size_t s = 1; s < 4; ++s) REQUIRE((l == 0 || errors[s][l] < errors[s - 1][l]));
    }
  });
}

TEST_CASE("blocks: HSTU's attention received is that of true positions and times", "[blocks]")
{
  const hstu::model m(timed(), 1);
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    items_bed bed(m, seed, {16, 24, 9}, 8);
    const auto plan = bed.plan_of({2, 0, 1}, 4, 5);
    const std::vector<double> received = naive_attention(m, plan.inputs, plan.times);
    // The token in a block that receives most is computed anew, and no other.
    kvstrata::token_count most = plan.blocks.front().start;
    kvstrata::each_reused(plan.blocks, [&](kvstrata::token_count p, kvstrata::token_count, const auto&) {
      if (received[p] > received[most]) most = p;
    });
    const answer none = bed.compute(plan, recompute::none{}, 0),
                 one = bed.compute(plan, recompute::attention_and_divergence(0), 1.0F / 49);
    REQUIRE(one.report.recomputed == 1);
    const std::size_t width = hstu::width_of(m.options());
    kvstrata::each_reused(plan.blocks, [&](kvstrata::token_count p, kvstrata::token_count, const auto&) {
      const auto same = std::equal(none.values[1].begin() + static_cast<std::ptrdiff_t>(p * width),
                                   none.values[1].begin() + static_cast<std::ptrdiff_t>((p + 1) * width),
                                   one.values[1].begin() + static_cast<std::ptrdiff_t>(p * width));
      REQUIRE(same == (p != most));
    });
  }
}

TEST_CASE("blocks: what HSTU's pass does, and what it refuses", "[blocks]")
{
  const hstu::model m(small(), 1);
  items_bed bed(m, 3, {20, 30}, 8);
  const auto plan = bed.plan_of({0, 1}, 5, 5);  // 65 tokens
  const answer cheap = bed.compute(plan, recompute::first_k{}, 0.1F);
  CHECK(cheap.report == kvstrata::reuse_report{.reused = 45, .recomputed = 5, .own = 15});
  CHECK(cheap.work.whole_rows == 2 * 20);
  CHECK(cheap.work.projected_rows == 20);
  const answer reads = bed.compute(plan, recompute::v_deviation{}, 0.1F);
  CHECK(reads.work.whole_rows == 65 + 2 * 20);
  CHECK(reads.work.projected_rows == 65 + 20);

  hstu::config c = small();
  c.inputs = hstu::token_inputs::tables;
  c.event_tokens = 2;
  CHECK(sentence_of<kvstrata::config_error>([&] {
          const hstu::model tables(c, 1);
          hstu::context_forward pass(tables);
        }) == "hstu.inputs is tables, but blocks stand at any place, so inputs must come without positions");
  c = small();
  const hstu::model times(timed(), 1);
  items_bed timed_bed(times, 3, {20, 30}, 8);
  auto few = timed_bed.plan_of({0, 1}, 5, 5);
  few.times.erase(few.times.begin());
  CHECK(sentence_of<kvstrata::history_error>([&] { timed_bed.compute(few, recompute::none{}, 0); }) ==
        "a context of 65 events has 64 times, and the model's biases go by time");
  auto wrong = plan;
  wrong.inputs.pop_back();
  CHECK(sentence_of<kvstrata::history_error>([&] { bed.compute(wrong, recompute::none{}, 0); }) ==
        "a context of 65 tokens has 1559 numbers as inputs, but a token has 24");
  CHECK_THROWS_AS(bed.compute(plan, recompute::random{}, 1.5F), kvstrata::config_error);
  CHECK(sentence_of<kvstrata::usage_error>([&] { bed.compute(plan, recompute::v_deviation{}, 0.1F, true); }) ==
        "exact tokens are asked for, but 45 of the 65 of a context would be reused where they are not");
  CHECK(bed.compute(plan, recompute::v_deviation{}, 1, true).report.exact());
}

TEST_CASE("blocks: of HSTU's two contexts at once encode one block, and one of them for itself", "[blocks]")
{
  const hstu::model m(small(), 1);
  constexpr kvstrata::token_count page = 4;
  items_bed bed(m, 5, {16, 24, 9, 13}, page);
  const auto first = bed.plan_of({1, 2}, 3, 5);
  auto second = bed.plan_of({2, 0, 1}, 2, 4);
  kvstrata::emulated_device device;
  const kvstrata::stream_id compute = device.create_stream("compute");
  kvstrata::default_cache<kvstrata::emulated_device> cache(
      device, {.shape = m.shape(),
               .tiers = {{.bytes = 100 * kvstrata::page_bytes(m.shape(), page)},
                         {.bytes = 60 * kvstrata::page_bytes(m.shape(), page)}},
               .layout = {.page_tokens = page, .chunk = 16}});
  const auto ask = [&](const items_bed::plan& p) {
    std::vector<kvstrata::part> parts(p.list.parts().begin(), p.list.parts().end());
    parts.push_back({.tokens = p.list.context(), .mode = kvstrata::part_mode::scratch});
    const kvstrata::request wanted{.user = kvstrata::user_id{1}, .parts = parts};
    return cache.prepare({&wanted, 1}, compute);
  };
  auto a = ask(first).value();
  CHECK(comes_by_commit(ask(second).why()));
  const std::vector<kvstrata::placed_block> blocks(second.list.blocks().begin(), second.list.blocks().end());
  second.list.start({}, second.list.context(), kvstrata::computed_elsewhere::compute_own);
  for (const kvstrata::placed_block& b : blocks) second.list.add(b);
  auto b = ask(second).value();
  CHECK(furthest(bed.serve(second, b), bed.compute(second, recompute::none{}, 0).scores) < near);
  b.finish();
  CHECK(furthest(bed.serve(first, a), bed.compute(first, recompute::none{}, 0).scores) < near);
  a.finish();
  CHECK(cache.stats().levels[0].resident_tokens == 24 + 9 + 16);
  auto again = ask(second).value();
  CHECK(again.compute(0, 0).empty());
  CHECK(furthest(bed.serve(second, again), bed.compute(second, recompute::none{}, 0).scores) < near);
  again.release();
  cache.close();
}
