#include "sim/picture.hpp"

#include "replay/format.hpp"
#include "replay/page.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <sstream>
#include <string_view>
#include <vector>

namespace sim {
namespace {

constexpr double least_width = 860;
constexpr double names_left = 773;
constexpr double letter = 7.5;  // wide, of the fonts that there are
constexpr double panel = 390;   // height of a trace, title and axis included
constexpr double top = 72;
constexpr double bottom = panel - 34;
constexpr double name_step = 13;  // two names stand so far apart, at least

constexpr std::array<std::string_view, 8> colours{"#4c78a8", "#54a24b", "#b279a2", "#9d755d",
                                                  "#72b7b2", "#8f8f3b", "#7a7fd1", "#c78b3c"};

struct drawn_curve
{
  const curve* what = nullptr;
  std::string_view colour;
  double stroke = 1.1;
  std::string_view dashes;  // empty: solid
  double name_y = 0;
};

using miss_ratio = double kvstrata::miss_ratios::*;

/// Where requests have parts, the hits that are of use: the plain ones flatter.
[[nodiscard]] miss_ratio drawn_ratio(const results& r, const trace_result& t)
{
  return t.in_parts && r.rate == 1 ? &kvstrata::miss_ratios::usable : &kvstrata::miss_ratios::requests;
}

/// Summed over the sizes: enough to compare.
[[nodiscard]] double all_misses(const curve& c, miss_ratio drawn)
{
  double sum = 0;
  for (const point& p : c.points) sum += p.miss.*drawn;
  return sum;
}

[[nodiscard]] std::string number(double value) { return replay::fixed(value, 1); }

/// One of the two plots of a trace. The x axis is logarithmic where sizes differ by more than a factor of ten.
class plot
{
 public:
  plot(const trace_result& t, double left, double right, double lowest, double highest)
      : left_(left),
        right_(right),
        lowest_(lowest),
        highest_(highest),
        from_(std::max(t.steps.front().share, 1e-12)),
        to_(std::max(t.steps.back().share, from_))
  {
  }
  [[nodiscard]] double x(double share) const
  {
    if (to_ == from_) return (left_ + right_) / 2;
    const double part =
        to_ > 10 * from_ ? std::log(share / from_) / std::log(to_ / from_) : (share - from_) / (to_ - from_);
    return left_ + part * (right_ - left_);
  }
  [[nodiscard]] double y(double value) const
  {
    return bottom - (value - lowest_) / (highest_ - lowest_) * (bottom - top);
  }
  [[nodiscard]] double left() const { return left_; }
  [[nodiscard]] double right() const { return right_; }
  [[nodiscard]] double lowest() const { return lowest_; }
  [[nodiscard]] double highest() const { return highest_; }

 private:
  double left_;
  double right_;
  double lowest_;
  double highest_;
  double from_;
  double to_;
};

[[nodiscard]] std::vector<drawn_curve> styled(const trace_result& t, miss_ratio drawn)
{
  const curve* best = nullptr;
  for (const curve& c : t.curves) {
    if (!c.knows_future && (best == nullptr || all_misses(c, drawn) < all_misses(*best, drawn))) best = &c;
  }
  std::vector<drawn_curve> thin, apart;
  for (std::size_t k = 0; k < t.curves.size(); ++k) {
    const curve& c = t.curves[k];
    const std::string_view own = colours[k % colours.size()];  // the same in every panel
    if (c.knows_future) apart.push_back({&c, "#57606a", 2, "6 4"});
    else if (c.name == "lru") apart.push_back({&c, "#1f2328", 2.6, ""});
    else if (&c == best) apart.push_back({&c, "#d1242f", 2.6, ""});
    else thin.push_back({&c, own, 1.1, k < colours.size() ? "" : "2 2"});
  }
  thin.insert(thin.end(), apart.begin(), apart.end());  // the later ones lie on top
  return thin;
}

/// Names stand at the ends of their curves, moved apart where they would overlap, and kept within the panel.
void place_names(std::vector<drawn_curve>& curves)
{
  std::vector<drawn_curve*> order;
  for (drawn_curve& c : curves) order.push_back(&c);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->name_y < b->name_y; });
  double free_from = top - 8;
  for (drawn_curve* c : order) {
    c->name_y = std::max(c->name_y, free_from);
    free_from = c->name_y + name_step;
  }
  double free_to = bottom + 8;
  for (auto c = order.rbegin(); c != order.rend(); ++c) {
    (*c)->name_y = std::min((*c)->name_y, free_to);
    free_to = (*c)->name_y - name_step;
  }
}

