#include "replay/decoder/blocks/run.hpp"

#include "decoder/blocks/score_agreement.hpp"
#include "replay/machine.hpp"

#include <kvstrata/simulate/random.hpp>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace replay {
namespace {

/// Which prompts are computed anew, ascending; at least one where a share is asked for.
std::vector<std::size_t> draw_sample(std::size_t prompts, double share, std::uint64_t seed)
{
  std::vector<std::size_t> out;
  if (share <= 0 || prompts == 0) return out;
  kvstrata::random_source random(kvstrata::derive_seed(seed, 94));
  constexpr std::uint32_t whole = 1U << 20;
  for (std::size_t p = 0; p < prompts; ++p) {
    if (random.below(whole) < share * whole) out.push_back(p);
  }
  if (out.empty()) out.push_back(prompts - 1);
  return out;
}

void compare(block_errors& to, const block_answer& mine, const block_answer& anew)
{
  to.layers.resize(anew.layers.size());
  for (std::size_t l = 0; l < anew.layers.size(); ++l) {
    const double error = (decoder::relative_error(mine.layers[l].keys, anew.layers[l].keys) +
                          decoder::relative_error(mine.layers[l].values, anew.layers[l].values)) /
                         2;
    to.layers[l] += error;
    to.kv += error / static_cast<double>(anew.layers.size());
  }
  to.logits += decoder::relative_error(mine.logits, anew.logits);
  to.top += decoder::top_overlap(mine.logits, anew.logits, (std::min)(std::size_t{10}, anew.logits.size()));
  to.ranks += decoder::rank_correlation(mine.logits, anew.logits);
  ++to.verified;
}

void finish(block_errors& e)
{
  if (e.verified == 0) return;
  const auto n = static_cast<double>(e.verified);
  for (double& layer : e.layers) layer /= n;
  e.kv /= n;
  e.logits /= n;
  e.top /= n;
  e.ranks /= n;
}

/// Of one answer: what the case gives on an empty cache, where all is encoded for it, must be what it gave on one that other prompts
/// have filled; and where it says that it is exact, what the prompt computed anew gives. How far it is from that is added up.
void verify(block_errors& to, const block_context& context, const block_case& which, const block_prompt& p,
            const block_answer& mine, const block_answer& anew)
{
  constexpr double rounding = 1e-4;  // relative, of logits: sums are in another order
  block_answer fresh;
  const std::unique_ptr<block_way> way = make_way(context, which);
  way->serve(p, fresh, true);
  way->settle();
  compare(to, fresh, anew);
  bool right = fresh.how == mine.how && decoder::relative_error(mine.logits, fresh.logits) < rounding;
  if (mine.how.exact()) right = right && decoder::relative_error(mine.logits, anew.logits) < rounding;
  to.mismatches += !right;
}

void add(block_case_result& to, const block_answer& a)
{
  to.reused += a.how.reused;
  to.reused_exactly += a.how.reused_exactly;
  to.stood_in += a.how.stood_in;
  to.recomputed += a.how.recomputed;
  to.own += a.how.own;
  to.encoded += a.encoded;
  to.rows += a.rows;
  to.exact += a.how.exact();
}

}  // namespace

block_results run_blocks(const block_options& o, progress& shown, const std::function<double()>& clock)
{
  const block_load load = make_block_load(o);
  const block_sizes sizes = choose_block_sizes(o, load, this_machine().memory_bytes);
  const decoder::model model(config_of(o));
  const kvstrata::prototype_pool prototypes = make_prototypes(o, load, model);
  const block_context context{o,
                              load,
                              model,
                              sizes,
                              {.bytes_per_second = o.common.link_gbps * 1e9,
                               .latency_seconds = o.common.link_latency_us * 1e-6,
                               .piece_seconds = o.common.link_latency_us * 0.5e-6},
                              &prototypes};
  block_results out{.how = o,
                    .workload = load.facts,
                    .sizes = sizes,
                    .prototypes = prototypes.index().size(),
                    .prototype_bytes = prototypes.bytes(),
                    .texts = load.distinct_texts,
                    .prompt_mean = load.prompt_mean,
                    .candidate_share = load.candidate_share};
  std::vector<std::unique_ptr<block_way>> ways;
  for (const block_case& c : chosen_cases(o)) {
    ways.push_back(make_way(context, c));
    out.cases.push_back({.which = c});
  }
  const std::vector<std::size_t> sample = draw_sample(load.prompts.size(), o.common.verify, o.common.seed);
  std::vector<std::vector<double>> latencies(ways.size());
  std::size_t next = 0;
  block_answer answer;
  // What comes once, threads and the products' kernels, would be the first case's time.
  if (!load.prompts.empty()) static_cast<void>(compute_anew(context, load.prompts.front()));
  shown.start("serving", load.prompts.size() * ways.size());
  for (std::size_t p = 0; p < load.prompts.size(); ++p) {
    const block_prompt& prompt = load.prompts[p];
    const bool sampled = next < sample.size() && sample[next] == p;
    next += sampled;
    const block_answer anew = sampled ? compute_anew(context, prompt) : block_answer{};
    for (std::size_t turn = 0; turn < ways.size(); ++turn) {
      const std::size_t i = (p + turn) % ways.size();  // nobody always follows the same neighbour
      block_case_result& mine = out.cases[i];
      const double start = clock();
      ways[i]->serve(prompt, answer);
      const double answered = clock();
      ways[i]->settle();  // what is still written down is the case's own time, and no request's
      mine.seconds += clock() - start;
      mine.requests += prompt.answers;
      latencies[i].insert(latencies[i].end(), prompt.answers, answered - start);
      add(mine, answer);
      if (sampled) verify(mine.errors, context, mine.which, prompt, answer, anew);
      shown.advance();
    }
  }
  shown.finish();
  for (std::size_t i = 0; i < ways.size(); ++i) {
    out.cases[i].texts = ways[i]->counted();
    out.cases[i].latency = summarize(std::move(latencies[i]));
    finish(out.cases[i].errors);
  }
  return out;
}

}  // namespace replay
