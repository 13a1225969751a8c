// Reuse beyond the prefix, honestly: how far K, V and logits are from full recomputation against the share of block tokens that is
// computed anew, for every selector beside the random control; and what is computed, in rows and in time, beside prefix caching.
//
//   rcllm_bench [CONTEXTS [USERS]]      a seed (4); of the trained model, a way to cut (40); 0: that part is left out
//
// The decoder of models/decoder (rotary positions) and HSTU (biases by distance) with seeded random weights, five seeds, prompts of
// about 1,400 tokens: an instruction that all have (7 %), four reviews, ten candidates, a question. "+p": prototypes of other reviews
// stand in for the reviews' tokens (shares are of the tokens that have one); "+c": their control. Random weights say how errors
// spread through layers and what a reading is worth here; they say nothing of how a trained model answers. So the last is an HSTU that
// was trained on KuaiRand, with the histories of users that it was not trained on (support/blocks/trained_contexts.hpp), where
// ../shared/data has it.
#include "decoder/blocks/score_agreement.hpp"
#include "support/blocks/decoder_contexts.hpp"
#include "support/blocks/hstu_contexts.hpp"
#include "support/blocks/trained_contexts.hpp"
#include "support/paired.hpp"
#include "support/target.hpp"

#include <kvstrata/recompute/attention_and_divergence.hpp>
#include <kvstrata/recompute/first_k.hpp>
#include <kvstrata/recompute/k_deviation.hpp>
#include <kvstrata/recompute/none.hpp>
#include <kvstrata/recompute/random.hpp>
#include <kvstrata/recompute/v_deviation.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace blocks_bench;
namespace recompute = kv::recompute;

constexpr std::array<float, 6> shares{0, 0.1F, 0.2F, 0.3F, 0.5F, 1};
constexpr int seeds = 5;
constexpr const char* by_prototypes = "+p";  // prototypes stand in for the reviews' tokens
constexpr const char* beside_prototypes =
    "+c";  // their control: the same tokens computed, the others their blocks' own

std::vector<bench::target> targets;  // printed last

decoder::config sizes(std::uint32_t layers, std::uint64_t seed)
{
  return {.layers = layers,
          .hidden = 128,
          .heads = 4,
          .head_dim = 32,
          .ffn = 256,
          .codebooks = {256, 256, 256},
          .seed = seed};
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

/// Means over contexts, of one seed.
struct measured
{
  std::vector<double> layers;  // K and V together
  double kv = 0, logits = 0, top = 0, ranks = 0;
  double hits = 0;  // of what was to come next, among the ten best
};

double hit(const answer& a)
{
  const float score = a.logits[*a.wanted];
  return std::count_if(a.logits.begin(), a.logits.end(), [score](float other) { return other > score; }) < 10 ? 1 : 0;
}

void add(measured& to, const answer& mine, const answer& full, double weight)
{
  to.layers.resize(full.layers.size());
  for (std::size_t l = 0; l < full.layers.size(); ++l) {
    const double error = (decoder::relative_error(mine.layers[l].keys, full.layers[l].keys) +
                          decoder::relative_error(mine.layers[l].values, full.layers[l].values)) /
                         2;
    to.layers[l] += weight * error;
    to.kv += weight * error / static_cast<double>(full.layers.size());
  }
  to.logits += weight * decoder::relative_error(mine.logits, full.logits);
  to.top += weight * decoder::top_overlap(mine.logits, full.logits, 10);
  to.ranks += weight * decoder::rank_correlation(mine.logits, full.logits);
  if (full.wanted) to.hits += weight * hit(mine);
}

using table = std::map<std::string, std::array<std::vector<measured>, shares.size()>>;  // [selector][share][seed]

/// make(seed): a world.
template <class Make>
table measure_errors(int contexts, Make&& make)
{
  table all;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    auto world = make(seed);
    std::map<std::string, std::array<measured, shares.size()>> mine;
    for (int i = 0; i < contexts; ++i) {
      const auto order = world->any_prompt();
      const answer full = world->serve(order, reuse::nothing, recompute::none{}, {});
      each_selector([&](const auto& selector) {
        for (std::size_t s = 0; s < shares.size(); ++s) {
          const auto share = kv::recompute_shares::of(shares[s]);
          const answer one = world->serve(order, reuse::blocks, selector, share);
          add(mine[std::string(selector.name)][s], one, full, 1.0 / contexts);
          if constexpr (requires { world->prototypes(); }) {
            for (const auto& [how, suffix] : {std::pair{reuse::prototypes, by_prototypes},
                                              std::pair{reuse::beside_prototypes, beside_prototypes}}) {
              const answer other = world->serve(order, how, selector, share);
              add(mine[std::string(selector.name) + suffix][s], other, full, 1.0 / contexts);
            }
          }
        }
      });
    }
    for (auto& [name, by_share] : mine) {
      for (std::size_t s = 0; s < shares.size(); ++s) all[name][s].push_back(by_share[s]);
    }
  }
  return all;
}

