// What is attended to, and what has changed: RcLLM's reading (arXiv 2605.07443), (1 - lambda) |A| + lambda (|dK| + |dV|).
//
// A is attention received: the sum over a column. (Of a row it would say nothing: rows sum to 1.) Layer 0's K and V follow from
// token and position alone, so there an item's block never differs; the change is read in layer 1 instead. Both terms are
// divided by their largest, so that lambda means the same in every model and length; the paper does not say.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/recompute/concepts.hpp>

#include <algorithm>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::recompute {

/// A token selector.
class attention_and_divergence
{
 public:
  static constexpr std::string_view name = "attention_and_divergence";
  static constexpr bool recomputes = true;
  static constexpr bool reads_attention = true;
  static constexpr bool reads_changes = true;

  /// Throws config_error for a lambda that is not in [0, 1]. The paper tells of no value.
  explicit attention_and_divergence(float lambda = 0.5F) : lambda_(lambda)
  {
    if (!(lambda >= 0 && lambda <= 1)) {
      throw config_error("attention_and_divergence.lambda", std::to_string(lambda), "it must be in [0, 1]");
    }
  }

  void score(const token_readings& readings, std::span<float> to) const
  {
    float attended = 0, changed = 0;
    const auto change = [&](token_count p) { return readings.keys[p].absolute + readings.values[p].absolute; };
    each_reused(readings.blocks, [&](token_count p, token_count, const reused_block&) {
      attended = (std::max)(attended, readings.attention[p]);
      changed = (std::max)(changed, change(p));
    });
    const float of_attention = attended > 0 ? (1 - lambda_) / attended : 0;
    const float of_change = changed > 0 ? lambda_ / changed : 0;
    each_reused(readings.blocks, [&](token_count p, token_count, const reused_block&) {
      to[p] = of_attention * readings.attention[p] + of_change * change(p);
    });
  }

 private:
  float lambda_;
};

static_assert(token_selector<attention_and_divergence>);

}  // namespace kvstrata::recompute
