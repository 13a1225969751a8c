// A naive beam search that recomputes every beam from scratch, with no cache; and a model with prompts in its pages.
#pragma once

#include "decoder/beam_search.hpp"
#include "decoder/fixture.hpp"
#include "decoder/reference.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace decoder_test {

using namespace decoder;

using token_line = std::vector<std::uint32_t>;

struct naive_beam
{
  token_line line;
  double score = 0;
};

// log-probabilities of what may follow a line: recomputed from scratch.
template <class Model>
std::vector<naive_beam> continued(const Model& m, const token_line& history, const naive_beam& beam,
                                  const catalogue* items, const search_options& how)
{
  const row logits = recompute(m, history, 0, true, beam.line).logits;
  std::vector<std::uint32_t> allowed;
  if (how.constrained) {
    std::uint32_t node = 0;
    for (std::uint32_t level = 0; level < beam.line.size(); ++level)
      node = *items->items().child(level, node, beam.line[level]);
    items->allowed(static_cast<std::uint32_t>(beam.line.size()), node,
                   [&](std::uint32_t t, std::uint32_t) { allowed.push_back(t); });
  } else {
    allowed.resize(logits.size());
    std::iota(allowed.begin(), allowed.end(), 0U);
  }
  double sum = 0;
  for (std::size_t t = 0; t < logits.size(); ++t) {
    const bool counts = how.over == normaliser::full_vocabulary ||
                        std::binary_search(allowed.begin(), allowed.end(), static_cast<std::uint32_t>(t));
    if (counts) sum += std::exp(logits[t]);
  }
  std::vector<naive_beam> out;
  for (const std::uint32_t t : allowed) {
    out.push_back({beam.line, beam.score + logits[t] - std::log(sum)});
    out.back().line.push_back(t);
  }
  return out;
}

struct naive_result
{
  std::vector<naive_beam> beams;
  double gap = std::numeric_limits<double>::infinity();  // the least distance of what was selected from what was not
};

template <class Model>
naive_result naive_search(const Model& m, const token_line& history, const catalogue* items, const search_options& how)
{
  naive_result out{{naive_beam{}}};
  const auto best_first = [](const naive_beam& a, const naive_beam& b) { return a.score > b.score; };
  for (const std::uint32_t width : how.widths) {
    std::vector<naive_beam> all;
    for (const naive_beam& beam : out.beams) {
      auto next = continued(m, history, beam, items, how);
      std::sort(next.begin(), next.end(), best_first);
      if (how.pre_cut != 0 && !beam.line.empty() && next.size() > how.pre_cut) {
        out.gap = std::min(out.gap, next[how.pre_cut - 1].score - next[how.pre_cut].score);
        next.resize(how.pre_cut);
      }
      all.insert(all.end(), next.begin(), next.end());
    }
    std::sort(all.begin(), all.end(), best_first);
    if (all.size() > width) {
      out.gap = std::min(out.gap, all[width - 1].score - all[width].score);
      all.resize(width);
    }
    out.beams = std::move(all);
  }
  return out;
}

// A model, prompts in its pages and a catalogue.
struct scene
{
  model m;
  generator random;
  prompts_in_pages prompts;

  scene(const config& c, const std::vector<kvstrata::token_count>& lengths, std::uint64_t seed)
      : m(c, 2), random(seed), prompts(random, m, lengths, 8)
  {
  }

  template <class Layout>
  pages scratch(const beam_search<Layout>& search)
  {
    return {random, m.shape(), 4, std::vector<kvstrata::token_count>(prompts.tokens.size(), search.scratch_rows())};
  }
};

}  // namespace decoder_test
