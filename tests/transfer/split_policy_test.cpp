// The cost model against FIELD's arithmetic, and split policies against trying every cut.
#include "support/catch.hpp"

#include <kvstrata/transfer/split_policy.hpp>
#include <kvstrata/transfer/two_pointers.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace kvstrata;

namespace {

// MTServe's HSTU: 8 layers, hidden 1,024, 4 heads x 128, bf16.
constexpr std::uint32_t hidden = 1024;
constexpr geometry field_shape{.layers = 8, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16};

// Effective figures, which the field's break-even lengths L* = 2 F / B - 5 d imply. B is what large pinned copies reach
// over PCIe x16: 25 GB/s for generation 4, 55 GB/s for generation 5. F then is 67 %, 57 %, 43 % and 28 % of the dense
// bf16 peaks in NVIDIA's data sheets: 119.5, 312, 989 and 2,250 TFLOP/s.
constexpr machine l20{.flops_per_second = 79e12, .link_bytes_per_second = 25e9};
constexpr machine a100{.flops_per_second = 177e12, .link_bytes_per_second = 25e9};
constexpr machine h200{.flops_per_second = 424e12, .link_bytes_per_second = 55e9};
constexpr machine b200{.flops_per_second = 636e12, .link_bytes_per_second = 55e9};

[[nodiscard]] cost_model on(const machine& m, const geometry& shape = field_shape)
{
  return cost_model::of(m, hidden, shape);
}

/// What a batch takes whose fronts are computed up to these cuts, written out.
[[nodiscard]] double seconds_of(const cost_model& cost, const split_batch& batch, const std::vector<token_count>& until,
                                token_count candidates = 0)
{
  double front = 0;
  double rest = 0;
  double fetched = 0;
  for (std::size_t i = 0; i < batch.users.size(); ++i) {
    const split_question& q = batch.users[i];
    const auto compute = [&](token_count begin, token_count end) {
      double sum = 0;
      for (token_count t = begin; t < end; ++t) {
        sum += cost.seconds_per_token + cost.seconds_per_pair * (t - q.first_token + 1.0);
      }
      return sum;
    };
    const token_count cut = (std::max)(until[i], q.front.begin);
    front += compute(q.front.begin, cut);
    for (const token_interval piece : q.compute) {
      const bool leads = q.front.empty() ? piece.begin == q.first_token : piece.begin < q.front.begin;
      (leads ? front : rest) += compute(piece.begin, piece.end);
    }
    rest += candidates * (cost.seconds_per_token + cost.seconds_per_pair * (q.history - q.first_token + 1.0));
    fetched += q.front.end - cut + q.behind;
  }
  const double fetch = fetched == 0 ? 0 : cost.fetch_latency_seconds + cost.fetch_seconds_per_token * fetched;
  double now = batch.queued.model_seconds;
  for (std::uint32_t layer = 0; layer < cost.layers; ++layer) {
    const double arrives = fetch == 0 ? 0 : batch.queued.link_seconds + (layer + 1) * fetch;
    now = (std::max)(now + front, arrives) + rest;  // the front meanwhile, the rest when all is there
  }
  return now;
}

template <class Split>
[[nodiscard]] std::vector<token_count> cuts_of(const Split& split, const split_batch& batch)
{
  std::vector<token_count> until(batch.users.size());
  split.recompute_until(batch, until);
  return until;
}

constexpr token_count usual_page = 32;

/// Of a batch of one.
template <class Split>
[[nodiscard]] token_count cut_of(const Split& split, const split_question& q, token_count page_tokens = usual_page)
{
  return cuts_of(split, {.users = {&q, 1}, .page_tokens = page_tokens})[0];
}

[[nodiscard]] double seconds_of(const cost_model& cost, const split_question& q, token_count until)
{
  return seconds_of(cost, {.users = {&q, 1}}, {until});
}

[[nodiscard]] token_count begin_or(token_count until, const split_question& q)
{
  return (std::max)(until, q.front.begin);
}

/// A question whose intervals may lie in all ways that a cache's may.
struct asked
{
  explicit asked(std::mt19937& random, token_count page = 0, token_count longest = 3000)
  {
    const auto upto = [&](token_count n) { return static_cast<token_count>(random() % (n + 1)); };
    page_tokens = page != 0 ? page : 1 + upto(40);
    q.first_token = upto(1) == 0 ? upto(5000) : 0;
    q.history = q.first_token + 1 + upto(longest);
    const auto page_in = [&] {  // where a page of the window begins, or its end
      const token_count first = (q.first_token + page_tokens - 1) / page_tokens;
      const token_count last = q.history / page_tokens;
      return first > last ? q.history : (first + upto(last - first)) * page_tokens;
    };
    const token_count lower_begin = upto(3) == 0 ? page_in() : q.first_token;
    const token_count lower_end = lower_begin + upto(q.history - lower_begin);
    const token_interval below{lower_begin, lower_end};
    if (upto(1) == 0 && q.history > q.first_token + 1) {
      const token_count begin = page_in();
      q.in_slab = {begin, begin + upto(q.history - begin)};
    }
    q.front = q.in_slab.empty() ? below : intersect(below, {0, q.in_slab.begin});
    if (!q.in_slab.empty()) q.behind = intersect(below, {q.in_slab.end, q.history}).size();
    compute = uncovered({q.first_token, q.history}, below, q.in_slab);
    q.compute = compute;
  }
  asked(const asked&) = delete;
  asked& operator=(const asked&) = delete;

