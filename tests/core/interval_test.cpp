// Interval arithmetic against sets of bits: every interval of a small range, the empty and the inverted ones too.
#include "support/catch.hpp"

#include <kvstrata/core/interval.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

namespace {

using namespace kvstrata;

constexpr token_count range = 6;

/// Bit t is set when the interval holds token t.
std::uint32_t bits(token_interval i)
{
  std::uint32_t set = 0;
  for (token_count t = i.begin; t < i.end; ++t) set |= 1U << t;
  return set;
}

/// A set of bits without a gap; the empty set is one too.
bool is_interval(std::uint32_t set)
{
  while (set != 0 && (set & 1U) == 0) set >>= 1U;
  return (set & (set + 1)) == 0;
}

token_count bits_set(std::uint32_t set) { return static_cast<token_count>(std::popcount(set)); }

std::vector<token_interval> all_intervals()
{
  std::vector<token_interval> all;
  for (token_count begin = 0; begin <= range; ++begin) {
    for (token_count end = 0; end <= range; ++end) all.push_back({begin, end});
  }
  return all;
}

}  // namespace

TEST_CASE("an interval is the set of its tokens")
{
  for (const token_interval i : all_intervals()) {
    CAPTURE(i.begin, i.end);
    REQUIRE(i.empty() == (bits(i) == 0));
    token_count held = 0;
    for (token_count t = 0; t <= range; ++t) {
      REQUIRE(i.contains(t) == ((bits(i) >> t & 1U) != 0));
      if (i.contains(t)) ++held;
    }
    REQUIRE(i.size() == held);
  }
}

TEST_CASE("pairs of intervals: equality, containment, intersection, hull and joinability")
{
  for (const token_interval a : all_intervals()) {
    for (const token_interval b : all_intervals()) {
      CAPTURE(a.begin, a.end, b.begin, b.end);
      REQUIRE((a == b) == (bits(a) == bits(b)));
      REQUIRE(a.contains(b) == ((bits(a) & bits(b)) == bits(b)));
      REQUIRE(bits(intersect(a, b)) == (bits(a) & bits(b)));
      REQUIRE(joinable(a, b) == is_interval(bits(a) | bits(b)));
      const token_interval both = hull(a, b);
      REQUIRE(((bits(a) | bits(b)) & ~bits(both)) == 0);
      if (joinable(a, b)) REQUIRE(bits(both) == (bits(a) | bits(b)));
      else REQUIRE((both.begin == (std::min)(a.begin, b.begin) && both.end == (std::max)(a.end, b.end)));
    }
  }
}

TEST_CASE("what two intervals leave uncovered of a third")
{
  interval_list out;
  for (const token_interval whole : all_intervals()) {
    for (const token_interval a : all_intervals()) {
      for (const token_interval b : all_intervals()) {
        out.clear();
        append_uncovered(out, whole, a, b);
        std::uint32_t found = 0;
        bool in_order = out.size() <= 3;
        for (std::size_t k = 0; k < out.size(); ++k) {
          in_order = in_order && !out[k].empty() && (k == 0 || out[k - 1].end < out[k].begin);
          found |= bits(out[k]);
        }
        if (in_order && found == (bits(whole) & ~bits(a) & ~bits(b)) && total(out) == bits_set(found)) continue;
        FAIL("[" << whole.begin << ", " << whole.end << ") without [" << a.begin << ", " << a.end << ") and ["
                 << b.begin << ", " << b.end << ")");
      }
    }
  }
  SUCCEED();
}

TEST_CASE("append_uncovered appends, uncovered starts anew")
{
  interval_list out{{90, 91}};
  append_uncovered(out, {0, 10}, {2, 4}, {6, 8});
  REQUIRE(out == interval_list{{90, 91}, {0, 2}, {4, 6}, {8, 10}});
  REQUIRE(uncovered({0, 10}, {0, 7}) == interval_list{{7, 10}});
  REQUIRE(uncovered({0, 10}, {3, 10}, {0, 3}).empty());
}

TEST_CASE("intervals reach to the last token there can be")
{
  constexpr token_count last = (std::numeric_limits<token_count>::max)();
  REQUIRE(token_interval{0, last}.size() == last);
  REQUIRE(uncovered({0, last}, {1, last - 1}) == interval_list{{0, 1}, {last - 1, last}});
  REQUIRE(pages_of({last - 1, last}, 32).end == last / 32 + 1);
}

TEST_CASE("the pages of an interval are those with a token of it")
{
  for (const token_interval i : all_intervals()) {
    for (token_count page_tokens = 1; page_tokens <= range + 1; ++page_tokens) {
      CAPTURE(i.begin, i.end, page_tokens);
      const page_interval pages = pages_of(i, page_tokens);
      for (page_count page = 0; page <= range; ++page) {
        const bool holds_one = !intersect(i, {page * page_tokens, (page + 1) * page_tokens}).empty();
        REQUIRE((page >= pages.begin && page < pages.end) == holds_one);
      }
      REQUIRE(pages.empty() == i.empty());
    }
  }
  REQUIRE(page_interval{3, 2}.size() == 0);
}

static_assert(token_interval{4, 2} == token_interval{} && !(token_interval{0, 1} == token_interval{}));
static_assert(hull({}, {3, 5}) == token_interval{3, 5} && hull({3, 5}, {9, 9}) == token_interval{3, 5});

TEST_CASE("uncovered tokens are those outside the cover")
{
  using kvstrata::uncovered_tokens;
  REQUIRE(uncovered_tokens({2, 10}, {}) == 8);
  REQUIRE(uncovered_tokens({2, 10}, {0, 5}) == 5);
  REQUIRE(uncovered_tokens({2, 10}, {4, 6}) == 6);
  REQUIRE(uncovered_tokens({2, 10}, {0, 20}) == 0);
  REQUIRE(uncovered_tokens({}, {0, 20}) == 0);
}
