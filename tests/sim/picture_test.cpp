// The picture of curves: well-formed, complete, nothing outside it.
#include "sim/picture.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <sstream>
#include <string>

namespace {

sim::curve curve_of(const std::string& name, double first_miss, double last_miss)
{
  sim::curve c;
  c.policy = c.name = name;
  c.knows_future = name == "belady";
  for (const double miss : {first_miss, last_miss}) {
    sim::point p;
    p.miss.requests = miss;
    c.points.push_back(p);
  }
  return c;
}

sim::trace_result trace_of(const std::string& name)
{
  sim::trace_result t;
  t.name = name;
  t.touched.objects = 12'345;
  t.counted.requests = 98'765;
  t.steps = {{"1%", 124, 0.01}, {"50%", 6173, 0.5}};
  t.curves = {curve_of("lru", 0.9, 0.3), curve_of("mine", 0.8, 0.25), curve_of("fifo", 0.95, 0.4),
              curve_of("belady", 0.7, 0.2)};
  return t;
}

std::size_t count(const std::string& text, const std::string& what)
{
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

bool contains(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

}  // namespace

TEST_CASE("a picture names its traces and curves, and stays within its frame")
{
  sim::results r;
  r.sizes = "unit";
  r.traces = {trace_of("a <b> & c"), trace_of("other")};
  const std::string svg = sim::picture(r);

  CHECK(svg.starts_with("<svg "));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(count(svg, "a &lt;b&gt; &amp; c</text>") == 1);
  CHECK(count(svg, "98,765 requests") == 2);
  CHECK(count(svg, "12,345 objects") == 2);
  for (const char* const name : {">lru<", ">mine<", ">fifo<", ">belady<"}) CHECK(count(svg, name) == 2);
  CHECK(count(svg, "<text") == count(svg, "</text>"));
  CHECK(count(svg, "<g ") == count(svg, "</g>"));
  CHECK(count(svg, "http") == 1);  // the name space, and nothing that is fetched
  // Of each trace: four curves on the left, three on the right, which have three lines to their names.
  CHECK(count(svg, "<polyline") == 2 * (4 + 3 + 3));

  // A panel's own coordinates: 860 wide, 390 high.
  CHECK(svg.find("viewBox=\"0 0 860 780\"") != std::string::npos);
  for (std::size_t at = svg.find("points=\""); at != std::string::npos; at = svg.find("points=\"", at + 1)) {
    const std::size_t begin = at + 8;
    std::istringstream numbers(svg.substr(begin, svg.find('"', begin) - begin));
    double x = 0;
    double y = 0;
    char comma = 0;
    std::size_t pairs = 0;
    for (; numbers >> x >> comma >> y; ++pairs) CHECK((comma == ',' && x >= 0 && x <= 860 && y >= 0 && y <= 390));
    CHECK(pairs == 2);
  }
}

TEST_CASE("a picture is as wide as its names")
{
  sim::results r;
  r.sizes = "unit";
  r.traces = {trace_of("t")};
  CHECK(contains(sim::picture(r), "viewBox=\"0 0 860 390\" width=\"860\""));
  r.traces[0].curves[1] = curve_of("thorough_locality, second_use", 0.8, 0.25);  // 29 letters of 7.5 from 773 on
  CHECK(contains(sim::picture(r), "viewBox=\"0 0 991 390\" width=\"991\""));
}

TEST_CASE("a picture draws the best that does not know the future apart")
{
  sim::results r;
  r.sizes = "unit";
  r.traces = {trace_of("t")};
  const std::string before = sim::picture(r);
  CHECK(contains(before, "font-weight=\"600\">mine<"));
  CHECK_FALSE(contains(before, "font-weight=\"600\">fifo<"));
  r.traces[0].curves[2] = curve_of("fifo", 0.7, 0.2);  // as good as the optimum
  const std::string after = sim::picture(r);
  CHECK(contains(after, "font-weight=\"600\">fifo<"));
  CHECK_FALSE(contains(after, "font-weight=\"600\">mine<"));
}

TEST_CASE("a picture of requests in parts shows the usable hits, unless the keys are a sample")
{
  sim::results r;
  r.sizes = "unit";
  r.traces = {trace_of("t")};
  for (sim::curve& c : r.traces[0].curves) {
    for (sim::point& p : c.points) p.miss.usable = c.name == "fifo" ? 0.3 : 0.9;  // the best by use is not so by hits
  }
  const std::string by_hits = sim::picture(r);
  CHECK(contains(by_hits, ">hits, %<"));
  CHECK(contains(by_hits, "font-weight=\"600\">mine<"));
  r.traces[0].in_parts = true;
  const std::string by_use = sim::picture(r);
  CHECK(contains(by_use, ">usable hits, %<"));
  CHECK(contains(by_use, ">usable hits beyond LRU's, points<"));
  CHECK(contains(by_use, "font-weight=\"600\">fifo<"));
  CHECK_FALSE(contains(by_use, "font-weight=\"600\">mine<"));
  r.rate = 0.5;  // of a sample nobody knows what stood before
  CHECK(sim::picture(r) == by_hits);
}

TEST_CASE("a picture of little: no trace, one size, no LRU, nothing but misses")
{
  sim::results r;
  r.sizes = "bytes";
  CHECK(sim::picture(r).ends_with("</svg>\n"));
  sim::trace_result t = trace_of("t");
  t.steps.pop_back();
  for (sim::curve& c : t.curves) c.points.pop_back();
  t.curves.erase(t.curves.begin());
  for (sim::curve& c : t.curves) c.points[0].miss.requests = 1;
  r.traces = {t, sim::trace_result{}};
  const std::string svg = sim::picture(r);
  CHECK(count(svg, "nan") == 0);
  CHECK(count(svg, "inf") == 0);
  CHECK(count(svg, ">mine<") == 1);
  // A line of one point would not be seen: three dots on the left, two on the right, and lines to their names alone.
  CHECK(count(svg, "<circle") == 3 + 2);
  CHECK(count(svg, "<polyline") == 2);
}
