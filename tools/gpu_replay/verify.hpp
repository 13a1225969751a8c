// Compares answers that caches gave with answers of the same kernels without a cache.
#pragma once

#include "gpu_replay/results.hpp"
#include "replay/serving.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace gpu_replay {

/// Keys and values are bf16, and a library rounds a product's sums in an order that depends on its size: so answers of one
/// history computed at once and by and by differ by roundings of 2^-9, a few layers deep. A wrong page moves an answer by
/// more than its own size.
inline constexpr double answer_bound = 0.05;

struct kept_answers
{
  std::string name;                        ///< of the case
  std::vector<std::vector<float>> scores;  ///< [sample][candidates x tasks]
};

/// Norm of the difference by the norm of `right`; infinite where a value is no number.
[[nodiscard]] inline double relative_error(std::span<const float> served, std::span<const float> right)
{
  constexpr double no_number = HUGE_VAL;
  if (served.size() != right.size()) return no_number;
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < right.size(); ++i) {
    const double d = static_cast<double>(served[i]) - right[i];
    if (!std::isfinite(d)) return no_number;
    difference += d * d;
    size += static_cast<double>(right[i]) * right[i];
  }
  if (difference == 0) return 0;
  return size > 0 ? std::sqrt(difference / size) : no_number;
}

/// Adds one answer to the account.
inline void add(agreement& a, const std::string& name, const replay::served_request& r, double error)
{
  ++a.requests;
  a.mean += (std::isfinite(error) ? error - a.mean : 0) / static_cast<double>(a.requests);
  a.largest = (std::max)(a.largest, error);
  if (error <= a.bound) return;
  ++a.beyond;
  if (a.first.empty()) {
    a.first = name + ", request " + std::to_string(r.number) + " of user " + std::to_string(to_number(r.user));
  }
}

/// Recomputes the sampled requests one by one at `alone` (see replay/cpu_place.hpp), without any cache.
template <class Place>
[[nodiscard]] agreement verify(const replay::serving_context& context, Place& alone, std::uint32_t layers,
                               std::span<const kept_answers> cases, const std::function<void()>& checked)
{
  agreement out;
  out.bound = answer_bound;
  for (std::size_t s = 0; s < context.sample.size(); ++s) {
    const replay::served_request& r = context.load.batches[context.sample[s].batch].requests[context.sample[s].request];
    const hstu::request asked = replay::model_request(context.load, r);
    alone.begin_alone(std::span(&asked, 1));
    alone.embed();
    for (std::uint32_t l = 0; l < layers; ++l) alone.layer(l);
    alone.head();
    const std::span<const float> right = alone.scores(0);
    for (const kept_answers& c : cases) add(out, c.name, r, relative_error(c.scores.at(s), right));
    checked();
  }
  return out;
}

}  // namespace gpu_replay
