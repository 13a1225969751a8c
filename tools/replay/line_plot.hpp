// Lines in a page, drawn as SVG, so that they stand without a script.
#pragma once

#include "replay/format.hpp"
#include "replay/page.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replay {

/// One line of a plot.
struct plotted_line
{
  std::size_t colour = 0;  ///< of report.css; behind the last one they come again, dashed
  std::string name;
  std::vector<std::pair<double, double>> points;  ///< x ascending
};

/// What report.css lacks for plots.
inline constexpr std::string_view plot_style = R"(
.plot { width: 100%; min-width: 42rem; height: auto; margin: .5rem 0 1rem; font-size: 12px; fill: var(--soft); }
.plot .grid { stroke: var(--rule); fill: none; }
.plot polyline { fill: none; stroke-width: 2; }
.keys { list-style: none; padding: 0; max-width: none; display: flex; flex-wrap: wrap; gap: .2rem 1.25rem; font-size: .875rem; }
.keys svg { width: 26px; height: 10px; margin-right: .4rem; }
.keys line { stroke-width: 3; }
.scroll { overflow-x: auto; }
)";

inline constexpr std::array<std::string_view, 8> plot_colours{"--case0", "--case3", "--case4", "--case5",
                                                              "--case6", "--case1", "--case2", "--case7"};

[[nodiscard]] inline std::string line_colour(std::size_t line)
{
  return "var(" + std::string(plot_colours[line % plot_colours.size()]) + ")";
}

/// What draws the line: its colour, and dashes where colours come again.
[[nodiscard]] inline std::string line_stroke(std::size_t line)
{
  constexpr std::array<std::string_view, 4> dashes{"none", "7 4", "2 3", "12 3 2 3"};
  return "stroke:" + line_colour(line) +
         ";stroke-dasharray:" + std::string(dashes[line / plot_colours.size() % dashes.size()]);
}

/// From 0 to `most` in at most six steps that read well; one where there is nothing.
[[nodiscard]] inline double plot_step(double most)
{
  if (!(most > 0)) return 1;
  const double raw = most / 5;
  const double ten = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double by : {1.0, 2.0, 5.0}) {
    if (by * ten >= raw) return by * ten;
  }
  return 10 * ten;
}

/// With as many decimals as tell one step from the next: 0, 20, 40, or 0.0, 0.2, 0.4.
[[nodiscard]] inline std::string tick_label(double value, double step)
{
  return fixed(value, step >= 1 ? 0 : static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
}

/// Lines over [0, right], from 0 up. A line of one point is a dot.
[[nodiscard]] inline std::string line_plot(const std::string& label, const std::vector<plotted_line>& lines,
                                           double right, const std::string& across, const std::string& unit)
{
  constexpr double width = 900, height = 300, top = 12, bottom = 250;
  double most = 0;
  for (const plotted_line& l : lines) {
    for (const auto& [x, y] : l.points) most = (std::max)(most, y);
  }
  const double step = plot_step(most);
  const double high = step * (std::max)(1.0, std::ceil(most / step - 1e-9));
  constexpr double digit = 7;  // as wide as one may be
  const double left = (std::max)(60.0, 12 + digit * static_cast<double>((tick_label(high, step) + unit).size()));
  const auto at_x = [&](double x) { return left + (width - left - 20) * x / (std::max)(right, 1e-9); };
  const auto at_y = [&](double y) { return bottom - (bottom - top) * y / high; };
  std::ostringstream out;
  out << "<div class=\"scroll\"><svg class=\"plot\" role=\"img\" viewBox=\"0 0 " << width << ' ' << height
      << "\" aria-label=\"" << escape_html(label) << "\">\n";
  for (double v = 0; v <= high * (1 + 1e-9); v += step) {
    out << "<path class=\"grid\" d=\"M" << left << ' ' << fixed(at_y(v), 1) << 'H' << width - 20 << "\"/><text x=\""
        << left - 8 << "\" y=\"" << fixed(at_y(v) + 4, 1) << "\" text-anchor=\"end\">" << tick_label(v, step)
        << escape_html(unit) << "</text>\n";
  }
  const double across_step = plot_step(right);
  for (double v = 0; v <= right * (1 + 1e-9); v += across_step) {
    out << "<text x=\"" << fixed(at_x(v), 1) << "\" y=\"" << bottom + 18 << "\" text-anchor=\"middle\">"
        << tick_label(v, across_step) << "</text>\n";
  }
  out << "<text x=\"" << width - 20 << "\" y=\"" << bottom + 40 << "\" text-anchor=\"end\">" << escape_html(across)
      << "</text>\n";
  for (const plotted_line& l : lines) {
    if (l.points.size() == 1) {
      out << "<circle style=\"fill:" << line_colour(l.colour) << "\" r=\"4\" cx=\"" << fixed(at_x(l.points[0].first), 1)
          << "\" cy=\"" << fixed(at_y(l.points[0].second), 1) << "\"><title>" << escape_html(l.name)
          << "</title></circle>\n";
      continue;
    }
    out << "<polyline style=\"" << line_stroke(l.colour) << "\" points=\"";
    for (const auto& [x, y] : l.points) out << fixed(at_x(x), 1) << ',' << fixed(at_y(y), 1) << ' ';
    out << "\"><title>" << escape_html(l.name) << "</title></polyline>\n";
  }
  out << "</svg></div>\n";
  return out.str();
}

/// Which colour is whose.
[[nodiscard]] inline std::string line_keys(const std::vector<plotted_line>& lines)
{
  std::string out = "<ul class=\"keys\">";
  for (const plotted_line& l : lines) {
    out += "<li><svg viewBox=\"0 0 26 10\"><line x2=\"26\" y1=\"5\" y2=\"5\" style=\"" + line_stroke(l.colour) +
           "\"/></svg>" + escape_html(l.name) + "</li>";
  }
  return out + "</ul>\n";
}

}  // namespace replay