  token_count page_tokens = usual_page;
  split_question q;
  interval_list compute;
};

/// A batch of such users.
struct asked_batch
{
  asked_batch(std::mt19937& random, std::size_t count, token_count longest)
  {
    page_tokens = 1 + static_cast<token_count>(random() % 40);
    for (std::size_t i = 0; i < count; ++i) {
      users.push_back(std::make_unique<asked>(random, page_tokens, longest));
      questions.push_back(users.back()->q);
    }
  }
  [[nodiscard]] split_batch batch() const { return {.users = questions, .page_tokens = page_tokens, .queued = queued}; }

  token_count page_tokens = usual_page;
  queued_work queued;
  std::vector<std::unique_ptr<asked>> users;
  std::vector<split_question> questions;
};

/// All cuts of a user that a policy may tell.
[[nodiscard]] std::vector<token_count> possible_cuts(const split_question& q, token_count page_tokens)
{
  std::vector<token_count> out{0};
  for (token_count cut = q.front.begin + 1; cut <= q.front.end; ++cut) {
    if (cut % page_tokens == 0 || cut == q.front.end) out.push_back(cut);
  }
  return out;
}

/// The least seconds that any cuts for the users make, and any in which users are computed whole or not at all.
struct best_cuts
{
  best_cuts(const cost_model& cost, const split_batch& batch, token_count candidates)
  {
    std::vector<token_count> until(batch.users.size());
    try_user(cost, batch, candidates, until, 0, true);
  }
  double any = std::numeric_limits<double>::infinity();
  double all_or_nothing = any;

 private:
  void try_user(const cost_model& cost, const split_batch& batch, token_count candidates,
                std::vector<token_count>& until, std::size_t user, bool extreme)
  {
    if (user == until.size()) {
      const double seconds = seconds_of(cost, batch, until, candidates);
      any = (std::min)(any, seconds);
      if (extreme) all_or_nothing = (std::min)(all_or_nothing, seconds);
      return;
    }
    const split_question& q = batch.users[user];
    for (const token_count cut : possible_cuts(q, batch.page_tokens)) {
      until[user] = cut;
      try_user(cost, batch, candidates, until, user + 1, extreme && (cut == 0 || cut == q.front.end));
    }
  }
};

[[nodiscard]] cost_model any_costs(std::mt19937& random)
{
  const auto about = [&](double scale) {
    return random() % 6 == 0 ? 0 : scale * std::exp2(static_cast<double>(random() % 1000) / 100 - 5);
  };
  return {.seconds_per_token = about(1e-6),
          .seconds_per_pair = about(1e-9),
          .fetch_seconds_per_token = about(1e-6),
          .fetch_latency_seconds = about(1e-5),
          .layers = 1 + static_cast<std::uint32_t>(random() % 9)};
}

[[nodiscard]] split_question lone_hit(token_count tokens) { return {.history = tokens, .front = {0, tokens}}; }

}  // namespace