void draw_axes(std::ostream& out, const trace_result& t, const plot& p, const std::string& what)
{
  out << "<text x=\"" << number(p.left()) << "\" y=\"" << top - 12 << "\" fill=\"#57606a\">" << what << "</text>\n";
  const double height = p.highest() - p.lowest();
  double rule = 0.001;
  for (int k = 0; height / rule > 10; ++k) rule *= k % 3 == 1 ? 2.5 : 2;  // 0.1, 0.2, 0.5, 1, 2, 5, ... per cent
  for (double value = std::ceil(p.lowest() / rule - 1e-9) * rule; value < p.highest() + 1e-9; value += rule) {
    const std::string y = number(p.y(value));
    out << "<line x1=\"" << p.left() << "\" x2=\"" << p.right() << "\" y1=\"" << y << "\" y2=\"" << y
        << "\" stroke=\"#e4e7eb\"/>\n<text x=\"" << p.left() - 6 << "\" y=\"" << number(p.y(value) + 4)
        << "\" text-anchor=\"end\" fill=\"#57606a\">" << replay::fixed(100 * value + 1e-9, rule < 0.00999 ? 1 : 0)
        << "</text>\n";
  }
  double free_from = 0;
  for (const step& s : t.steps) {
    const double at = p.x(s.share);
    out << "<line x1=\"" << number(at) << "\" x2=\"" << number(at) << "\" y1=\"" << bottom << "\" y2=\"" << bottom + 4
        << "\" stroke=\"#8c959f\"/>\n";
    if (at < free_from) continue;
    out << "<text x=\"" << number(at) << "\" y=\"" << bottom + 17 << "\" text-anchor=\"middle\" fill=\"#57606a\">"
        << replay::fixed(100 * s.share, s.share < 0.00995 ? 1 : 0) << " %</text>\n";
    free_from = at + 38;
  }
}

/// value(step) is what the curve shows. With one size it is a dot.
template <class Value>
void draw_curve(std::ostream& out, const trace_result& t, const plot& p, const drawn_curve& c, Value&& value)
{
  if (t.steps.size() == 1) {
    out << "<circle fill=\"" << c.colour << "\" r=\"3\" cx=\"" << number(p.x(t.steps[0].share)) << "\" cy=\""
        << number(p.y(value(0))) << "\"/>\n";
    return;
  }
  out << "<polyline fill=\"none\" stroke=\"" << c.colour << "\" stroke-width=\"" << c.stroke << '"';
  if (!c.dashes.empty()) out << " stroke-dasharray=\"" << c.dashes << '"';
  out << " points=\"";
  for (std::size_t k = 0; k < t.steps.size(); ++k) {
    out << (k == 0 ? "" : " ") << number(p.x(t.steps[k].share)) << ',' << number(p.y(value(k)));
  }
  out << "\"/>\n";
}

void draw_name(std::ostream& out, const plot& p, const drawn_curve& c, double from, double end)
{
  out << "<polyline fill=\"none\" stroke=\"" << c.colour << "\" stroke-width=\"0.6\" points=\"" << number(from) << ','
      << number(end) << ' ' << p.right() + 20 << ',' << number(c.name_y) << "\"/>\n<text x=\"" << names_left
      << "\" y=\"" << number(c.name_y + 4) << "\" fill=\"" << c.colour << '"'
      << (c.stroke > 1.5 ? " font-weight=\"600\"" : "") << '>' << replay::escape_html(c.what->name) << "</text>\n";
}

