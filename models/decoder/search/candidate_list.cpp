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
  tokens_.clear();
  gathered_.clear();
  items.allowed(level, beam.node, [&](std::uint32_t token, std::uint32_t) {
    tokens_.push_back(token);
    gathered_.push_back(logits[token]);
  });
  return of_gathered(beam, logits, how);
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
  gathered_.clear();
  for (std::size_t word = 0; word < mask.size(); ++word) {
    for (std::uint64_t bits = mask[word]; bits != 0; bits &= bits - 1) {
      const auto token = static_cast<std::uint32_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
      if (token >= logits.size()) break;
      tokens_.push_back(token);
      gathered_.push_back(logits[token]);
    }
  }
  return of_gathered(beam, logits, how);
}

std::span<const std::uint64_t> candidate_list::of(const beam_score& beam, std::span<const float> logits,
                                                  const list_options& how)
{
  const float shift = shift_of(logits);
  const auto first = static_cast<std::uint32_t>(beam.index * logits.size());
  keys_.clear();
  for (std::uint32_t token = 0; token < logits.size(); ++token) {
    const std::uint64_t key = key_of(beam.score + (logits[token] - shift), first + token);
    if (key > how.floor) keys_.push_back(key);
  }
  return cut(how.most);
}

std::span<const std::uint64_t> candidate_list::of_gathered(const beam_score& beam, std::span<const float> logits,
                                                           const list_options& how)
{
  const float shift = shift_of(how.over == normaliser::full_vocabulary ? logits : std::span<const float>(gathered_));
  const auto first = static_cast<std::uint32_t>(beam.index * logits.size());
  keys_.clear();
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::uint64_t key = key_of(beam.score + (gathered_[i] - shift), first + tokens_[i]);
    if (key > how.floor) keys_.push_back(key);
  }
  return cut(how.most);
}

std::span<const std::uint64_t> candidate_list::cut(std::size_t most)
{
  if (most != 0 && keys_.size() > most) {
    std::nth_element(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(most), keys_.end(), std::greater<>());
    keys_.resize(most);
  }
  std::sort(keys_.begin(), keys_.end(), std::greater<>());
  return keys_;
}

}  // namespace decoder
