#include "sim/output.hpp"

#include "replay/format.hpp"
#include "replay/wrap.hpp"

#include <kvstrata/simulate/trace_remarks.hpp>

#include <algorithm>
#include <cstddef>
#include <sstream>
#include <string_view>
#include <vector>

namespace sim {
namespace {

constexpr std::size_t text_width = 110;
constexpr std::string_view gap = "  ";

std::string left(const std::string& text, std::size_t width)
{
  return text.size() < width ? text + std::string(width - text.size(), ' ') : text;
}
std::string right(const std::string& text, std::size_t width)
{
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

/// One of the ways to weigh a miss.
struct measure
{
  std::string_view name;
  double kvstrata::miss_ratios::* ratio;
};

double mean_miss(const curve& c, double kvstrata::miss_ratios::* ratio)
{
  double sum = 0;
  for (const point& p : c.points) sum += p.miss.*ratio;
  return sum;
}

void table(std::ostringstream& out, const results& r, const trace_result& t, const measure& m)
{
  std::vector<const curve*> rows;
  for (const curve& c : t.curves) rows.push_back(&c);
  std::stable_sort(rows.begin(), rows.end(),
                   [&m](const curve* a, const curve* b) { return mean_miss(*a, m.ratio) < mean_miss(*b, m.ratio); });

  const bool by_requests = m.ratio == &kvstrata::miss_ratios::requests;
  const curve* const belady = by_requests ? find_curve(t, "belady") : nullptr;
  const bool has_gap = belady != nullptr && find_curve(t, "lru") != nullptr && t.curves.size() > 2;

  std::size_t first = m.name.size();
  for (const curve* c : rows) first = std::max(first, c->name.size());
  std::vector<std::size_t> widths;
  for (const step& s : t.steps) {
    widths.push_back(std::max({std::size_t{6}, s.text.size(), amount_text(r, s.amount).size()}) + 1);
  }

  // As many columns as have room, then another block below.
  for (std::size_t from = 0; from < t.steps.size();) {
    std::size_t to = from;
    std::size_t width = first;
    while (to < t.steps.size() && (to == from || width + gap.size() + widths[to] <= text_width - 12)) {
      width += gap.size() + widths[to++];
    }
    const bool ends = to == t.steps.size();
    std::string head = left(std::string(m.name), first);
    std::string below(first, ' ');
    for (std::size_t k = from; k < to; ++k) {
      head += std::string(gap) + right(t.steps[k].text, widths[k] - 1) + " ";
      below += std::string(gap) + right(amount_text(r, t.steps[k].amount), widths[k] - 1) + " ";
    }
    if (has_gap && ends) {
      head += std::string(gap) + "LRU to";
      below += std::string(gap) + "Belady";
      width += gap.size() + 7;
    }
    for (const std::string& line : {head, below}) {
      out << line.substr(0, line.find_last_not_of(' ') + 1) << '\n';
    }
    out << std::string(width, '-') << '\n';
    for (const curve* c : rows) {
      std::string line = left(c->name, first);
      for (std::size_t k = from; k < to; ++k) {
        const double miss = c->points[k].miss.*m.ratio;
        double best = 2;
        for (const curve& other : t.curves) {
          if (!other.knows_future) best = std::min(best, other.points[k].miss.*m.ratio);
        }
        const bool is_best = t.curves.size() > 1 && !c->knows_future && miss <= best;
        line += std::string(gap) + right(replay::fixed(100 * (1 - miss), 2), widths[k] - 1) + (is_best ? "*" : " ");
      }
      if (has_gap && ends) line += std::string(gap) + right(gap_text(t, *c), 6);
      out << line.substr(0, line.find_last_not_of(' ') + 1) << '\n';
    }
    out << '\n';
    from = to;
  }
}

void bullet(std::ostream& out, const std::string& text)
{
  bool first = true;
  for (const std::string& line : replay::wrap(text, text_width - 2)) {
    out << (first ? "- " : "  ") << line << '\n';
    first = false;
  }
}

std::string describe(const results& r, const trace_result& t)
{
  std::string out = t.name + ": " + replay::with_commas(t.touched.requests) + " requests of " +
                    (t.touched.exact ? "" : "about ") + replay::with_commas(t.touched.objects) + " objects";
  if (t.touched.is_sized) out += ", " + replay::bytes_text(t.touched.bytes) + " in all";
  out += "; " + kvstrata::times_text(t.touched, t.notes);
  if (!t.notes.ids.empty()) out += "; ids read as " + std::string(t.notes.ids);
  if (t.warmup_requests != 0) {
    out += "; the first " + replay::with_commas(t.warmup_requests) + " requests fill the caches and are not counted";
  }
  if (r.rate < 1) {
    double worst = 0;
    for (const curve& c : t.curves) {
      for (const point& p : c.points) worst = std::max(worst, p.error);
    }
    out += "; from " + replay::fixed(100 * r.rate, r.rate < 0.01 ? 2 : 0) + " % of the keys, standard error up to " +
           replay::fixed(100 * worst, 2) + " points";
  }
  return out + ".";
}

}  // namespace

std::string tables(const results& r)
{
  std::ostringstream out;
  for (const trace_result& t : r.traces) {
    for (const std::string& line : replay::wrap(describe(r, t), text_width)) out << line << '\n';
    out << '\n';
    table(out, r, t, {"hit ratio, %", &kvstrata::miss_ratios::requests});
    if (t.in_parts && r.rate == 1) table(out, r, t, {"usable hits, %", &kvstrata::miss_ratios::usable});
    if (r.sizes != "unit" && t.touched.is_sized) table(out, r, t, {"bytes hit, %", &kvstrata::miss_ratios::bytes});
    if (t.counted.seconds > 0) table(out, r, t, {"waiting saved, %", &kvstrata::miss_ratios::seconds});
    for (const std::string& sentence : trace_sentences(r, t)) bullet(out, sentence);
    out << '\n';
  }
  return out.str();
}

std::string remarks(const results& r)
{
  std::ostringstream out;
  const auto say = [&out](const std::string& text) { bullet(out, text); };
  say("* is the best at a size of those that do not know the future." +
      std::string(
          std::any_of(r.traces.begin(), r.traces.end(),
                      [](const trace_result& t) { return find_curve(t, "belady") != nullptr; })
              ? " belady does, and is the optimum where every object takes the same room. The last column is how "
                "much of the distance from lru to belady is closed, the mean over the sizes."
              : ""));
  if (r.sizes == "unit") say("Every object counts as one (--sizes bytes or growing count bytes).");
  if (!r.machine.empty()) {
    say("Waiting is what requests lose on " + r.machine +
        ": a miss fetches or computes the history, whichever is quicker there; a hit is taken to save " +
        (r.sizes == "unit" ? "all of it, also what the user did since." : "as much of that as its bytes are of all."));
  }
  double seconds = 0;
  std::uint64_t replayed = 0;
  std::size_t caches = 0;
  for (const trace_result& t : r.traces) {
    const std::size_t here = t.curves.size() * t.steps.size();
    seconds += t.seconds;
    caches += here;
    replayed += t.touched.requests * here;
  }
  say(replay::with_commas(caches) + " caches in " + replay::seconds_text(seconds) + " on " + std::to_string(r.threads) +
      (r.threads == 1 ? " thread, " : " threads, ") +
      replay::rate_text(seconds > 0 ? static_cast<double>(replayed) / seconds : 0, "requests") +
      (r.rate < 1 ? " simulated, counting those that the sample stands for." : " simulated."));
  return out.str();
}

}  // namespace sim
