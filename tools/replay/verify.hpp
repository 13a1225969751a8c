// Compares answers from a cache with answers recomputed without one.
#pragma once

#include "replay/serving.hpp"

#include "hstu/precision.hpp"

#include <span>
#include <string>
#include <vector>

namespace replay {

/// Scores may differ by this much: relative where they are large, absolute where they are small. Sums of thousands of
/// float terms in another order differ by far less; a single wrong token by far more. Where products are in bf16, a sum that
/// differs in its last bit may be rounded apart by 2^-8 of itself on its way into the next: a row's bits depend on the rows
/// that are computed beside it.
[[nodiscard]] constexpr double score_tolerance(hstu::precision in) noexcept
{
  return in == hstu::precision::f32 ? 2e-4 : 2e-2;
}

/// Adds one answer, [candidates][tasks], of a case to the account. A value that is not finite is a mismatch.
void compare_scores(verification& v, const std::string& case_name, const served_request& r,
                    std::span<const float> served, std::span<const float> recomputed, std::uint32_t tasks);

struct scored_case
{
  std::string name;
  const std::vector<std::vector<float>>* scores;  ///< [sample][candidates x tasks]
  bool lossy = false;                             ///< only requests for exact answers are held to the tolerance
  agreement_sums* agreement = nullptr;            ///< of all others; null: it is not asked for
  const std::vector<std::vector<float>>* uncoded =
      nullptr;  ///< as scores, of the same cache without a codec, if it ran
};

/// Recomputes the sampled requests one by one and compares every case's scores. `checked` is called after each.
[[nodiscard]] verification verify(const serving_context& context, const hstu::model& model,
                                  std::span<const scored_case> cases, double share,
                                  const std::function<void()>& checked);

}  // namespace replay
