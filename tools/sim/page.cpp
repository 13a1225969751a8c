#include "sim/output.hpp"
#include "sim/page_parts.hpp"

#include "command_line/json_text.hpp"
#include "replay/format.hpp"
#include "replay/page.hpp"

#include <kvstrata/simulate/trace_remarks.hpp>

#include <algorithm>
#include <cstddef>
#include <sstream>
#include <string_view>
#include <vector>

namespace sim {
namespace {

using replay::element;

std::string headline(const results& r)
{
  const std::size_t curves = r.traces.empty() ? 0 : r.traces.front().curves.size();
  std::string names;
  for (std::size_t k = 0; k < r.traces.size(); ++k) {
    names += (k == 0 ? "" : k + 1 == r.traces.size() ? " and " : ", ") + r.traces[k].name;
  }
  return std::to_string(curves) + (curves == 1 ? " cache policy on " : " cache policies on ") + names;
}

std::string description(const results& r)
{
  std::string out = "How often each misses, against the size of the cache. ";
  out += r.sizes == "unit"    ? "Every object counts as one."
         : r.sizes == "bytes" ? "Objects take the bytes they have when they come in."
                              : "Objects take the bytes they have at each request.";
  if (r.rate < 1)
    out += " From a sample of " + replay::fixed(100 * r.rate, 2) + " % of the keys; errors are standard errors.";
  if (!r.machine.empty()) out += " Waiting is that on " + r.machine + ".";
  return out;
}

/// Hit ratios by policy and size, the best first.
std::string ratio_table(const results& r, const trace_result& t, double kvstrata::miss_ratios::* ratio,
                        std::string_view what)
{
  std::vector<const curve*> rows;
  for (const curve& c : t.curves) rows.push_back(&c);
  const auto total = [ratio](const curve* c) {
    double sum = 0;
    for (const point& p : c->points) sum += p.miss.*ratio;
    return sum;
  };
  std::stable_sort(rows.begin(), rows.end(), [&](const curve* a, const curve* b) { return total(a) < total(b); });
  const bool has_gap = ratio == &kvstrata::miss_ratios::requests && find_curve(t, "belady") != nullptr &&
                       find_curve(t, "lru") != nullptr;

  std::ostringstream out;
  out << "<div class=\"scroll\"><table class=\"ratios\">\n<thead><tr><th scope=\"col\">" << what << "</th>";
  for (const step& s : t.steps) {
    out << "<th scope=\"col\">" << replay::escape_html(amount_text(r, s.amount))
        << element("small", replay::fixed(100 * s.share, s.share < 0.01 ? 2 : 1) + " %") << "</th>";
  }
  if (has_gap) out << "<th scope=\"col\">LRU to<small>Belady</small></th>";
  out << "</tr></thead>\n<tbody>\n";
  for (const curve* c : rows) {
    out << "<tr"
        << (c->knows_future    ? " class=\"future\""
            : c->name == "lru" ? " class=\"lru\""
                               : "")
        << ">" << element("th", c->name, "scope=\"row\"");
    for (std::size_t k = 0; k < t.steps.size(); ++k) {
      const double miss = c->points[k].miss.*ratio;
      double best = 2;
      for (const curve& other : t.curves) {
        if (!other.knows_future) best = std::min(best, other.points[k].miss.*ratio);
      }
      const bool is_best = t.curves.size() > 1 && !c->knows_future && miss <= best;
      out << element("td", replay::fixed(100 * (1 - miss), 2), is_best ? "class=\"best\"" : "");
    }
    if (has_gap) out << element("td", gap_text(t, *c));
    out << "</tr>\n";
  }
  out << "</tbody>\n</table></div>\n";
  return out.str();
}

std::string trace_sections(const results& r)
{
  std::ostringstream out;
  for (std::size_t k = 0; k < r.traces.size(); ++k) {
    const trace_result& t = r.traces[k];
    std::string told = replay::with_commas(t.touched.requests) + " requests of " + (t.touched.exact ? "" : "about ") +
                       replay::with_commas(t.touched.objects) + " objects";
    if (t.touched.is_sized) told += ", " + replay::bytes_text(t.touched.bytes) + " in all";
    told += "; " + kvstrata::times_text(t.touched, t.notes);
    if (t.warmup_requests != 0) {
      told += "; the first " + replay::with_commas(t.warmup_requests) + " fill the caches and are not counted";
    }
    out << "<section>\n"
        << element("h2", t.name) << "\n"
        << element("p", told + ".") << "\n<div class=\"chart\" data-curves=\"" << k << "\"></div>\n";
    if (t.intervals.size() > 1) {
      out << element("h3", "over time", "class=\"sub\"") << "\n<div class=\"chart\" data-series=\"" << k
          << "\"></div>\n";
    }
    out << element("h3", "the figures", "class=\"sub\"")
        << ratio_table(r, t, &kvstrata::miss_ratios::requests, "hit ratio, %");
    if (t.in_parts && r.rate == 1) out << ratio_table(r, t, &kvstrata::miss_ratios::usable, "usable hits, %");
    out << "<ul>\n";
    for (const std::string& sentence : trace_sentences(r, t)) out << element("li", sentence) << '\n';
    out << "</ul>\n</section>\n\n";
  }
  return out.str();
}

std::string notes(const results& r)
{
  std::ostringstream out;
  out << element("li",
                 "The thick band follows the best policy at each size of those that a cache can run, and names it "
                 "where it changes. In the table the best stands out in the same colour.")
      << '\n';
  const bool has_belady = std::any_of(r.traces.begin(), r.traces.end(),
                                      [](const trace_result& t) { return find_curve(t, "belady") != nullptr; });
  if (has_belady) {
    out << element("li",
                   "Belady's policy evicts what is needed last, which takes knowledge of the future. With objects of "
                   "equal size nothing misses less. The last column says how much of the distance from LRU to it "
                   "a policy closes, the mean over the sizes.")
        << '\n';
  }
  if (r.rate < 1) {
    out << element(
               "li",
               "The sample follows the keys whose hash falls below a limit, in caches as much smaller (SHARDS). The "
               "errors are standard errors: one value in three lies further off, one in twenty more than twice as "
               "far.")
        << '\n';
  }
  if (!r.machine.empty()) {
    out << element("li",
                   "A miss waits for the fetch or the computation of the user's history, whichever is quicker on " +
                       r.machine + "; a hit is taken to save " +
                       (r.sizes == "unit" ? "all of it, also what the user did since."
                                          : "as much of that as its bytes are of all."))
        << '\n';
  }
  return out.str();
}

}  // namespace

std::string page(const results& r)
{
  const std::string data = tools::json_text(to_json(r), -1);
  return replay::fill_page(parts::curves_html,
                           {{"head", replay::page_head(std::string(parts::report_css) + std::string(parts::curves_css),
                                                       "kvstrata-sim", headline(r), description(r))},
                            {"js", std::string(parts::chart_js) + std::string(parts::curves_js)},
                            {"traces", trace_sections(r)},
                            {"notes", notes(r)},
                            {"data", replay::script_text(data)}});
}

}  // namespace sim
