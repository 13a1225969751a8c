// Partial states of attention: each law of the monoid, and attention in parts beside attention at once.
#include "support/catch.hpp"

#include <kvstrata/attention/additive_state.hpp>
#include <kvstrata/attention/softmax_state.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

using namespace kvstrata;

namespace {

using generator = std::mt19937_64;

// A state with memory of its own.
template <class State>
struct owned
{
  using number = typename State::value_type;
  std::vector<number> o;
  number lse = std::numeric_limits<number>::quiet_NaN();

  explicit owned(std::size_t dim) : o(dim, std::numeric_limits<number>::quiet_NaN()) { view().clear(dim); }
  [[nodiscard]] State view()
  {
    if constexpr (requires { State{o.data(), &lse}; }) return {o.data(), &lse};
    else return {o.data()};
  }
  void merge(owned& other) { view().merge(other.view(), o.size()); }
  [[nodiscard]] bool same_bits(const owned& other) const
  {
    const bool lse_counts = requires { State{nullptr, nullptr}; };
    return std::memcmp(o.data(), other.o.data(), o.size() * sizeof(number)) == 0 &&
           (!lse_counts || std::memcmp(&lse, &other.lse, sizeof lse) == 0);
  }
};

template <class State>
constexpr bool is_softmax = requires(State s) { s.lse; };

// Keys with their scores (unit variance, times `spread`) and values (unit variance).
struct keys
{
  std::size_t dim;
  std::vector<double> scores;
  std::vector<double> values;  // [keys][dim]

  keys(generator& random, std::size_t count, std::size_t width, double spread) : dim(width)
  {
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < count; ++i) scores.push_back(spread * normal(random));
    for (std::size_t i = 0; i < count * dim; ++i) values.push_back(normal(random));
  }
};

// Attention to keys [begin, end), straight from its definition, in double; its state in State's numbers and base.
template <class State>
owned<State> attention(const keys& k, std::size_t begin, std::size_t end)
{
  using number = typename State::value_type;
  owned<State> out(k.dim);
  if (begin == end) return out;
  std::vector<double> o(k.dim, 0.0);
  if constexpr (is_softmax<State>) {
    double sum = 0;
    for (std::size_t i = begin; i < end; ++i) sum += std::exp(k.scores[i]);
    for (std::size_t i = begin; i < end; ++i) {
      for (std::size_t d = 0; d < k.dim; ++d) o[d] += std::exp(k.scores[i]) / sum * k.values[i * k.dim + d];
    }
    out.lse = static_cast<number>(rebased<State::base, log_base::e>(std::log(sum)));
  } else {
    for (std::size_t i = begin; i < end; ++i) {
      const double weight = k.scores[i] / (1 + std::exp(-k.scores[i])) / 64;
      for (std::size_t d = 0; d < k.dim; ++d) o[d] += weight * k.values[i * k.dim + d];
    }
  }
  for (std::size_t d = 0; d < k.dim; ++d) out.o[d] = static_cast<number>(o[d]);
  return out;
}

// The distance of two outputs beside the length of the second; and of their logarithms beside 1 + the second.
template <class State>
double error(const owned<State>& a, const owned<State>& b)
{
  double apart = 0, length = 0;
  for (std::size_t d = 0; d < a.o.size(); ++d) {
    const double x = static_cast<double>(a.o[d]), y = static_cast<double>(b.o[d]);
    apart += (x - y) * (x - y);
    length += y * y;
  }
  double worst = apart == 0 ? 0 : std::sqrt(apart / length);
  if constexpr (is_softmax<State>) {
    const double x = static_cast<double>(a.lse), y = static_cast<double>(b.lse);
    if (x != y) worst = std::max(worst, std::abs(x - y) / (1 + std::abs(y)));
  }
  return worst;  // NaN is no number below a bound
}

template <class State>
constexpr double tolerance = std::is_same_v<typename State::value_type, float> ? 2e-6 : 1e-14;

template <class State>
owned<State> merged(owned<State> a, owned<State> b)
{
  a.merge(b);
  return a;
}

}  // namespace

TEMPLATE_TEST_CASE("partial states: merging is associative and commutative within rounding", "", (softmax_state<>),
                   (softmax_state<log_base::e, float>), (softmax_state<log_base::two, double>),
                   (softmax_state<log_base::e, double>), additive_state<>, additive_state<double>)
{
  generator random(1);
  for (int round = 0; round < 200; ++round) {
    const std::size_t dim = 1 + random() % 70;
    const keys k(random, 30, dim, round % 4 == 0 ? 8.0 : 1.0);
    std::size_t cut[] = {0, random() % 31, random() % 31, 30};
    std::sort(cut, cut + 4);
    const auto a = attention<TestType>(k, cut[0], cut[1]);
    const auto b = attention<TestType>(k, cut[1], cut[2]);
    const auto c = attention<TestType>(k, cut[2], cut[3]);
    const auto left = merged(merged(a, b), c);
    const auto right = merged(a, merged(b, c));
    REQUIRE(error(left, right) <= tolerance<TestType>);
    REQUIRE(error(merged(a, b), merged(b, a)) <= tolerance<TestType>);
    REQUIRE(error(left, attention<TestType>(k, 0, 30)) <= 4 * tolerance<TestType>);
  }
}

