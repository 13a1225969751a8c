#include "replay/mtgr/report.hpp"

#include "replay/elements.hpp"
#include "replay/mtgr/report_parts.hpp"
#include "replay/report_parts.hpp"
#include "replay/sentences.hpp"

#include <kvstrata/simulate/output_file.hpp>

#include <algorithm>
#include <cstddef>
#include <sstream>
#include <utility>
#include <vector>

namespace replay {
namespace {

const std::vector<std::string>& levels()
{
  static const std::vector<std::string> names{"slab", "arena"};
  return names;
}

/// "MTGR from default_cache: 1.33x as fast as without a cache, K = 100", of the pass that gains least.
std::string headline(const mtgr_results& r)
{
  double least = 0;
  std::string out = "MTGR from several caches";
  for (const mtgr_pass& p : r.passes) {
    for (const mtgr_case_result& c : p.cases) {
      const double ratio = speed_up(p, c);
      if (c.which.keeping != mtgr_keeping::both || ratio <= 0 || (least > 0 && ratio >= least)) continue;
      least = ratio;
      out = "MTGR from " + std::string(c.which.name) + ": " + times(ratio) +
            " as fast as without a cache, K = " + std::to_string(p.candidates);
    }
  }
  return out;
}

std::string verdict_box(const mtgr_results& r)
{
  const std::string wrong = mtgr_wrong_answers(r);
  if (!wrong.empty()) return element("p", "Wrong: " + wrong + ".", "class=\"verdict failed\"");
  std::uint64_t verified = 0;
  for (const mtgr_pass& p : r.passes) {
    for (const mtgr_case_result& c : p.cases) verified += c.verified;
  }
  if (verified == 0) return element("p", "Answers were not verified in this run (--verify).", "class=\"verdict\"");
  return element("p", with_commas(verified) + " answers were held to recomputation, and none has other scores.",
                 "class=\"verdict\"");
}

std::string legend()
{
  std::string out;
  for (std::size_t i = 0; i < levels().size(); ++i) out += legend_of(level_class(i), "from the " + levels()[i]);
  return out + legend_of("computed", "computed");
}

std::string part_bar(const char* name, const mtgr_part_result& part)
{
  return split_bar(part.tokens, levels()) +
         element("small", std::string(name) + ": " + percent(part.tokens.hit_share()) + " served, " +
                              with_commas(part.superseded) + " tokens superseded");
}

/// As wide as what the most expensive case needs.
std::string flops_bar(const mtgr::part_flops& f, double most)
{
  const auto giga = [](double flops) { return short_number(flops / 1e9); };
  const std::string text =
      "GFLOP: U and S " + giga(f.statics) + ", R " + giga(f.recents) + ", candidates " + giga(f.candidates);
  const double whole = most > 0 ? most : 1;
  return bar({{level_class(0), f.statics / whole},
              {level_class(2), f.recents / whole},
              {level_class(3), f.candidates / whole}},
             text) +
         element("small", text);
}

std::string overview(const mtgr_pass& p)
{
  double most = 0;
  for (const mtgr_case_result& c : p.cases) most = (std::max)(most, c.flops.all());
  std::ostringstream out;
  for (const mtgr_case_result& c : p.cases) {
    const double ratio = speed_up(p, c);
    out << (c.which.keeping == mtgr_keeping::both ? "<tr class=\"best\">" : "<tr>") << "<th scope=\"row\">"
        << escape_html(c.which.name) << element("small", std::string(c.which.description)) << "</th>"
        << element("td", ratio > 0 ? times(ratio) : "-") << element("td", seconds_text(mean_batch_seconds(c)))
        << element("td", seconds_text(p99_batch_seconds(c))) << "<td class=\"wide\">" << part_bar("U and S", c.statics)
        << part_bar("R", c.recents) << flops_bar(c.flops, most) << "</td></tr>\n";
  }
  return out.str();
}

/// What report.css lacks for two bars in a cell.
constexpr std::string_view more_css = R"(
.overview td.wide .bar + small { margin-bottom: .5rem; }
.overview td.wide { display: table-cell; }
)";

std::string full_table(const mtgr_pass& p)
{
  std::ostringstream out;
  out << "<thead><tr><td></td>";
  for (const mtgr_case_result& c : p.cases) out << element("th", std::string(c.which.name), "scope=\"col\"");
  out << "</tr></thead>\n<tbody>\n";
  for (const mtgr_row& row : mtgr_rows(p)) {
    const std::size_t depth = row.name.find_first_not_of(' ') / 2;
    out << "<tr>"
        << element("th", row.name.substr(2 * depth),
                   "scope=\"row\" style=\"padding-left:" + std::to_string(depth) + "em\"");
    for (const std::string& value : row.values) out << element("td", value);
    out << "</tr>\n";
  }
  out << "</tbody>";
  return out.str();
}

std::string sections(const mtgr_results& r)
{
  std::ostringstream out;
  for (const mtgr_pass& p : r.passes) {
    out << "<section id=\"candidates_" << p.candidates << "\">\n"
        << element("h2",
                   std::to_string(p.candidates) + (p.candidates == 1 ? " candidate" : " candidates") + " a request")
        << '\n'
        << element("p", mtgr_bound_sentence(p) + ".") << "\n<p class=\"legend\">" << legend() << "</p>\n"
        << "<table class=\"overview\">\n<thead><tr><th scope=\"col\">case</th><th scope=\"col\">speed-up</th>"
           "<th scope=\"col\">mean</th><th scope=\"col\">p99</th><th scope=\"col\" class=\"wide\">tokens by part, FLOPs"
           "</th></tr></thead>\n<tbody>\n"
        << overview(p) << "</tbody>\n</table>\n<p class=\"legend\">FLOPs:" << legend_of(level_class(0), "U and S")
        << legend_of(level_class(2), "R") << legend_of(level_class(3), "candidates")
        << "</p>\n<details>\n<summary>All figures</summary>\n<div class=\"scroll\">\n<table class=\"full\">\n"
        << full_table(p) << "\n</table>\n</div>\n</details>\n</section>\n";
  }
  return out.str();
}

std::string notes(const mtgr_results& r)
{
  std::ostringstream out;
  out << element("li", workload_sentence(r.workload)) << '\n';
  for (const std::string& note : r.workload.notes) out << element("li", note) << '\n';
  out << element("li", mtgr_words()) << '\n' << element("li", "Speed-up is in processor time, of all threads.") << '\n';
  out << element("li", "Taken on " + machine_sentence(r.machine) + ".") << '\n';
  return out.str();
}

std::string settings(const mtgr_results& r)
{
  const options& o = r.how.common;
  std::ostringstream out;
  const auto one = [&out](const std::string& name, const std::string& value) {
    out << element("dt", name) << element("dd", value) << '\n';
  };
  one("--cut", r.how.cut);
  one("--sequence-tokens", std::to_string(r.how.sequence));
  one("--recent-tokens", std::to_string(r.how.recent));
  if (r.how.sessions_a_day != 0) one("--sessions-a-day", std::to_string(r.how.sessions_a_day));
  one("--batch", std::to_string(o.batch));
  one("--layers", std::to_string(o.layers));
  one("--hidden", std::to_string(o.hidden));
  one("--heads", std::to_string(o.heads));
  one("--page-tokens", std::to_string(o.page_tokens));
  if (o.device_mib) one("--device-mib", std::to_string(*o.device_mib));
  else one("--device-share", short_number(o.device_share));
  if (o.host_mib) one("--host-mib", std::to_string(*o.host_mib));
  else one("--host-share", short_number(o.host_share));
  one("--link-gbps", short_number(o.link_gbps));
  one("--seed", std::to_string(o.seed));
  return out.str();
}

}  // namespace

std::string mtgr_report(const mtgr_results& r)
{
  return fill_page(parts::mtgr_report_html,
                   {{"head", page_head(std::string(parts::report_css) + std::string(more_css),
                                       "kvstrata replay --model mtgr", headline(r), r.workload.description)},
                    {"verdict", verdict_box(r)},
                    {"passes", sections(r)},
                    {"notes", notes(r)},
                    {"settings", settings(r)},
                    {"data", script_text(mtgr_json(r))}});
}

void write_mtgr_report(const mtgr_results& r, const std::string& file) { kvstrata::write_file(file, mtgr_report(r)); }

}  // namespace replay
