#include "replay/decoder/run.hpp"

#include "replay/decoder/own_pages.hpp"
#include "replay/machine.hpp"

#include "decoder/beam_search.hpp"
#include "decoder/prompt_forward.hpp"

#include <kvstrata/beams/ancestor_indexed.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/random.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

namespace replay {
namespace {

std::vector<decoder_case> chosen(const decoder_options& o)
{
  std::vector<decoder_case> out;
  for (const decoder_case& c : decoder_cases()) {
    if (o.cases.empty() || std::find(o.cases.begin(), o.cases.end(), c.key) != o.cases.end()) out.push_back(c);
  }
  return out;
}

struct sampled
{
  std::size_t batch = 0, request = 0;
  friend auto operator<=>(const sampled&, const sampled&) = default;
};

std::vector<sampled> draw(const workload& w, double share, std::uint64_t seed)
{
  std::vector<sampled> out;
  if (share <= 0) return out;
  kvstrata::random_source random(kvstrata::derive_seed(seed, 74));
  constexpr std::uint32_t whole = 1U << 20;
  for (std::size_t b = 0; b < w.batches.size(); ++b) {
    for (std::size_t r = 0; r < w.batches[b].requests.size(); ++r) {
      if (random.below(whole) < share * whole) out.push_back({b, r});
    }
  }
  if (out.empty() && !w.batches.empty()) out.push_back({w.batches.size() - 1, 0});
  return out;
}

/// The prompt computed anew, alone, and decoded.
std::vector<decoder::found_item> anew(const decoder_context& context, const served_request& r,
                                      const decoder::search_options& how)
{
  own_pages prompts(context.sizes.page_tokens), scratch(context.sizes.page_tokens);
  decoder::beam_search<kvstrata::ancestor_indexed> search(context.model, how);
  const kvstrata::token_interval whole[] = {{0, r.tokens}};
  const decoder::prompt p{context.load.tokens_of(r), r.tokens, std::span(whole).first(r.tokens == 0 ? 0 : 1), 0};
  const kvstrata::token_count rows = search.scratch_rows();
  const kvstrata::page_table_view view = prompts.reserve(context.sizes.shape, {&r.tokens, 1});
  decoder::prompt_forward(context.model, {&p, 1}, view).run();
  search.start(view, scratch.reserve(context.sizes.shape, {&rows, 1}), context.load.items);
  search.run();
  return {search.found(0).begin(), search.found(0).end()};
}

/// Do they name the same tuples with the same scores? Neighbours that are nearer than rounding may have changed places.
bool agree(const std::vector<decoder::found_item>& mine, const std::vector<decoder::found_item>& other)
{
  constexpr float tolerance = 5e-4f;
  if (mine.size() != other.size()) return false;
  for (std::size_t i = 0; i < mine.size(); ++i) {
    if (!(std::abs(mine[i].score - other[i].score) < tolerance)) return false;
    if (mine[i].tokens == other[i].tokens) continue;
    const bool near_last = mine[i].score - mine.back().score < 2 * tolerance;  // another one came in last
    const bool there = std::any_of(other.begin(), other.end(), [&](const decoder::found_item& o) {
      return o.tokens == mine[i].tokens && std::abs(o.score - mine[i].score) < tolerance;
    });
    if (!there && !near_last) return false;
  }
  return true;
}

}  // namespace

double wall_seconds()
{
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<decoder_case_result> serve_decoder(
    const decoder_serving& what,
    const std::function<void(std::size_t number, std::size_t batch, const found_items& found)>& found)
{
  std::vector<std::unique_ptr<decoder_way>> ways;
  std::vector<decoder_case_result> out;
  std::vector<std::vector<double>> latencies(what.cases.size());
  for (const decoder_case& c : what.cases) {
    ways.push_back(make_way(what.context, c.keeping, search_of(what.how, c)));
    out.push_back({.which = c});
  }
  const std::vector<served_batch>& batches = what.context.load.load.batches;
  found_items answers;
  if (what.warm == 0 && !batches.empty() && !ways.empty()) {
    // What comes once, threads and the products' kernels, would be the first case's time.
    answers.resize(batches.front().requests.size());
    make_way(what.context, prompt_keeping::batch, search_of(what.how, what.cases.front()))
        ->serve(batches.front(), answers);
  }
  for (std::size_t b = 0; b < batches.size(); ++b) {
    for (std::size_t turn = 0; turn < ways.size(); ++turn) {
      const std::size_t i = (b + turn) % ways.size();  // nobody always follows the same neighbour
      if (b == what.warm) out[i].warm_prompts = ways[i]->counts().prompts;
      if (b < what.warm && what.cases[i].keeping != prompt_keeping::cached) continue;
      answers.resize(batches[b].requests.size());
      const double start = what.clock();
      ways[i]->serve(batches[b], answers);
      const double answered = what.clock();
      ways[i]->settle();  // what is still written down is the case's own time, and no request's
      if (b >= what.warm) {
        out[i].batch_seconds.push_back(what.clock() - start);
        out[i].seconds += out[i].batch_seconds.back();
        for (const served_request& r : batches[b].requests) {
          out[i].requests += r.answers;
          latencies[i].insert(latencies[i].end(), r.answers, answered - start);
        }
      }
      for (const auto& one : answers) {
        out[i].found += one.size();
        out[i].invalid += static_cast<std::uint64_t>(std::count_if(
            one.begin(), one.end(), [](const decoder::found_item& f) { return f.item == decoder::no_item; }));
      }
      found(i, b, answers);
    }
  }
  for (std::size_t i = 0; i < ways.size(); ++i) {
    out[i].counts = ways[i]->counts();
    out[i].latency = summarize(std::move(latencies[i]));
  }
  return out;
}

decoder_results run_decoder(const decoder_options& o, progress& shown)
{
  decoder_load load = make_decoder_load(o);
  const std::vector<decoder_case> cases = chosen(o);
  const std::uint64_t memory = this_machine().memory_bytes;
  const cache_sizes sizes = choose_decoder_sizes(o, load, cases, memory);
  const decoder::model model(config_of(o));
  const double link = o.common.link_gbps;
  const decoder_context context{load,
                                model,
                                sizes,
                                {.bytes_per_second = link * 1e9,
                                 .latency_seconds = o.common.link_latency_us * 1e-6,
                                 .piece_seconds = o.common.link_latency_us * 0.5e-6}};

  const std::vector<sampled> sample = draw(load.load, o.common.verify, o.common.seed);
  std::vector<std::map<sampled, std::vector<decoder::found_item>>> kept(cases.size());
  shown.start("serving", load.load.batches.size() * cases.size());
  decoder_results out{.how = o, .items = load.items->items().items()};
  out.cases = serve_decoder({context, o, cases}, [&](std::size_t i, std::size_t b, const found_items& found) {
    for (auto s = std::lower_bound(sample.begin(), sample.end(), sampled{b, 0}); s != sample.end() && s->batch == b;
         ++s)
      kept[i][*s] = found[s->request];
    shown.advance();
  });
  shown.finish();
  out.workload = load.load.facts;

  shown.start("verifying", sample.size());
  for (const sampled& s : sample) {
    const served_request& r = load.load.batches[s.batch].requests[s.request];
    std::map<bool, std::vector<decoder::found_item>> oracle;  // [constrained]
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const auto [at, fresh] = oracle.try_emplace(cases[i].constrained);
      if (fresh) at->second = anew(context, r, search_of(o, cases[i]));
      ++out.cases[i].verified;
      if (!agree(kept[i][s], at->second)) ++out.cases[i].mismatches;
    }
    shown.advance();
  }
  shown.finish();
  return out;
}

}  // namespace replay