TEMPLATE_TEST_CASE("partial states: the identity changes nothing, to the bit, and does not look at what it holds", "",
                   (softmax_state<>), (softmax_state<log_base::e, float>), (softmax_state<log_base::two, double>),
                   (softmax_state<log_base::e, double>), additive_state<>, additive_state<double>)
{
  using number = typename TestType::value_type;
  generator random(2);
  for (int round = 0; round < 50; ++round) {
    const std::size_t dim = 1 + random() % 70;
    const keys k(random, 9, dim, 1.0);
    auto full = attention<TestType>(k, 0, 9);
    full.o[0] = -number{0};
    owned<TestType> nothing(dim);
    if constexpr (is_softmax<TestType>) {  // what an empty part's output is, is nobody's business
      std::fill(nothing.o.begin(), nothing.o.end(), std::numeric_limits<number>::quiet_NaN());
    }
    REQUIRE(merged(full, nothing).same_bits(full));
    REQUIRE(merged(nothing, full).same_bits(full));
    const owned<TestType> none = merged(nothing, nothing);
    REQUIRE(none.same_bits(owned<TestType>(dim)));
    REQUIRE(std::all_of(none.o.begin(), none.o.end(), [](number x) { return x == 0; }));
    REQUIRE(merged(none, full).same_bits(full));
  }
}

TEMPLATE_TEST_CASE("partial states: attention in parts is attention at once, wherever the cuts are", "",
                   (softmax_state<>), (softmax_state<log_base::e, float>), additive_state<>)
{
  generator random(3);
  double worst = 0;
  for (const std::size_t count : {0U, 1U, 2U, 3U, 17U, 301U}) {
    for (int round = 0; round < 40; ++round) {
      const std::size_t dim = 64;
      const keys k(random, count, dim, 1.0);
      std::vector<std::size_t> cuts{0, count};
      for (std::size_t more = random() % 12; more > 0; --more) cuts.push_back(random() % (count + 1));
      std::sort(cuts.begin(), cuts.end());  // equal cuts are empty parts, anywhere
      owned<TestType> all(dim);
      for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
        auto part = attention<TestType>(k, cuts[i], cuts[i + 1]);
        all.merge(part);
      }
      worst = std::max(worst, error(all, attention<TestType>(k, 0, count)));
      REQUIRE(worst <= 4e-6);  // relative, of outputs of unit scale
      // And it would show: with one part left out it is far off.
      if (count > 2) REQUIRE(error(attention<TestType>(k, 0, count - 1), attention<TestType>(k, 0, count)) > 1e-5);
    }
  }
}

TEST_CASE("softmax states: scores far apart neither overflow nor lose what weighs")
{
  generator random(4);
  const keys k(random, 2, 8, 1.0);
  auto low = attention<softmax_state<>>(k, 0, 1);
  auto high = attention<softmax_state<>>(k, 1, 2);
  low.lse = -3e38F;
  high.lse = 3e38F;
  CHECK(merged(low, high).same_bits(high));
  CHECK(merged(high, low).same_bits(high));
  high.lse = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(merged(low, high).lse));
  CHECK(std::isnan(merged(high, low).o[3]));
}

TEST_CASE("softmax states: the base is part of the type, and is changed by a factor")
{
  STATIC_REQUIRE(!merges_with<softmax_state<log_base::two>, softmax_state<log_base::e>>);
  STATIC_REQUIRE(!merges_with<softmax_state<log_base::two, float>, softmax_state<log_base::two, double>>);
  STATIC_REQUIRE(!merges_with<softmax_state<>, additive_state<>>);
  STATIC_REQUIRE(merges_with<softmax_state<>, softmax_state<>>);
  CHECK(rebased<log_base::two, log_base::e>(std::log(8.0)) == Approx(3.0));
  CHECK(rebased<log_base::e, log_base::two>(3.0) == Approx(std::log(8.0)));
  CHECK(rebased<log_base::two, log_base::two>(0.1) == 0.1);
  CHECK(rebased<log_base::two, log_base::e>(softmax_state<>::lse_of_nothing) == softmax_state<>::lse_of_nothing);
}
