#include "replay/decoder/load.hpp"

#include "replay/format.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/random.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

namespace replay {
namespace {

constexpr std::uint32_t tokens_an_event = 2;  // the workload's

/// Distinct tuples, ascending: [items][steps].
std::vector<std::uint32_t> draw_tuples(std::size_t items, std::uint32_t steps, std::uint32_t codebook,
                                       kvstrata::random_source& random)
{
  std::vector<std::uint64_t> numbers;
  while (numbers.size() < items) {
    for (std::size_t i = numbers.size(); i < items; ++i) {
      std::uint64_t number = 0;
      for (std::uint32_t s = 0; s < steps; ++s) number = number * codebook + random.below(codebook);
      numbers.push_back(number);
    }
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  }
  std::vector<std::uint32_t> tuples(items * steps);
  for (std::size_t i = 0; i < items; ++i) {
    std::uint64_t number = numbers[i];
    for (std::uint32_t s = steps; s-- > 0; number /= codebook)
      tuples[i * steps + s] = static_cast<std::uint32_t>(number % codebook);
  }
  return tuples;
}

kvstrata::token_count in_steps(kvstrata::token_count tokens, std::uint32_t steps)
{
  return tokens / tokens_an_event * steps;
}

}  // namespace

decoder_load make_decoder_load(const decoder_options& o)
{
  decoder_load out;
  workload& w = out.load;
  w = make_workload(o.common);
  const double of_token = static_cast<double>(o.steps) / tokens_an_event;
  for (served_batch& b : w.batches) {
    for (served_request& r : b.requests) r.tokens = in_steps(r.tokens, o.steps);
  }
  w.longest = in_steps(w.longest, o.steps);
  w.facts.history_mean *= of_token;
  for (std::uint64_t* figure : {&w.facts.history_p50, &w.facts.history_p90, &w.facts.history_max, &w.facts.working_set})
    *figure = *figure / tokens_an_event * o.steps;

  const std::size_t items = (std::max)(w.items, 1U);
  const double tuples = std::pow(static_cast<double>(o.codebook), o.steps);
  if (tuples < 2 * static_cast<double>(items) || tuples >= 9e18) {
    throw kvstrata::config_error("--codebook", o.codebook,
                                 "with --steps " + std::to_string(o.steps) +
                                     " there must be twice as many tuples as the " + with_commas(items) +
                                     " items of the workload, and fewer than 2^63");
  }
  kvstrata::random_source random(kvstrata::derive_seed(o.common.seed, 73));
  const std::vector<std::uint32_t> all = draw_tuples(items, o.steps, o.codebook, random);
  std::vector<std::uint32_t> tuple_of(items);
  std::iota(tuple_of.begin(), tuple_of.end(), 0U);
  for (std::uint32_t i = static_cast<std::uint32_t>(items); i > 1; --i)
    std::swap(tuple_of[i - 1], tuple_of[random.below(i)]);
  for (const user_history& h : w.histories) {
    std::vector<std::uint32_t> mine;
    mine.reserve(h.items.size() * o.steps);
    for (const std::uint64_t item : h.items) {
      const std::uint32_t* const tuple = all.data() + std::size_t{tuple_of[item % items]} * o.steps;
      mine.insert(mine.end(), tuple, tuple + o.steps);
    }
    out.tokens.push_back(std::move(mine));
  }
  const std::vector<std::uint32_t> codebooks(o.steps, o.codebook);
  out.items = std::make_shared<const decoder::catalogue>(std::make_shared<const decoder::item_trie>(codebooks, all));
  return out;
}

}  // namespace replay
