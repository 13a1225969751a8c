#include "replay/agreement.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <numeric>

namespace replay {

void agreement_sums::add(std::span<const float> served, std::span<const float> recomputed, std::uint32_t tasks)
{
  ++requests_;
  scores_ += served.size();
  for (std::size_t i = 0; i < served.size(); ++i) {
    const double d = double{served[i]} - double{recomputed[i]};
    difference_ += d * d;
    magnitude_ += double{recomputed[i]} * double{recomputed[i]};
    absolute_ += std::abs(d);
    largest_ = (std::max)(largest_, std::abs(d));
  }
  const std::size_t candidates = served.size() / tasks;
  const std::span<const float> both[] = {served, recomputed};
  for (std::uint32_t task = 0; task < tasks; ++task) {
    for (std::size_t k = 0; k < score_agreement::bests.size(); ++k) {
      const std::size_t best = score_agreement::bests[k];
      if (candidates <= best) continue;
      const auto end = static_cast<std::ptrdiff_t>(best);
      for (int side = 0; side < 2; ++side) {
        std::vector<std::size_t>& order = order_[side];
        order.resize(candidates);
        std::iota(order.begin(), order.end(), std::size_t{0});
        const auto score = [&](std::size_t c) { return both[side][c * tasks + task]; };
        std::partial_sort(order.begin(), order.begin() + end, order.end(), [&](std::size_t a, std::size_t b) {
          return score(a) != score(b) ? score(a) > score(b) : a < b;
        });
        std::sort(order.begin(), order.begin() + end);
      }
      std::vector<std::size_t> same;
      std::set_intersection(order_[0].begin(), order_[0].begin() + end, order_[1].begin(), order_[1].begin() + end,
                            std::back_inserter(same));
      kept_[k] += static_cast<double>(same.size()) / static_cast<double>(best);
      ++rankings_[k];
    }
  }
}

void agreement_sums::compare_uncoded(std::span<const float> served, std::span<const float> uncoded)
{
  std::uint64_t unlike = unlike_uncoded_.value_or(0);
  for (std::size_t i = 0; i < served.size(); ++i) {
    if (std::bit_cast<std::uint32_t>(served[i]) != std::bit_cast<std::uint32_t>(uncoded[i])) ++unlike;
  }
  unlike_uncoded_ = unlike;
}

score_agreement agreement_sums::result() const
{
  score_agreement out{.requests = requests_, .largest = largest_, .kept = {}, .unlike_uncoded = unlike_uncoded_};
  if (scores_ > 0) out.mean = absolute_ / static_cast<double>(scores_);
  if (magnitude_ > 0) out.error = std::sqrt(difference_ / magnitude_);
  for (std::size_t k = 0; k < out.kept.size(); ++k) {
    if (rankings_[k] != 0) out.kept[k] = kept_[k] / static_cast<double>(rankings_[k]);
  }
  return out;
}

}  // namespace replay
