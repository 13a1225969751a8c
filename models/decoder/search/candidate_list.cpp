#include "decoder/search/candidate_list.hpp"

#include "decoder/loops/loops.hpp"
#include "decoder/search/order.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <string>

namespace decoder {
namespace {

// What is taken off logits: where no token has any probability nothing is, and all stay at -infinity.
float shift_of(std::span<const float> logits) noexcept
{
  const float sum = log_sum_exp(logits);
  return sum == -std::numeric_limits<float>::infinity() ? 0.0f : sum;
}

}  // namespace

float log_sum_exp(std::span<const float> logits) noexcept
{
  const loops& l = best_loops();
  const float most = l.largest(logits.data(), logits.size());
  if (most == -std::numeric_limits<float>::infinity()) {
    for (const float logit : logits) {
      if (logit != logit) return logit;
    }
    return most;
  }
  constexpr float log2e = std::numbers::log2e_v<float>;
  return most + std::log(l.sum_exp2(logits.data(), log2e, log2e * most, logits.size()));
}

std::span<const std::uint64_t> candidate_list::of(const beam_score& beam, std::span<const float> logits,
                                                  const catalogue& items, std::uint32_t level, const list_options& how)
{
  if (logits.size() != items.items().codebooks()[level]) {
    throw kvstrata::usage_error("level " + std::to_string(level) + " of the catalogue has " +
                                std::to_string(items.items().codebooks()[level]) + " tokens, but there are " +
                                std::to_string(logits.size()) + " logits");
  }
  if (items.eligible() == nullptr)
    return of_gathered(beam, items.items().children_of(level, beam.node).tokens, logits, how);
  tokens_.clear();
  items.allowed(level, beam.node, [&](std::uint32_t token, std::uint32_t) { tokens_.push_back(token); });
  return of_gathered(beam, tokens_, logits, how);
}

std::span<const std::uint64_t> candidate_list::of(const beam_score& beam, std::span<const float> logits,
                                                  std::span<const std::uint64_t> mask, const list_options& how)
{
  if (mask.size() != (logits.size() + 63) / 64) {
    throw kvstrata::usage_error("a mask of " + std::to_string(logits.size()) + " tokens has " +
                                std::to_string((logits.size() + 63) / 64) + " words, but this one has " +
                                std::to_string(mask.size()));
  }
  tokens_.clear();
  for (std::size_t word = 0; word < mask.size(); ++word) {
    for (std::uint64_t bits = mask[word]; bits != 0; bits &= bits - 1) {
      const auto token = static_cast<std::uint32_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
      if (token >= logits.size()) break;
      tokens_.push_back(token);
    }
  }
  return of_gathered(beam, tokens_, logits, how);
}

std::span<const std::uint64_t> candidate_list::of(const beam_score& beam, std::span<const float> logits,
                                                  const list_options& how)
{
  return ordered(beam, logits, shift_of(logits), logits.size(), how, [](std::uint32_t i) { return i; });
}

std::span<const std::uint64_t> candidate_list::of_gathered(const beam_score& beam,
                                                           std::span<const std::uint32_t> tokens,
                                                           std::span<const float> logits, const list_options& how)
{
  gathered_.resize(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) gathered_[i] = logits[tokens[i]];
  const float shift = shift_of(how.over == normaliser::full_vocabulary ? logits : std::span<const float>(gathered_));
  return ordered(beam, gathered_, shift, logits.size(), how, [tokens](std::uint32_t i) { return tokens[i]; });
}

// Most candidates fall to one comparison of scores: keys are made of what is left.
template <class Token>
std::span<const std::uint64_t> candidate_list::ordered(const beam_score& beam, std::span<const float> mine, float shift,
                                                       std::size_t codebook, const list_options& how, Token token)
{
  const auto first = static_cast<std::uint32_t>(beam.index * codebook);
  const float least = how.floor == 0 ? -std::numeric_limits<float>::infinity() : score_of(how.floor);
  gathered_from_ = mine.size();
  keys_.clear();
  for (std::uint32_t i = 0; i < mine.size(); ++i) {
    const float score = beam.score + (mine[i] - shift);
    if (score < least) continue;  // a NaN, on either side, is not: its key tells
    const std::uint64_t key = key_of(score, first + token(i));
    if (key > how.floor) keys_.push_back(key);
  }
  if (how.most != 0 && keys_.size() > how.most) {
    std::nth_element(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(how.most), keys_.end(),
                     std::greater<>());
    keys_.resize(how.most);
  }
  std::sort(keys_.begin(), keys_.end(), std::greater<>());
  return keys_;
}

}  // namespace decoder
