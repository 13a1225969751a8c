#include "sim/results.hpp"

#include "replay/format.hpp"

#include <kvstrata/simulate/trace_remarks.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace sim {

const curve* find_curve(const trace_result& t, const std::string& name)
{
  const auto found =
      std::find_if(t.curves.begin(), t.curves.end(), [&name](const curve& one) { return one.name == name; });
  return found == t.curves.end() ? nullptr : &*found;
}

double closed_gap(const trace_result& t, const curve& c)
{
  const curve* const lru = find_curve(t, "lru");
  const curve* const belady = find_curve(t, "belady");
  double sum = 0;
  int count = 0;
  for (std::size_t k = 0; lru != nullptr && belady != nullptr && k < t.steps.size(); ++k) {
    const double from = lru->points[k].miss.requests;
    const double whole = from - belady->points[k].miss.requests;
    if (whole < 1e-3) continue;  // a distance that is none says nothing
    sum += (from - c.points[k].miss.requests) / whole;
    ++count;
  }
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / count;
}

std::string gap_text(const trace_result& t, const curve& c)
{
  const double closed = closed_gap(t, c);
  if (std::isnan(closed)) return {};
  const std::string text = replay::fixed(100 * closed, 0);
  return (text == "-0" ? "0" : text) + " %";
}

std::size_t best_at(const trace_result& t, std::size_t step)
{
  std::size_t best = t.curves.size();
  for (std::size_t k = 0; k < t.curves.size(); ++k) {
    if (t.curves[k].knows_future) continue;
    if (best == t.curves.size() || t.curves[k].points[step].miss.requests < t.curves[best].points[step].miss.requests) {
      best = k;
    }
  }
  return best;
}

std::optional<double> oversized_share(const trace_result& t, std::size_t step, double rate)
{
  if (t.counted.requests == 0) return std::nullopt;
  for (const curve& c : t.curves) {
    if (c.admission != "always") continue;
    const double bypassed = static_cast<double>(c.points[step].missed.bypassed) / rate;
    return std::min(1.0, bypassed / static_cast<double>(t.counted.requests));
  }
  return std::nullopt;
}

std::vector<std::string> trace_sentences(const results& r, const trace_result& t)
{
  std::vector<std::string> out = kvstrata::trace_remarks(t.touched, t.notes);
  if (!t.notes.hit.empty()) out.push_back("A hit: " + std::string(t.notes.hit) + ".");
  if (t.in_parts && r.rate == 1) {
    out.push_back(
        "A usable hit is the stricter count: the blocks before it in its request hit, too. A block alone saves "
        "nothing, "
        "because its keys and values follow from all tokens before them.");
  } else if (t.in_parts) {
    out.push_back(
        "A sample does not see whole requests: how many hits were of use, with the blocks before them, only a "
        "run without --sample tells.");
  }
  if (!r.machine.empty() && t.counted.seconds <= 0) {
    out.push_back("What its misses would cost on " + r.machine +
                  " nobody knows, since this trace tells no histories: --machine weighs nothing here.");
  }
  std::string oversized;
  for (std::size_t k = 0; k < t.steps.size(); ++k) {
    const double share = oversized_share(t, k, r.rate).value_or(0);
    if (share <= 0) continue;
    oversized +=
        (oversized.empty() ? "" : ", ") + replay::fixed(100 * share, 2) + " % at " + amount_text(r, t.steps[k].amount);
  }
  if (!oversized.empty()) {
    out.push_back("Requests for objects larger than the whole cache" + std::string(r.rate < 1 ? " of the sample" : "") +
                  ", which always miss and never come in: " + oversized + ".");
  }
  return out;
}

std::string amount_text(const results& r, std::uint64_t amount)
{
  return r.sizes == "unit" ? replay::with_commas(amount) : replay::bytes_text(amount);
}

}  // namespace sim
