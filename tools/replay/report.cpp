#include "replay/report.hpp"

#include "command_line/json_text.hpp"
#include "replay/elements.hpp"
#include "replay/format.hpp"
#include "replay/json.hpp"
#include "replay/report_parts.hpp"
#include "replay/sentences.hpp"

#include <kvstrata/simulate/output_file.hpp>

#include <algorithm>
#include <cstddef>
#include <sstream>
#include <utility>

namespace replay {
namespace {

void figure_box(std::ostringstream& out, const std::string& value, const std::string& what)
{
  out << "<li>" << element("strong", value) << element("span", what) << "</li>\n";
}

std::string key_figures(const results& r)
{
  std::ostringstream out;
  const case_result* best = highlighted(r);
  if (best == nullptr) return {};
  const case_result* none = find_case(r, "no cache");
  if (best->speed_up > 0) figure_box(out, times(best->speed_up), "as fast as no cache");
  figure_box(out, percent(best->tokens.hit_share()), "of all tokens came from the cache");
  figure_box(out, seconds_text(best->latency.p99),
             none == nullptr || none == best ? std::string("p99 latency")
                                             : "p99 latency, " + seconds_text(none->latency.p99) + " with no cache");
  if (r.verified && r.verified->scores != 0) {
    const verification& v = *r.verified;
    figure_box(out, with_commas(v.mismatches), "wrong of " + with_commas(v.scores) + " scores recomputed");
  } else {
    figure_box(out, "-", "answers were not verified in this run");
  }
  return out.str();
}

/// What the colours of the bars stand for.
std::string legend(const results& r)
{
  std::ostringstream out;
  const std::vector<std::string> levels = level_names(r);
  for (std::size_t i = 0; i < levels.size(); ++i) out << legend_of(level_class(i), levels[i]);
  out << legend_of("computed", "computed again");
  return out.str();
}

std::string overview_rows(const results& r)
{
  std::ostringstream out;
  const case_result* best = highlighted(r);
  const std::vector<std::string> levels = level_names(r);
  for (const case_result& c : r.cases) {
    out << (&c == best ? "<tr class=\"best\">" : "<tr>") << "<th scope=\"row\">" << escape_html(c.name) << "<small>"
        << escape_html(c.description) << "</small></th>" << element("td", c.speed_up > 0 ? times(c.speed_up) : "-")
        << element("td", seconds_text(c.latency.mean)) << element("td", seconds_text(c.latency.p99))
        << "<td class=\"wide\">" << split_bar(c.tokens, levels)
        << element("small", percent(c.tokens.hit_share()) + " hit") << "</td></tr>\n";
  }
  return out.str();
}

std::string moved_text(const moved& m)
{
  if (m.calls == 0) return "nothing";
  std::string out = bytes_text(m.bytes) + " in " + with_commas(m.calls) + (m.calls == 1 ? " call" : " calls");
  if (m.pieces != m.calls) out += ", " + with_commas(m.pieces) + (m.pieces == 1 ? " piece" : " pieces");
  return out;
}

std::string anchor_of(const case_result& c, std::size_t number)
{
  return "batch_" + (c.key.empty() ? std::to_string(number) : c.key);
}

bool is_pictured(const case_result& c) { return c.batch && !c.batch->spans.empty(); }

/// Links to the sections that batch_sections() makes.
std::string batch_links(const results& r)
{
  std::ostringstream out;
  for (std::size_t i = 0; i < r.cases.size(); ++i) {
    if (!is_pictured(r.cases[i])) continue;
    out << "\n<a class=\"minor\" href=\"#" << escape_html(anchor_of(r.cases[i], i)) << "\">"
        << escape_html(r.cases[i].name) << "</a>";
  }
  return out.str();
}

/// A section for each case's picture of one batch, with what was moved and what it cost in figures.
std::string batch_sections(const results& r)
{
  std::ostringstream out;
  for (std::size_t i = 0; i < r.cases.size(); ++i) {
    const case_result& c = r.cases[i];
    if (!is_pictured(c)) continue;
    const timeline& t = *c.batch;
    double end = 0;
    for (const span_of_work& s : t.spans) end = std::max(end, s.end);
    out << "<section class=\"batch\" id=\"" << escape_html(anchor_of(c, i)) << "\">\n"
        << element("h3", c.name) << element("p", c.description) << "\n<dl>";
    const auto figure = [&](const std::string& what, const std::string& value) {
      out << "<div>" << element("dt", what) << element("dd", value) << "</div>";
    };
    figure("until all is done", seconds_text(end));
    figure("transfer exposed", seconds_text(t.exposed_seconds));
    std::string tokens;
    for (std::size_t level = 0; level < c.levels.size(); ++level) {
      tokens += with_commas(t.tokens.served[level]) + ' ' + c.levels[level].name + ", ";
    }
    figure("tokens", tokens + with_commas(t.tokens.computed) + " computed");
    figure("moved up", moved_text(t.up));
    if (t.relocated.calls != 0) figure("relocated", moved_text(t.relocated));
    figure("moved down", moved_text(t.down));
    out << "</dl>\n<div class=\"chart\" data-case=\"" << i << "\"></div>\n</section>\n";
  }
  return out.str();
}

std::string full_table(const results& r)
{
  std::ostringstream out;
  out << "<thead><tr><td></td>";
  for (const case_result& c : r.cases) out << element("th", c.name, "scope=\"col\"");
  out << "</tr></thead>\n<tbody>\n";
  for (const metric& m : metrics(r)) {
    out << "<tr><th scope=\"row\">" << escape_html(m.name) << element("small", m.meaning) << "</th>";
    for (const std::string& value : m.values) out << element("td", value);
    out << "</tr>\n";
  }
  out << "</tbody>";
  return out.str();
}

std::string settings_lists(const results& r)
{
  std::ostringstream out;
  std::string group;
  for (const setting& s : r.settings) {
    if (s.group != group || group.empty()) {
      if (!group.empty()) out << "</dl></div>\n";
      group = s.group;
      out << "<div>" << element("h3", group) << "<dl>\n";
    }
    out << "<dt>" << escape_html(s.name) << "</dt><dd>" << escape_html(s.value) << element("small", s.meaning)
        << "</dd>\n";
  }
  if (!group.empty()) out << "</dl></div>\n";
  return out.str();
}

std::string notes(const results& r)
{
  std::ostringstream out;
  out << element("li", workload_sentence(r.workload)) << '\n';
  for (const std::string& note : r.workload.notes) out << element("li", note) << '\n';
  out << element("li", "Taken on " + machine_sentence(r.machine) + ".") << '\n';
  return out.str();
}

std::string verdict_box(const results& r)
{
  const bool failed = r.verified && r.verified->mismatches != 0;
  return element("p", verdict(r), failed ? "class=\"verdict failed\"" : "class=\"verdict\"");
}

}  // namespace

std::string report(const results& r)
{
  return fill_page(parts::report_html,
                   {{"head", page_head(parts::report_css, "kvstrata replay", headline(r), r.workload.description)},
                    {"js", std::string(parts::chart_js) + std::string(parts::report_js)},
                    {"verdict", verdict_box(r)},
                    {"figures", key_figures(r)},
                    {"legend", legend(r)},
                    {"overview", overview_rows(r)},
                    {"table", full_table(r)},
                    {"batch_links", batch_links(r)},
                    {"batches", batch_sections(r)},
                    {"notes", notes(r)},
                    {"break_even", escape_html(break_even_sentence(r.balance))},
                    {"settings", settings_lists(r)},
                    {"data", script_text(tools::json_text(to_json(r), -1))}});
}

void write_report(const results& r, const std::string& path) { kvstrata::write_file(path, report(r)); }

}  // namespace replay
