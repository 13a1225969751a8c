// Lines of a page: labels that can be told apart, and nothing that is not seen.
#include "replay/line_plot.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

std::string plot_of(std::vector<std::pair<double, double>> points, double right, const std::string& unit)
{
  return replay::line_plot("label", {{.colour = 0, .name = "one", .points = std::move(points)}}, right, "across", unit);
}

std::size_t times_in(const std::string& plot, const std::string& part)
{
  std::size_t found = 0;
  for (std::size_t at = plot.find(part); at != std::string::npos; at = plot.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("a plot's labels tell one step from the next, and have room", "[replay][plot]")
{
  const std::string tiny = plot_of({{0, 0.011}, {1, 0.018}}, 1, "");
  for (const char* label : {">0.000<", ">0.005<", ">0.010<", ">0.015<", ">0.020<", ">0.0<", ">0.2<", ">1.0<"}) {
    CAPTURE(label);
    CHECK(times_in(tiny, label) == 1);
  }
  CHECK(times_in(plot_of({{1, 40}, {40, 94}}, 40, " %"), ">80 %<") == 1);
  CHECK(times_in(plot_of({{1, 0}, {40, 0}}, 40, " %"), ">1 %<") == 1);  // nothing, and yet an axis
  const std::string wide = plot_of({{1, 9e6}, {40, 1e7}}, 40, " ms");
  CHECK(times_in(wide, ">10000000 ms<") == 1);
  CHECK(times_in(wide, "text x=\"52\"") == 0);  // 11 letters of 7 would begin left of the picture
}

TEST_CASE("a plot's line of one point is a dot", "[replay][plot]")
{
  const std::string dot = plot_of({{1, 94}}, 1, " %");
  CHECK(times_in(dot, "<circle") == 1);
  CHECK(times_in(dot, "<polyline") == 0);
  CHECK(times_in(plot_of({{0, 1}, {1, 2}}, 1, ""), "<circle") == 0);
  CHECK(times_in(plot_of({}, 1, ""), "<circle") == 0);
}

TEST_CASE("a plot's lines are told apart where there are more than colours, and their keys with them", "[replay][plot]")
{
  std::vector<replay::plotted_line> lines;
  for (std::size_t k = 0; k < 32; ++k) lines.push_back({.colour = k, .name = "one", .points = {{0, 1}, {1, 2}}});
  const std::string plot = replay::line_plot("label", lines, 1, "across", "");
  const std::string keys = replay::line_keys(lines);
  std::set<std::string> strokes;
  for (const replay::plotted_line& l : lines) {
    const std::string stroke = replay::line_stroke(l.colour);
    strokes.insert(stroke);
    CHECK(times_in(plot, "<polyline style=\"" + stroke + "\"") == 1);
    CHECK(times_in(keys, stroke) == 1);
  }
  CHECK(strokes.size() == 32);
  CHECK(times_in(plot, "stroke-dasharray:none") == 8);
}