TEST_CASE("fetching wins above the lengths that the field reports", "[transfer][cost]")
{
  CHECK(on(l20).break_even_tokens() == Approx(1'200).epsilon(0.05));
  CHECK(on(a100).break_even_tokens() == Approx(9'000).epsilon(0.05));
  CHECK(on(h200).break_even_tokens() == Approx(10'000).epsilon(0.05));
  CHECK(on(b200).break_even_tokens() == Approx(18'000).epsilon(0.05));
  geometry half = field_shape;
  half.element = element_type::int8;  // a 2:1 codec
  CHECK(on(h200, half).break_even_tokens() == Approx(2'600).epsilon(0.05));
}

TEST_CASE("a cost model by arithmetic is 10 L d D + 2 L^2 D FLOP and 4 L D bytes a layer", "[transfer][cost]")
{
  const cost_model cost = on(h200);
  const double width = 4 * 128;
  for (const double length : {1'000.0, 10'000.0, 40'000.0}) {
    const auto tokens = static_cast<token_count>(length);
    const double flops = 10 * length * hidden * width + 2 * length * length * width;
    CHECK(cost.compute_seconds(token_interval{0, tokens}) == Approx(flops / h200.flops_per_second).epsilon(2e-4));
    CHECK(cost.fetch_seconds(tokens) == Approx(4 * length * width / h200.link_bytes_per_second));
  }
  CHECK(cost.layers == 8);
  // L* = 2 F / B - 5 d, whatever the width and the layers are; half a token because token t attends to t + 1.
  const double expected = 2 * h200.flops_per_second / h200.link_bytes_per_second - 5.0 * hidden;
  for (const geometry shape : {geometry{1, 1, 8, element_type::bf16}, geometry{30, 16, 64, element_type::bf16}}) {
    CHECK(on(h200, shape).break_even_tokens() == Approx(expected).margin(1.5));
  }
}

TEST_CASE("the costs of intervals add up, and nothing costs nothing", "[transfer][cost]")
{
  const cost_model cost{
      .seconds_per_token = 3, .seconds_per_pair = 0.5, .fetch_seconds_per_token = 2, .fetch_latency_seconds = 7};
  CHECK(cost.compute_seconds(token_interval{}) == 0);
  CHECK(cost.compute_seconds(token_interval{0, 1}) == 3.5);
  CHECK(cost.compute_seconds(token_interval{9, 10}) == 3 + 5);
  CHECK(cost.compute_seconds(token_interval{0, 100}) ==
        cost.compute_seconds(token_interval{0, 33}) + cost.compute_seconds(token_interval{33, 100}));
  const token_interval list[] = {{0, 4}, {10, 12}};
  CHECK(cost.compute_seconds(list) == 6 * 3 + 0.5 * (1 + 2 + 3 + 4 + 11 + 12));
  CHECK(cost.fetch_seconds(0) == 0);
  CHECK(cost.fetch_seconds(10) == 27);
  CHECK(cost_model{.layers = 1}.pipeline_seconds(2, 0, 3) == 5);
  CHECK(cost_model{.layers = 8}.pipeline_seconds(2, 0, 3) == 2 + 8 * 3);
  CHECK(cost_model{.layers = 8}.pipeline_seconds(3, 0, 2) == 8 * 3 + 2);
  CHECK(cost_model{.layers = 8}.pipeline_seconds(3, 4, 1) == 8 * 5);          // nothing is waited for
  CHECK(cost_model{.layers = 8}.pipeline_seconds(3, 2, 1) == 3 + 7 * 3 + 1);  // the first layer is
  CHECK(cost_model{.layers = 8}.pipeline_seconds(3, 0, 2, 10) == 10 + 8 * 3 + 2);
  CHECK(cost_model{.layers = 8}.pipeline_seconds(3, 0, 2, 10, 100) == 100 + 8 * 2);
  CHECK(cost_model{.layers = 8}.pipeline_seconds(0, 1, 2, 10, 4) == 4 + 8 * 3);  // of a busy link nothing is wanted
}

TEST_CASE("break-even is where both costs meet", "[transfer][cost]")
{
  std::mt19937 random(5);
  for (int i = 0; i < 500; ++i) {
    const cost_model cost = any_costs(random);
    const double tokens = cost.break_even_tokens();
    CAPTURE(cost.seconds_per_token, cost.seconds_per_pair, cost.fetch_seconds_per_token, cost.fetch_latency_seconds);
    CHECK(tokens >= 0);
    const auto fetching_wins = [&](double length) {
      const double compute = cost.seconds_per_token * length + cost.seconds_per_pair * length * (length + 1) / 2;
      return cost.fetch_latency_seconds + cost.fetch_seconds_per_token * length < compute;
    };
    if (std::isfinite(tokens)) {
      CHECK((fetching_wins(tokens * 1.001 + 1e-6) || fetching_wins(tokens * 1.001 + 1)));
      if (tokens > 1e-3) CHECK_FALSE(fetching_wins(tokens * 0.999));
    } else {
      for (const double length : {1.0, 1e3, 1e9}) CHECK_FALSE(fetching_wins(length));
    }
  }
  CHECK(cost_model{}.break_even_tokens() == std::numeric_limits<double>::infinity());
  CHECK(cost_model{.seconds_per_token = 1}.break_even_tokens() == 0);
}

TEST_CASE("always_fetch fetches", "[transfer][split]") { CHECK(cut_of(always_fetch{}, lone_hit(100'000)) == 0); }

TEST_CASE("split_by_cost finds a cut that no other page beats", "[transfer][split]")
{
  std::mt19937 random(1);
  int cuts = 0;
  for (int i = 0; i < 3000; ++i) {
    const asked a(random);
    const split_by_cost split{any_costs(random)};
    const token_count until = cut_of(split, a.q, a.page_tokens);
    CAPTURE(i, a.page_tokens, a.q.front.begin, a.q.front.end, until);
    if (a.q.front.empty()) {
      REQUIRE(until == 0);
      continue;
    }
    REQUIRE(until <= a.q.front.end);
    REQUIRE((until == 0 || until > a.q.front.begin));
    REQUIRE((until % a.page_tokens == 0 || until == a.q.front.end));
    double best = seconds_of(split.cost, a.q, a.q.front.begin);
    for (const token_count cut : possible_cuts(a.q, a.page_tokens)) {
      best = (std::min)(best, seconds_of(split.cost, a.q, begin_or(cut, a.q)));
    }
    REQUIRE(seconds_of(split.cost, a.q, begin_or(until, a.q)) == Approx(best).epsilon(1e-9));
    cuts += until != 0 && until != a.q.front.end ? 1 : 0;
  }
  CHECK(cuts > 300);  // and not only at the ends
}

TEST_CASE("fetch_or_recompute takes whichever end takes less time", "[transfer][split]")
{
  std::mt19937 random(2);
  int all = 0;
  for (int i = 0; i < 1000; ++i) {
    const asked a(random);
    const fetch_or_recompute split{any_costs(random)};
    const token_interval hit = a.q.front;
    const token_count until = cut_of(split, a.q, a.page_tokens);
    REQUIRE((until == 0 || until == hit.end));
    if (hit.empty()) continue;
    const double fetched = seconds_of(split.cost, a.q, hit.begin);
    const double computed = seconds_of(split.cost, a.q, hit.end);
    if (std::abs(fetched - computed) > 1e-9 * (fetched + computed)) REQUIRE((until != 0) == (computed < fetched));
    all += until != 0 ? 1 : 0;
  }
  CHECK(all > 100);
}

TEST_CASE("in a batch split_by_cost is within a page a user of the best of all cuts", "[transfer][split]")
{
  std::mt19937 random(3);
  int cuts = 0;
  for (int i = 0; i < 1500; ++i) {
    asked_batch a(random, 1 + random() % 3, 150);
    const token_count candidates = random() % 2 == 0 ? 0 : static_cast<token_count>(random() % 100);
    const split_by_cost split{any_costs(random), candidates};
    const double about = split.cost.fetch_seconds(100) * split.cost.layers;
    if (random() % 2 == 0)
      a.queued = {.model_seconds = about * double(random() % 3), .link_seconds = about * double(random() % 3)};
    const split_batch batch = a.batch();
    const std::vector<token_count> until = cuts_of(split, batch);
    double page = 0;  // of each user: what one more computes, and one less fetches
    for (std::size_t u = 0; u < until.size(); ++u) {
      const split_question& q = batch.users[u];
      REQUIRE((until[u] == 0 || (until[u] > q.front.begin && until[u] <= q.front.end)));
      REQUIRE((until[u] % a.page_tokens == 0 || until[u] == q.front.end));
      page += split.cost.compute_seconds(token_interval{q.history - (std::min)(q.history, a.page_tokens), q.history}) +
              split.cost.fetch_seconds_per_token * a.page_tokens;
      cuts += until[u] != 0 && until[u] != q.front.end ? 1 : 0;
    }
    const double best = best_cuts(split.cost, batch, candidates).any;
    CAPTURE(i, a.page_tokens, until.size());
    REQUIRE(seconds_of(split.cost, batch, until, candidates) <= best * (1 + 1e-9) + split.cost.layers * page);
  }
  CHECK(cuts > 100);
}

TEST_CASE("in a batch whose users are alike the cut is as if they were one", "[transfer][split]")
{
  const split_by_cost split{on(h200), 512};
  const token_count alone = cut_of(split, lone_hit(10'240));
  const std::vector<split_question> users(8, lone_hit(10'240));
  for (const token_count until : cuts_of(split, {.users = users, .page_tokens = usual_page})) {
    CHECK(until == Approx(alone).margin(usual_page));  // the latency is paid once
  }
}

TEST_CASE("what others of the batch compute anyway hides their copies: nothing is computed again", "[transfer][split]")
{
  const split_by_cost split{on(h200)};
  const token_interval all[] = {{0, 40'000}};
  const split_question hit = lone_hit(10'240);
  CHECK(cut_of(split, hit) > 0);
  const split_question users[] = {hit, {.history = 40'000, .compute = all}};
  CHECK(cuts_of(split, {.users = users, .page_tokens = usual_page}) == std::vector<token_count>{0, 0});
}

TEST_CASE("long histories of a batch are fetched, so that short ones need not be", "[transfer][split]")
{
  const split_by_cost split{on(h200)};
  const split_question users[] = {lone_hit(2'000), lone_hit(40'000)};
  const auto until = cuts_of(split, {.users = users, .page_tokens = usual_page});
  CHECK(until[0] == 2'000);  // to its end: its last token is cheaper than what is computed of the other
  CHECK(until[1] > 2'000);
  CHECK(until[1] < 20'000);
}

TEST_CASE("fetch_or_recompute takes the best of each length from the cheapest on", "[transfer][split]")
{
  std::mt19937 random(4);
  int mixed = 0;
  double worst = 1;
  for (int i = 0; i < 1000; ++i) {
    const asked_batch a(random, 1 + random() % 4, 60);
    const fetch_or_recompute split{any_costs(random)};
    const split_batch batch = a.batch();
    const std::vector<token_count> until = cuts_of(split, batch);
    std::size_t computed = 0;
    std::size_t asked = 0;
    for (std::size_t u = 0; u < until.size(); ++u) {
      REQUIRE((until[u] == 0 || until[u] == batch.users[u].front.end));
      computed += until[u] != 0 ? 1U : 0U;
      asked += batch.users[u].front.empty() ? 0U : 1U;
    }
    mixed += computed != 0 && computed != asked ? 1 : 0;
    const double ours = seconds_of(split.cost, batch, until);
    REQUIRE(ours <= seconds_of(split.cost, batch, std::vector<token_count>(until.size())) * (1 + 1e-9));
    const double best = best_cuts(split.cost, batch, 0).all_or_nothing;
    if (best > 0) worst = (std::max)(worst, ours / best);
  }
  CHECK(mixed > 50);
  CHECK(worst < 1.35);  // a knapsack: what is left over of the link is one user's at most
}

TEST_CASE("a busy model has more fetched, a busy link less", "[transfer][split]")
{
  const split_by_cost split{on(h200)};
  const split_question q = lone_hit(20'000);
  const auto with = [&](queued_work queued) {
    return cuts_of(split, {.users = {&q, 1}, .page_tokens = usual_page, .queued = queued})[0];
  };
  const token_count idle = with({});
  const double fetch = split.cost.fetch_seconds(q.history) * split.cost.layers;
  CHECK(with({.model_seconds = 0.3 * fetch}) < idle);
  CHECK(with({.model_seconds = fetch}) == 0);
  CHECK(with({.link_seconds = 0.3 * fetch}) >= idle);
  CHECK(with({.link_seconds = 100 * fetch}) == q.history);
  CHECK(with({.model_seconds = fetch, .link_seconds = fetch}) == Approx(idle).margin(2 * usual_page));
}

TEST_CASE("Cake's two pointers meet where computing takes as long as loading", "[transfer][split]")
{
  std::mt19937 random(6);
  int between = 0;
  for (int i = 0; i < 1000; ++i) {
    const asked_batch a(random, 2, 3000);
    const two_pointers split{any_costs(random)};
    const std::vector<token_count> until = cuts_of(split, a.batch());
    for (std::size_t u = 0; u < until.size(); ++u) {
      const split_question& q = a.questions[u];
      REQUIRE((until[u] == 0 || (until[u] > q.front.begin && until[u] <= q.front.end)));
      if (q.front.empty()) continue;
      const auto ahead = [&](token_count cut) {  // computing is longer
        return split.cost.compute_seconds(token_interval{q.front.begin, cut}, q.first_token) -
               split.cost.fetch_seconds_per_token * (q.front.end - cut);
      };
      const double slack = 1e-9 * split.cost.fetch_seconds_per_token * q.front.size();
      if (until[u] != 0 && until[u] != q.front.end) {
        REQUIRE(ahead(until[u]) <= slack);
        ++between;
      }
      const token_count more = (std::min)(begin_or(until[u], q) + 2 * a.page_tokens, q.front.end);
      if (split.cost.seconds_per_token + split.cost.seconds_per_pair > 0) REQUIRE(ahead(more) >= -slack);
    }
  }
  CHECK(between > 300);
}

TEST_CASE("CacheFlow's two pointers are one pair for the batch, and load what is dear", "[transfer][split]")
{
  const batch_two_pointers split{on(h200)};
  const split_question users[] = {lone_hit(2'000), lone_hit(40'000), {.history = 100}};
  const auto until = cuts_of(split, {.users = users, .page_tokens = usual_page});
  CHECK(until[0] == 2'000);
  CHECK(until[2] == 0);
  const double computing =
      split.cost.compute_seconds(token_interval{0, until[0]}) + split.cost.compute_seconds(token_interval{0, until[1]});
  CHECK(computing == Approx(split.cost.fetch_seconds_per_token * (40'000 - until[1])).epsilon(0.01));
  CHECK(cuts_of(two_pointers{on(h200)}, {.users = users, .page_tokens = usual_page})[0] < 2'000);
  CHECK(cut_of(batch_two_pointers{}, lone_hit(100)) == 100);  // all is free
  CHECK_THROWS_AS(check(batch_two_pointers{{.layers = 0}}), config_error);
  CHECK_THROWS_AS(check(two_pointers{{.layers = 0}}), config_error);
}

TEST_CASE("without figures nothing is computed again, and where fetching is free neither", "[transfer][split]")
{
  CHECK(cut_of(split_by_cost{}, lone_hit(5000)) == 0);
  CHECK(cut_of(fetch_or_recompute{}, lone_hit(5000)) == 0);
  CHECK(cut_of(split_by_cost{{.seconds_per_token = 1, .layers = 8}}, lone_hit(5000)) == 0);
  CHECK(cut_of(split_by_cost{{.fetch_seconds_per_token = 1, .layers = 8}}, lone_hit(5000)) == 5000);
}

TEST_CASE("the cost of waiting for a link weighs against fetching a little", "[transfer][split]")
{
  const cost_model cost{
      .seconds_per_token = 1, .fetch_seconds_per_token = 0.5, .fetch_latency_seconds = 100, .layers = 4};
  CHECK(cut_of(split_by_cost{cost}, lone_hit(64)) == 64);
  CHECK(cut_of(fetch_or_recompute{cost}, lone_hit(64)) == 64);
  CHECK(cut_of(fetch_or_recompute{cost}, lone_hit(6400)) == 0);
}

TEST_CASE("on a lone hit the split shortens the pipeline, most around the break-even length", "[transfer][split]")
{
  const split_by_cost split{on(h200)};
  for (const token_count tokens : {4'000U, 10'000U, 20'000U, 40'000U}) {
    const split_question q = lone_hit(tokens);
    const token_count until = cut_of(split, q);
    CAPTURE(tokens, until);
    CHECK((until > 0 && until < tokens));
    const double ours = seconds_of(split.cost, q, until);
    CHECK(ours < 0.75 * seconds_of(split.cost, q, 0));
    CHECK(ours < 0.75 * seconds_of(split.cost, q, tokens));
  }
}

TEST_CASE("what the device has, and what must be computed anyway, move the cut", "[transfer][split]")
{
  const split_by_cost split{on(h200)};
  const token_count alone = cut_of(split, lone_hit(10'240));
  split_question busy = lone_hit(10'240);
  const token_interval more[] = {{10'240, 13'000}};
  busy.history = 13'000;
  busy.compute = more;
  CHECK(cut_of(split, busy) < alone);  // the model has enough to do
  split_question loaded = lone_hit(10'240);
  loaded.history = 20'480;
  loaded.in_slab = {10'240, 15'000};
  loaded.behind = 5'480;
  CHECK(cut_of(split, loaded) > alone);  // the link has enough to do
}

TEST_CASE("figures that make no sense are refused in a sentence", "[transfer][cost]")
{
  CHECK_THROWS_WITH(check(cost_model{.seconds_per_token = -1}),
                    "cost_model.seconds_per_token is -1.000000, but it must be a finite number, at least 0");
  CHECK_THROWS_AS(check(cost_model{.seconds_per_pair = std::nan("")}), config_error);
  CHECK_THROWS_AS(check(cost_model{.fetch_seconds_per_token = INFINITY}), config_error);
  CHECK_THROWS_AS(check(cost_model{.fetch_latency_seconds = -1}), config_error);
  CHECK_THROWS_AS(check(cost_model{.layers = 0}), config_error);
  CHECK_NOTHROW(check(cost_model{}));
  CHECK_THROWS_WITH(on({.flops_per_second = 0, .link_bytes_per_second = 1}),
                    "machine.flops_per_second is 0.000000, but it must be more than 0");
  CHECK_THROWS_AS(on({.flops_per_second = 1, .link_latency_seconds = -1}), config_error);
  CHECK_THROWS_WITH(check(cost_model{.seconds_per_pair = -1}, "costs"),
                    "costs.seconds_per_pair is -1.000000, but it must be a finite number, at least 0");
  for (const double wrong : {std::nan(""), double{INFINITY}, -double{INFINITY}, -1.0}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(on({.flops_per_second = wrong}), config_error);
    CHECK_THROWS_AS(on({.flops_per_second = 1, .link_bytes_per_second = wrong}), config_error);
    CHECK_THROWS_AS(on({.flops_per_second = 1, .link_latency_seconds = wrong}), config_error);
    CHECK_THROWS_WITH(cost_model::of(compute_speed{}, link_speed{.bytes_per_second = wrong}, field_shape),
                      Catch::Matchers::StartsWith("link_speed.bytes_per_second is "));
    CHECK_THROWS_AS(cost_model::of(compute_speed{}, link_speed{.latency_seconds = wrong}, field_shape), config_error);
    CHECK_THROWS_AS(cost_model::of(compute_speed{.seconds_per_token = wrong}, link_speed{}, field_shape), config_error);
    CHECK_THROWS_AS(cost_model::of(compute_speed{.seconds_per_pair = wrong}, link_speed{}, field_shape), config_error);
    CHECK_THROWS_AS(check(fetch_or_recompute{.cost = {.seconds_per_token = wrong}}), config_error);
    CHECK_THROWS_WITH(check(split_by_cost{.cost = {.fetch_seconds_per_token = wrong}}),
                      Catch::Matchers::StartsWith("split.cost.fetch_seconds_per_token is "));
  }
  CHECK_THROWS_WITH(check(split_by_cost{.cost = {.layers = 0}}), "split.cost.layers is 0, but it must be at least 1");
  CHECK_THROWS_AS(on({.flops_per_second = 1e-320}), config_error);  // so slow that a token takes for ever
  CHECK_THROWS_AS(cost_model::of(machine{.flops_per_second = 1}, 0, field_shape), config_error);
  CHECK_THROWS_AS(cost_model::of(machine{.flops_per_second = 1}, hidden, geometry{}), config_error);
  CHECK(on({.flops_per_second = 1}).fetch_seconds_per_token == 0);  // a link without limit
}
