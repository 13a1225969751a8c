// The page of kvstrata-sim cluster: drawn here, as SVG, so that it stands without a script.
#include "sim/cluster_output.hpp"
#include "sim/page_parts.hpp"

#include "replay/format.hpp"
#include "replay/line_plot.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

namespace sim {
namespace {

using replay::element;
using replay::escape_html;
using replay::fixed;
using replay::line_keys;
using replay::line_plot;

/// Curves that are not saturated, in ms against load.
std::vector<replay::plotted_line> times(const std::vector<const cluster_curve*>& curves, double percentile)
{
  std::vector<replay::plotted_line> out;
  for (std::size_t k = 0; k < curves.size(); ++k) {
    replay::plotted_line l{.colour = k, .name = curves[k]->name(), .points = {}};
    for (const cluster_point& p : curves[k]->points) {
      if (!p.report.saturated()) l.points.emplace_back(p.load, 1e3 * p.report.first_token.percentile(percentile));
    }
    out.push_back(std::move(l));
  }
  return out;
}

/// A figure of each node under the highest load, the nodes in descending order of it.
std::vector<replay::plotted_line> by_node(const std::vector<const cluster_curve*>& curves,
                                          const std::function<double(const kvstrata::node_figures&)>& figure,
                                          bool prefix_too)
{
  std::vector<replay::plotted_line> out;
  for (std::size_t k = 0; k < curves.size(); ++k) {
    if (curves[k]->is_prefix_cache && !prefix_too) continue;
    std::vector<double> values;
    for (const auto& n : curves[k]->points.back().report.nodes) values.push_back(figure(n));
    std::sort(values.rbegin(), values.rend());
    replay::plotted_line l{.colour = k, .name = curves[k]->name(), .points = {}};
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
        const std::optional<double> g = gain_over_prefix(a, *c, p, at);
        return g ? fixed(*g, 2) : std::string("-");
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
  out << "<section>\n" << element("h2", number + ", simulated") << '\n' << line_keys(times(curves, 0.5));
  for (const auto& [name, percentile] : {std::pair("Median", 0.5), std::pair("99th percentile", 0.99)}) {
    const std::string label = std::string(name) + " of the time to first token against load, " + number;
    out << element("h3", label)
        << line_plot(label, times(curves, percentile), right,
                     "load, in units of what as many prefix "
                     "caches bear",
                     " ms");
  }
  const auto figure = [&](const std::string& label, auto value, const std::string& unit, bool prefix_too) {
    out << element("h3", label)
        << line_plot(label, by_node(curves, value, prefix_too), nodes, "nodes, in descending order", unit);
  };
  using kvstrata::node_figures;
  figure("Item hits by node", [](const node_figures& n) { return 100 * n.hit_share(); }, " %", false);
  figure("Balance: seconds that a node was busy", [](const node_figures& n) { return n.busy_seconds; }, " s", true);
  figure(
      "Bytes held by a node, histories of users included",
      [](const node_figures& n) { return static_cast<double>(n.host_bytes()) / 0x1p30; }, " GiB", true);
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
  std::ostringstream out;
  out << replay::page_head(std::string(parts::report_css) + std::string(replay::plot_style), "kvstrata-sim cluster",
                           "A simulated cluster: items as blocks beside prefix caches",
                           "Time to first token on " + asked.machine.name +
                               ", in virtual time. No figure on this page was measured on a cluster.")
      << "\n</header>\n"
      << sections << "<section>\n<h2>How to read this</h2>\n<ul>\n"
      << notes << "</ul>\n</section>\n</main>\n</body>\n</html>\n";
  return out.str();
}

}  // namespace sim
