// The page of kvstrata-sim cluster: drawn here, as SVG, so that it stands without a script.
#include "sim/cluster_output.hpp"
#include "sim/page_parts.hpp"

#include "replay/format.hpp"
#include "replay/page.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

namespace sim {
namespace {

using replay::escape_html;
using replay::fixed;

constexpr std::array<std::string_view, 8> colours{"--case0", "--case3", "--case4", "--case5",
                                                  "--case6", "--case1", "--case2", "--case7"};

constexpr std::string_view own_style = R"(
.plot { width: 100%; height: auto; margin: .5rem 0 1rem; font-size: 12px; fill: var(--soft); }
.plot .grid { stroke: var(--rule); fill: none; }
.plot polyline { fill: none; stroke-width: 2; }
.keys { list-style: none; padding: 0; max-width: none; display: flex; flex-wrap: wrap; gap: .2rem 1.25rem; font-size: .875rem; }
.keys i { display: inline-block; width: 1rem; height: .2rem; margin-right: .4rem; vertical-align: .25rem; }
.scroll { overflow-x: auto; }
)";

std::string stroke(std::size_t curve) { return "var(" + std::string(colours[curve % colours.size()]) + ")"; }

struct line
{
  std::size_t colour = 0;
  std::string name;
  std::vector<std::pair<double, double>> points;
};

/// From 0 to `most` in at most six steps that read well.
double step_for(double most)
{
  const double raw = (std::max)(most, 1e-9) / 5;
  const double ten = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double by : {1.0, 2.0, 5.0}) {
    if (by * ten >= raw) return by * ten;
  }
  return 10 * ten;
}

/// Lines over [0, right], from 0 up.
std::string plot(const std::string& label, const std::vector<line>& lines, double right, const std::string& across,
                 const std::string& unit)
{
  constexpr double width = 900, height = 300, left = 60, top = 12, bottom = 250;
  double most = 0;
  for (const line& l : lines) {
    for (const auto& [x, y] : l.points) most = (std::max)(most, y);
  }
  const double step = step_for(most);
  const double high = step * (std::max)(1.0, std::ceil(most / step - 1e-9));
  const auto at_x = [&](double x) { return left + (width - left - 20) * x / (std::max)(right, 1e-9); };
  const auto at_y = [&](double y) { return bottom - (bottom - top) * y / high; };
  std::ostringstream out;
  out << "<svg class=\"plot\" role=\"img\" viewBox=\"0 0 " << width << ' ' << height << "\" aria-label=\""
      << escape_html(label) << "\">\n";
  for (double v = 0; v <= high * (1 + 1e-9); v += step) {
    out << "<path class=\"grid\" d=\"M" << left << ' ' << fixed(at_y(v), 1) << 'H' << width - 20 << "\"/><text x=\""
        << left - 8 << "\" y=\"" << fixed(at_y(v) + 4, 1) << "\" text-anchor=\"end\">" << replay::short_number(v)
        << escape_html(unit) << "</text>\n";
  }
  const double across_step = step_for(right);
  for (double v = 0; v <= right * (1 + 1e-9); v += across_step) {
    out << "<text x=\"" << fixed(at_x(v), 1) << "\" y=\"" << bottom + 18 << "\" text-anchor=\"middle\">"
        << replay::short_number(v) << "</text>\n";
  }
  out << "<text x=\"" << width - 20 << "\" y=\"" << bottom + 40 << "\" text-anchor=\"end\">" << escape_html(across)
      << "</text>\n";
  for (const line& l : lines) {
    out << "<polyline style=\"stroke:" << stroke(l.colour) << "\" points=\"";
    for (const auto& [x, y] : l.points) out << fixed(at_x(x), 1) << ',' << fixed(at_y(y), 1) << ' ';
    out << "\"><title>" << escape_html(l.name) << "</title></polyline>\n";
  }
  out << "</svg>\n";
  return out.str();
}

std::string keys(const std::vector<line>& lines)
{
  std::string out = "<ul class=\"keys\">";
  for (const line& l : lines) {
    out += "<li><i style=\"background:" + stroke(l.colour) + "\"></i>" + escape_html(l.name) + "</li>";
  }
  return out + "</ul>\n";
}

std::string element(std::string_view name, const std::string& text)
{
  return "<" + std::string(name) + ">" + escape_html(text) + "</" + std::string(name) + ">";
}

/// Curves that are not saturated, in ms against load.
std::vector<line> times(const std::vector<const cluster_curve*>& curves, double percentile)
{
  std::vector<line> out;
  for (std::size_t k = 0; k < curves.size(); ++k) {
    line l{.colour = k, .name = curves[k]->name(), .points = {}};
    for (const cluster_point& p : curves[k]->points) {
      if (!p.report.saturated()) l.points.emplace_back(p.load, 1e3 * p.report.first_token.percentile(percentile));
    }
    out.push_back(std::move(l));
  }
  return out;
}

