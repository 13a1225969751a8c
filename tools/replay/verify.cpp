#include "replay/verify.hpp"

#include "hstu/recompute.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cmath>

namespace replay {

void compare_scores(verification& v, const std::string& case_name, const served_request& r,
                    std::span<const float> served, std::span<const float> recomputed, std::uint32_t tasks)
{
  if (served.size() != recomputed.size()) {
    throw kvstrata::usage_error("case '" + case_name + "' gave " + std::to_string(served.size()) +
                                " scores for request " + std::to_string(r.number) + ", recomputation " +
                                std::to_string(recomputed.size()));
  }
  ++v.requests;
  for (std::size_t i = 0; i < served.size(); ++i) {
    const double a = served[i];
    const double b = recomputed[i];
    const double difference = std::abs(a - b);
    ++v.scores;
    if (difference > v.max_difference) v.max_difference = difference;
    if (difference <= v.tolerance * (std::max)(1.0, std::abs(b))) continue;  // false for NaN, too
    ++v.mismatches;
    if (!v.first) v.first = score_difference{case_name, to_number(r.user), r.number, i / tasks, i % tasks, a, b};
  }
}

verification verify(const serving_context& context, const hstu::model& model, std::span<const scored_case> cases,
                    double share, const std::function<void()>& checked)
{
  verification v;
  v.share = share;
  v.tolerance = score_tolerance(model.computes_in());
  hstu::scratch_pages memory;
  for (std::size_t s = 0; s < context.sample.size(); ++s) {
    const served_request& r = context.load.batches[context.sample[s].batch].requests[context.sample[s].request];
    const hstu::request asked = model_request(context.load, r);
    const std::vector<float> recomputed = hstu::recompute(model, std::span(&asked, 1), memory);
    for (const scored_case& c : cases) {
      if (s >= c.scores->size()) {
        throw kvstrata::usage_error("case '" + c.name + "' kept " + std::to_string(c.scores->size()) +
                                    " answers, but " + std::to_string(context.sample.size()) + " were to be kept");
      }
      const std::uint32_t tasks = model.options().tasks;
      if (c.agreement != nullptr && !r.exact) {
        c.agreement->add((*c.scores)[s], recomputed, tasks);
        if (c.uncoded != nullptr) c.agreement->compare_uncoded((*c.scores)[s], (*c.uncoded)[s]);
      }
      if (!c.lossy || r.exact) compare_scores(v, c.name, r, (*c.scores)[s], recomputed, tasks);
    }
    checked();
  }
  return v;
}

}  // namespace replay