template <class Of>
std::string with_spread(const std::vector<measured>& seeds_of, Of&& of)
{
  std::vector<double> values;
  for (const measured& m : seeds_of) values.push_back(of(m));
  const bench::spread s = bench::spread_of(values);
  char text[64];
  std::snprintf(text, sizeof text, "%.3f (%.3f-%.3f)", s.median, s.low, s.high);
  return text;
}

template <class Of>
double mean(const std::vector<measured>& seeds_of, Of&& of)
{
  double sum = 0;
  for (const measured& m : seeds_of) sum += of(m);
  return sum / static_cast<double>(seeds_of.size());
}

template <class Of>
void print_table(const table& all, const char* what, Of&& of)
{
  std::printf("\n%s, median of five seeds (lowest-highest)\n%-26s", what, "share computed anew");
  for (const float share : shares) std::printf(" %20.1f", static_cast<double>(share));
  std::printf("\n");
  for (const auto& [name, by_share] : all) {
    std::printf("%-26s", name.c_str());
    for (const auto& one : by_share) std::printf(" %20s", with_spread(one, of).c_str());
    std::printf("\n");
  }
}

void report_errors(const std::string& model, const table& all)
{
  const std::size_t layers = all.begin()->second[0][0].layers.size();
  std::printf("\n%s, %zu layers\n", model.c_str(), layers);
  const auto kv_of = [](const measured& m) { return m.kv; };
  const auto logits_of = [](const measured& m) { return m.logits; };
  print_table(all, "relative error of K and V, all positions, mean of layers", kv_of);
  print_table(all, "relative error of logits, or scores", logits_of);
  print_table(all, "of the ten best tokens those that are among the ten best", [](const measured& m) { return m.top; });
  print_table(all, "rank correlation of all tokens", [](const measured& m) { return m.ranks; });
  std::printf("\nby layer, at shares 0 and 0.3, mean of seeds\n");
  for (const auto& [name, by_share] : all) {
    std::printf("%-26s", name.c_str());
    for (const std::size_t s : {std::size_t{0}, std::size_t{3}}) {
      for (std::size_t l = 0; l < layers; ++l)
        std::printf(" %8.4f", mean(by_share[s], [l](const measured& m) { return m.layers[l]; }));
      std::printf("   ");
    }
    std::printf("\n");
  }
  std::printf("\n");
  for (const auto& [name, by_share] : all) {
    if (name.starts_with("random")) continue;
    const std::size_t suffix = name.find('+');
    const auto& control = all.at("random" + (suffix == std::string::npos ? std::string() : name.substr(suffix)));
    for (const std::size_t s : {std::size_t{1}, std::size_t{3}}) {
      const double kv_gain = mean(control[s], kv_of) / mean(by_share[s], kv_of);
      const double logit_gain = mean(control[s], logits_of) / mean(by_share[s], logits_of);
      std::printf("%-26s share %.1f: %.2f times nearer than random in K and V, %.2f times in logits%s\n", name.c_str(),
                  static_cast<double>(shares[s]), kv_gain, logit_gain,
                  kv_gain < 1 || logit_gain < 1 ? "   DOES NOT BEAT RANDOM" : "");
    }
  }
  double most = 0;
  for (const auto& [name, by_share] : all) most = std::max(most, mean(by_share.back(), kv_of));
  targets.push_back({model + "_kv_error_at_share_1", most, bench::better::less, 1e-4});
  for (const auto& [name, by_share] : all) {
    std::size_t rises = 0;
    for (std::size_t s = 1; s < shares.size(); ++s) rises += mean(by_share[s], kv_of) >= mean(by_share[s - 1], kv_of);
    targets.push_back({model + "_kv_error_rises_" + name, static_cast<double>(rises), bench::better::less, 0});
  }
}

// How many of the reviews' tokens a prototype stands in for.
void report_prototypes(int contexts)
{
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    decoder_world world(sizes(4, seed), seed);
    std::uint64_t history = 0, lacking = 0;
    for (int i = 0; i < contexts; ++i) {
      const prompt_plan plan = world.plan(world.any_prompt(), reuse::prototypes);
      for (const kv::reused_block& b : plan.blocks) history += b.stands_in ? b.tokens : 0;
      for (const kv::token_interval t : plan.always) lacking += t.size();
    }
    std::printf(
        "seed %d: %u prototypes, %.1f MiB; they stand in for %.1f %% of the reviews' tokens, the others are computed\n",
        static_cast<int>(seed), world.prototypes().index().size(),
        static_cast<double>(world.prototypes().bytes()) / 0x1p20,
        100.0 * static_cast<double>(history - lacking) / static_cast<double>(history));
  }
}