/// A figure of each node under the highest load, the nodes in descending order of it.
std::vector<line> by_node(const std::vector<const cluster_curve*>& curves,
                          const std::function<double(const kvstrata::node_figures&)>& figure, bool prefix_too)
{
  std::vector<line> out;
  for (std::size_t k = 0; k < curves.size(); ++k) {
    if (curves[k]->is_prefix_cache && !prefix_too) continue;
    std::vector<double> values;
    for (const auto& n : curves[k]->points.back().report.nodes) values.push_back(figure(n));
    std::sort(values.rbegin(), values.rend());
    line l{.colour = k, .name = curves[k]->name(), .points = {}};
    for (std::size_t n = 0; n < values.size(); ++n) l.points.emplace_back(static_cast<double>(n + 1), values[n]);
    out.push_back(std::move(l));
  }
  return out;
}

std::string table(const cluster_answer& a, const std::vector<const cluster_curve*>& curves)
{
  std::ostringstream out;
  out << "<div class=\"scroll\"><table><thead><tr><th></th><th>load</th><th>requests/s</th><th>p50, ms</th><th>p99, "
         "ms</th><th>times p50</th><th>times p99</th><th>item hits</th><th>median</th><th>busiest node</th></tr></"
         "thead><tbody>\n";
  for (const cluster_curve* c : curves) {
    for (std::size_t p = 0; p < c->points.size(); ++p) {
      const auto& r = c->points[p].report;
      const auto gain = [&](double at) {
        const double g = gain_over_prefix(a, *c, p, at);
        return g > 0 ? fixed(g, 2) : std::string("-");
      };
      out << "<tr>" << element("th", p == 0 ? c->name() : "") << element("td", fixed(c->points[p].load, 2))
          << element("td", fixed(c->points[p].requests_per_second, 1))
          << element("td", fixed(1e3 * r.first_token.percentile(0.5), 1))
          << element("td", fixed(1e3 * r.first_token.percentile(0.99), 1) + (r.saturated() ? "*" : ""))
          << element("td", gain(0.5)) << element("td", gain(0.99))
          << element("td", c->is_prefix_cache ? "-" : replay::percent(r.hit_share()))
          << element("td", c->is_prefix_cache ? "-" : replay::percent(r.item_hits.percentile(0.5)))
          << element("td", fixed(r.imbalance(), 2)) << "</tr>\n";
    }
  }
  out << "</tbody></table></div>\n";
  return out.str();
}

std::string section(const cluster_question& asked, const cluster_answer& a, std::uint32_t nodes)
{
  std::vector<const cluster_curve*> curves;
  for (const cluster_curve& c : a.curves) {
    if (c.nodes == nodes) curves.push_back(&c);
  }
  const double right = *std::max_element(asked.loads.begin(), asked.loads.end());
  const std::string number = nodes == 1 ? "1 node" : std::to_string(nodes) + " nodes";
  std::ostringstream out;
  out << "<section>\n" << element("h2", number + ", simulated") << '\n' << keys(times(curves, 0.5));
  for (const auto& [name, percentile] : {std::pair("Median", 0.5), std::pair("99th percentile", 0.99)}) {
    const std::string label = std::string(name) + " of the time to first token against load, " + number;
    out << element("h3", label)
        << plot(label, times(curves, percentile), right,
                "load, in units of what as many prefix "
                "caches bear",
                " ms");
  }
  const auto figure = [&](const std::string& label, auto value, const std::string& unit, bool prefix_too) {
    out << element("h3", label)
        << plot(label, by_node(curves, value, prefix_too), nodes, "nodes, in descending order", unit);
  };
  using kvstrata::node_figures;
  figure("Item hits by node", [](const node_figures& n) { return 100 * n.hit_share(); }, " %", false);
  figure("Balance: seconds that a node was busy", [](const node_figures& n) { return n.busy_seconds; }, " s", true);
  figure(
      "Bytes held by a node, histories of users included",
      [](const node_figures& n) { return static_cast<double>(n.arena_bytes + n.user_bytes) / 0x1p30; }, " GiB", true);
  out << table(a, curves) << "</section>\n";
  return out.str();
}

}  // namespace

std::string cluster_page(const cluster_question& asked, const cluster_answer& a)
{
  std::string sections;
  for (const std::uint32_t nodes : asked.nodes) sections += section(asked, a, nodes);
  std::string notes;
  for (const std::string& sentence : cluster_remarks(asked, a)) notes += element("li", sentence) + "\n";
  const std::string headline = "A simulated cluster: items as blocks beside prefix caches";
  std::ostringstream out;
  out << "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
         "<meta name=\"color-scheme\" content=\"light dark\">\n"
      << element("title", headline) << "\n<style>\n"
      << parts::report_css << own_style << "</style>\n</head>\n<body>\n<main>\n<header>\n"
      << "<p class=\"kicker\">kvstrata-sim cluster</p>\n"
      << element("h1", headline) << "\n<p class=\"lead\">Time to first token on " << escape_html(asked.machine.name)
      << ", in virtual time. No figure on this page was measured on a cluster.</p>\n</header>\n"
      << sections << "<section>\n<h2>How to read this</h2>\n<ul>\n"
      << notes << "</ul>\n</section>\n</main>\n</body>\n</html>\n";
  return out.str();
}

}  // namespace sim
