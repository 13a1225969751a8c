#include "replay/mtgr/run.hpp"

#include "replay/machine.hpp"
#include "replay/mtgr/ways.hpp"

#include <kvstrata/simulate/random.hpp>

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

namespace replay {
namespace {

/// Relative where scores are large, absolute where they are small, as HSTU's in f32: rounding stays far below it.
constexpr double score_tolerance = 2e-4;

double processor_seconds()
{
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

double wall_seconds()
{
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void add(token_split& to, const kvstrata::token_sources& from)
{
  for (kvstrata::level_index i = 0; i < kvstrata::most_levels; ++i) to.served[i] += from.from[i];
  to.computed += from.computed;
}

void keep(mtgr_case_result& to, const mtgr_context& context, std::span<const mtgr_turn> batch,
          const std::vector<mtgr_answer>& answers)
{
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const mtgr_turn& t = batch[i];
    const mtgr_answer& a = answers[i];
    to.requests += t.of->answers;
    add(to.statics.tokens, a.statics);
    add(to.recents.tokens, a.recents);
    if (!t.first_of_version) to.statics.again += a.statics.computed;
    // Events that are new are the last ones: whatever is computed holds them.
    if (a.recents.computed > t.new_recents) to.recents.again += a.recents.computed - t.new_recents;
    add(to.candidates.tokens, a.candidates);
    const mtgr::part_flops f = context.load.flops(t, a.candidates.computed, a.statics.computed, a.recents.computed);
    to.flops.statics += f.statics;
    to.flops.recents += f.recents;
    to.flops.candidates += f.candidates;
  }
}

/// Holds one answer to the right one.
void compare(mtgr_case_result& to, const std::vector<float>& served, const std::vector<float>& right)
{
  bool wrong = served.size() != right.size();
  for (std::size_t i = 0; i < served.size() && i < right.size(); ++i) {
    const double b = right[i];
    const double apart = std::abs(served[i] - b);
    to.furthest = (std::max)(to.furthest, apart);
    wrong = wrong || !(apart <= score_tolerance * (std::max)(1.0, std::abs(b)));  // NaN, too
  }
  ++to.verified;
  to.wrong += wrong ? 1 : 0;
}

}  // namespace

mtgr_pass serve_mtgr(const mtgr_options& o, const mtgr_load& load, const mtgr::model& m, std::uint32_t candidates,
                     progress& shown)
{
  const mtgr_features features(load.model, o.common.seed);
  const double latency = o.common.link_latency_us * 1e-6;
  const mtgr_context context{
      .load = load,
      .model = m,
      .features = features,
      .sizes = choose_mtgr_sizes(o, load, candidates),
      .link = {.bytes_per_second = o.common.link_gbps * 1e9, .latency_seconds = latency, .piece_seconds = latency / 2},
      .candidates = candidates};
  mtgr_pass out{.candidates = candidates, .bound = load.bounds(candidates).bound(), .cases = {}};
  std::vector<std::unique_ptr<mtgr_way>> ways;
  for (const mtgr_case& c : chosen_cases(o)) {
    ways.push_back(make_way(context, c.keeping));
    out.cases.push_back({.which = c});
  }
  const std::unique_ptr<mtgr_way> anew = make_way(context, mtgr_keeping::nowhere);
  kvstrata::random_source random(kvstrata::derive_seed(o.common.seed, 74));
  std::vector<mtgr_answer> answers, right;
  // What comes once, threads and the products' kernels, would be the first case's time.
  if (!load.batches.empty()) anew->serve(load.batches.front(), answers);
  shown.start("K = " + std::to_string(candidates), load.batches.size());
  for (std::size_t b = 0; b < load.batches.size(); ++b) {
    const std::vector<mtgr_turn>& batch = load.batches[b];
    std::vector<std::size_t> sample;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      // Nobody says that some are checked and means none: the last is.
      if (o.common.verify > 0 &&
          (random.uniform() < o.common.verify || (b + 1 == load.batches.size() && i + 1 == batch.size()))) {
        sample.push_back(i);
      }
    }
    right.resize(sample.size());
    for (std::size_t s = 0; s < sample.size(); ++s) {
      std::vector<mtgr_answer> one;
      anew->serve(std::span(batch).subspan(sample[s], 1), one);
      right[s] = std::move(one[0]);
    }
    for (std::size_t turn = 0; turn < ways.size(); ++turn) {
      const std::size_t c = (b + turn) % ways.size();  // nobody always follows the same neighbour
      const double wall = wall_seconds();
      const double worked = processor_seconds();
      ways[c]->serve(batch, answers);
      out.cases[c].latency_seconds.push_back(wall_seconds() - wall);
      ways[c]->settle();
      out.cases[c].processor_seconds += processor_seconds() - worked;
      keep(out.cases[c], context, batch, answers);
      for (std::size_t s = 0; s < sample.size(); ++s) {
        compare(out.cases[c], answers[sample[s]].logits, right[s].logits);
      }
    }
    shown.advance();
  }
  for (std::size_t c = 0; c < ways.size(); ++c) {
    const mtgr_superseded gone = ways[c]->superseded();
    out.cases[c].statics.superseded = gone.statics;
    out.cases[c].recents.superseded = gone.recents;
  }
  shown.finish();
  return out;
}

mtgr_results run_mtgr(const mtgr_options& o, progress& shown)
{
  const mtgr_load load = make_mtgr_load(o);
  const mtgr::model m(load.model);
  mtgr_results out{.how = o, .workload = load.load.facts, .machine = this_machine(), .passes = {}};
  for (const std::uint32_t candidates : o.candidates) {
    out.passes.push_back(serve_mtgr(o, load, m, candidates, shown));
  }
  return out;
}

}  // namespace replay