// A trained HSTU: errors as above, and how often what came next is among the ten best items.
void report_trained(int users)
{
  const auto of = read_trained_histories();
  if (of == nullptr) {
    std::printf(
        "\ntrained hstu: SKIPPED, since ../shared/data (or KVSTRATA_DATA) has no trained_hstu or kuairand-pure-2w\n");
    return;
  }
  const trained_world sizes_of(*of, seeds);
  const int contexts = std::min(users, static_cast<int>(sizes_of.size()));
  const double all_contexts = static_cast<double>(contexts) * seeds;
  std::uint32_t most_prototypes = 0;
  std::vector<double> stood_in;
  const auto make = [&](std::uint64_t seed) {
    return std::unique_ptr<trained_world, std::function<void(trained_world*)>>(
        new trained_world(*of, seed), [&](trained_world* w) {
          most_prototypes = std::max(most_prototypes, w->prototypes().index().size());
          stood_in.push_back(100 * w->stood_in());
          delete w;
        });
  };
  const table all = measure_errors(contexts, make);
  report_errors("trained_hstu", all);
  std::printf("\nof what came next, among the ten best of %u items, of %.0f users\n%-26s", of->options.items,
              all_contexts, "share computed anew");
  for (const float share : shares) std::printf(" %8.1f", static_cast<double>(share));
  std::printf("\n");
  for (const auto& [name, by_share] : all) {
    std::printf("%-26s", name.c_str());
    for (const auto& one : by_share) {
      const double rate = mean(one, [](const measured& m) { return m.hits; });
      std::printf(" %6.2f %%", 100 * rate);
    }
    std::printf("\n");
  }
  const bench::spread s = bench::spread_of(stood_in);
  std::printf("%u prototypes; they stand in for %.1f %% (%.1f to %.1f) of the blocks' tokens\n", most_prototypes,
              s.median, s.low, s.high);
}

// Rows and time of one request beside prefix caching, which takes the instruction and computes all else.
void measure_work(int contexts)
{
  decoder_world world(sizes(8, 1), 1);
  std::vector<prompt_plan> prefix, blocks;
  std::uint64_t tokens = 0;
  for (int i = 0; i < contexts; ++i) {
    const auto order = world.any_prompt();
    prefix.push_back(world.plan(order, reuse::prefix));
    blocks.push_back(world.plan(order, reuse::blocks));
    tokens += prefix.back().words.size();
    world.serve(blocks.back(), recompute::none{}, {}, [](auto&) {});  // everything is in the cache
  }
  std::uint64_t baseline_rows = 0;
  const auto by_prefix = [&] {
    baseline_rows = 0;
    for (const prompt_plan& plan : prefix) {
      world.serve(plan, recompute::none{}, {}, [&](auto& pass) { baseline_rows += pass.work().whole_rows; });
    }
  };
  std::printf(
      "\ndecoder, 8 layers, %d prompts of %.0f tokens, all blocks in the slab, one thread: beside prefix caching\n",
      contexts, static_cast<double>(tokens) / contexts);
  std::printf("%-26s %6s %14s %14s %22s\n", "", "share", "rows, whole", "K and V alone", "time, prefix / blocks");
  each_selector([&](const auto& selector) {
    for (const float share : {0.1F, 0.3F}) {
      std::uint64_t rows = 0, projected = 0;
      std::vector<double> ratios;
      for (int round = 0; round < 5; ++round) {
        const double before = bench::thread_seconds_of(by_prefix);
        const double after = bench::thread_seconds_of([&] {
          rows = projected = 0;
          for (const prompt_plan& plan : blocks) {
            world.serve(plan, selector, kv::recompute_shares::of(share), [&](auto& pass) {
              rows += pass.work().whole_rows;
              projected += pass.work().projected_rows;
            });
          }
        });
        ratios.push_back(before / after);
      }
      const bench::spread s = bench::spread_of(ratios);
      std::printf("%-26s %6.1f %13.1f%% %13.1f%% %8.2f (%.2f to %.2f)\n", std::string(selector.name).c_str(),
                  static_cast<double>(share), 100.0 * static_cast<double>(rows) / static_cast<double>(baseline_rows),
                  100.0 * static_cast<double>(projected) / static_cast<double>(baseline_rows), s.median, s.low, s.high);
      std::fflush(stdout);
      targets.push_back({"time_against_prefix_" + std::string(selector.name) + (share < 0.2F ? "_0.1" : "_0.3"),
                         s.median, bench::better::more, 1.3});
    }
  });
}

}  // namespace

int main(int argc, char** argv)
{
  const int contexts = argc > 1 ? std::atoi(argv[1]) : 4, users = argc > 2 ? std::atoi(argv[2]) : 40;
  if (contexts < 0 || users < 0) {
    std::fprintf(stderr, "rcllm_bench: CONTEXTS and USERS must be numbers; 0 leaves that part out\n");
    return 2;
  }
  if (contexts > 0) {
    report_errors("decoder", measure_errors(contexts, [](std::uint64_t seed) {
                    return std::make_unique<decoder_world>(sizes(4, seed), seed);
                  }));
    report_prototypes(contexts);
    report_errors("hstu",
                  measure_errors(contexts, [](std::uint64_t seed) { return std::make_unique<hstu_world>(seed); }));
  }
  if (users > 0) report_trained(users);
  if (contexts > 0) measure_work(contexts);
  std::printf("\n");
  for (const bench::target& t : targets) bench::print(t);
  return 0;
}