void draw_panel(std::ostream& out, const results& r, const trace_result& t)
{
  if (t.steps.empty() || t.curves.empty()) return;
  const miss_ratio drawn = drawn_ratio(r, t);
  const std::string what = drawn == &kvstrata::miss_ratios::usable ? "usable hits" : "hits";
  std::vector<drawn_curve> curves = styled(t, drawn);
  const curve* const lru = find_curve(t, "lru");
  const auto hits = [drawn](const curve& c, std::size_t step) { return 1 - c.points[step].miss.*drawn; };
  const auto gain = [&](const curve& c, std::size_t step) {
    return lru == nullptr ? 0.0 : hits(c, step) - hits(*lru, step);
  };
  double most = 0.1;
  double worst = -0.005;
  double best = 0.005;
  for (const curve& c : t.curves) {
    for (std::size_t k = 0; k < t.steps.size(); ++k) {
      most = std::max(most, hits(c, k));
      if (c.knows_future) continue;
      worst = std::min(worst, gain(c, k));
      best = std::max(best, gain(c, k));
    }
  }
  const std::string of = r.sizes == "unit" ? replay::with_commas(t.touched.objects) + " objects"
                                           : replay::bytes_text(t.touched.bytes) + " of objects";
  out << "<text x=\"46\" y=\"20\" font-size=\"14\" font-weight=\"600\" fill=\"#1f2328\">" << replay::escape_html(t.name)
      << "</text>\n<text x=\"46\" y=\"36\" fill=\"#57606a\">" << replay::with_commas(t.counted.requests)
      << " requests; the size of the cache is in % of " << of << "</text>\n";

  const plot absolute(t, 46, 366, 0, std::ceil(most * 10 - 1e-9) / 10);
  draw_axes(out, t, absolute, what + ", %");
  const plot relative(t, 420, names_left - 23, worst, best);
  draw_axes(out, t, relative, what + " beyond LRU's, points");
  for (drawn_curve& c : curves) {
    draw_curve(out, t, absolute, c, [&](std::size_t step) { return hits(*c.what, step); });
    if (c.what->knows_future) {
      const std::size_t middle = t.steps.size() / 2;
      out << "<text x=\"" << number(absolute.x(t.steps[middle].share) - 8) << "\" y=\""
          << number(absolute.y(hits(*c.what, middle)) - 8) << "\" text-anchor=\"end\" font-weight=\"600\" fill=\""
          << c.colour << "\">" << replay::escape_html(c.what->name) << "</text>\n";
    }
  }
  std::erase_if(curves, [](const drawn_curve& c) { return c.what->knows_future; });
  for (drawn_curve& c : curves) c.name_y = relative.y(gain(*c.what, t.steps.size() - 1));
  place_names(curves);
  for (const drawn_curve& c : curves) {
    draw_curve(out, t, relative, c, [&](std::size_t step) { return gain(*c.what, step); });
    draw_name(out, relative, c, relative.x(t.steps.back().share), relative.y(gain(*c.what, t.steps.size() - 1)));
  }
}

}  // namespace

std::string picture(const results& r)
{
  std::ostringstream out;
  double width = least_width;
  for (const trace_result& t : r.traces) {
    for (const curve& c : t.curves)
      width = std::max(width, std::ceil(names_left + letter * static_cast<double>(c.name.size())));
  }
  const double height = panel * static_cast<double>(std::max<std::size_t>(r.traces.size(), 1));
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " << width << ' ' << height << "\" width=\"" << width
      << "\" height=\"" << height << "\" font-family=\"system-ui, sans-serif\" font-size=\"12\" role=\"img\">\n"
      << "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  for (std::size_t k = 0; k < r.traces.size(); ++k) {
    out << "<g transform=\"translate(0 " << panel * static_cast<double>(k) << ")\">\n";
    draw_panel(out, r, r.traces[k]);
    out << "</g>\n";
  }
  out << "</svg>\n";
  return out.str();
}

}  // namespace sim
