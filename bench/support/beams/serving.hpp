// Whole requests on this CPU: prompts out of the cache beside prompts computed for each batch, and beams that carry copies.
#pragma once

#include "support/paired.hpp"
#include "support/target.hpp"

#include "decoder/model.hpp"
#include "replay/decoder/load.hpp"
#include "replay/decoder/options.hpp"
#include "replay/decoder/run.hpp"
#include "replay/decoder/ways.hpp"
#include "replay/workload.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace beams_bench {

/// Synthetic users with KuaiRand-1K's lengths, but none longer than `most` tokens where that is not 0, stretched to prompts of 2,500
/// tokens on average.
[[nodiscard]] inline replay::decoder_options serving_options(std::uint32_t width, std::uint64_t users,
                                                             std::uint64_t requests, std::uint32_t batch,
                                                             std::uint32_t most)
{
  replay::decoder_options o;
  o.beams = width;
  o.common.users = users;
  o.common.requests = requests;
  o.common.batch = batch;
  o.common.layers = 2;
  o.common.hidden = 128;
  o.common.heads = 2;
  o.common.link_gbps = 0;
  o.common.link_latency_us = 0;
  o.common.history_scale = 0.07;
  constexpr std::uint32_t tokens_an_event = 2;  // the workload's
  o.common.most_history = most / o.steps * tokens_an_event;
  for (int round = 0; round < (most == 0 ? 1 : 8); ++round) {
    const double events = replay::make_workload(o.common).facts.history_mean / tokens_an_event;
    o.common.history_scale *= 2'500 / (events * o.steps);
  }
  return o;
}

[[nodiscard]] inline bench::spread ratios(const replay::decoder_case_result& over,
                                          const replay::decoder_case_result& ours)
{
  std::vector<double> out;
  for (std::size_t b = 0; b < ours.batch_seconds.size(); ++b)
    out.push_back(over.batch_seconds[b] / ours.batch_seconds[b]);
  return bench::spread_of(out);
}

inline void print_serving(bool quick, std::vector<bench::target>& targets)
{
  std::printf(
      "Whole requests on this CPU, in seconds of its processor, batches of 2: 2 layers, hidden 128, 2 heads of 64, "
      "items of 3\n"
      "tokens in codebooks of 256. KuaiRand-1K's lengths, none beyond 3,600 tokens. Caches have served some 30 "
      "requests before\n"
      "what is measured, the others need none.\n");
  for (const std::uint32_t width : {32U, 128U, 512U}) {
    const replay::decoder_options o = serving_options(width, 4, 40, 2, 3'600);
    replay::decoder_load load = replay::make_decoder_load(o);
    const std::span<const replay::decoder_case> cases = std::span(replay::decoder_cases()).first(3);
    const replay::cache_sizes sizes = replay::choose_decoder_sizes(o, load, cases, 0);
    const decoder::model model(replay::config_of(o), 1);
    const replay::decoder_context context{load, model, sizes, {}};
    const auto clock = [] { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; };
    std::vector<replay::found_items> answers(load.load.batches.size());
    bool same = true;
    const auto all = replay::serve_decoder({.context = context,
                                            .how = o,
                                            .cases = cases,
                                            .warm = load.load.batches.size() - (quick ? 4 : 6),
                                            .clock = clock},
                                           [&](std::size_t, std::size_t b, const replay::found_items& found) {
                                             if (answers[b].empty()) answers[b] = found;
                                             for (std::size_t r = 0; r < found.size(); ++r)
                                               same = same && found[r].size() == answers[b][r].size();
                                           });
    if (!same) throw std::runtime_error("the ways to keep a prompt give different numbers of items");
    const replay::decoder_case_result &copied = all[0], &batch = all[1], &ours = all[2];
    const double computed = static_cast<double>(ours.counts.prompts.computed - ours.warm_prompts.computed) /
                            static_cast<double>(ours.counts.prompts.total() - ours.warm_prompts.total());
    const bench::spread to_copied = ratios(copied, ours), to_batch = ratios(batch, ours);
    std::printf(
        "  width %3u, prompts of %4.0f tokens, %4.1f %% of ours computed: %7.2f requests/s; per batch only %6.2f, we "
        "are "
        "%.1f times (%.1f to %.1f) faster;\n    copied %6.2f: %.1f times (%.1f to %.1f)\n",
        width, load.load.facts.history_mean, 100 * computed, ours.per_second(), batch.per_second(), to_batch.median,
        to_batch.low, to_batch.high, copied.per_second(), to_copied.median, to_copied.low, to_copied.high);
    const std::string name = std::to_string(width);
    if (width == 512)
      targets.push_back(
          {"beams.cpu.cached_over_copied_512", ours.per_second() / copied.per_second(), bench::better::more, 3.49});
    if (width == 128)
      targets.push_back(
          {"beams.cpu.cached_over_batch_128", ours.per_second() / batch.per_second(), bench::better::more, 2});
  }
  std::printf("\n");
}

}  // namespace beams_bench
