// What of a planned batch is put before a split policy, and what becomes of its answer.
#include "support/catch.hpp"

#include <kvstrata/plan/splitter.hpp>

#include <algorithm>
#include <cstddef>
#include <random>
#include <span>
#include <vector>

namespace {

using namespace kvstrata;

/// Keeps what it was asked, and answers with what it is told.
struct told_policy
{
  using option_kind = split_policy_option;
  std::vector<split_question>* asked = nullptr;
  const std::vector<token_count>* answers = nullptr;

  void recompute_until(const split_batch& batch, std::span<token_count> until) const
  {
    asked->assign(batch.users.begin(), batch.users.end());
    for (std::size_t i = 0; i < until.size(); ++i) {
      REQUIRE(until[i] == 0);
      until[i] = (*answers)[i];
    }
  }
};
static_assert(split_policy<told_policy>);

/// Pieces of random sources that partition [first, first + tokens).
void add_request(batch_plan& plan, std::mt19937& random)
{
  request_plan p;
  p.first_token = static_cast<token_count>(random() % 8);
  p.history = p.first_token;
  p.piece_begin = static_cast<std::uint32_t>(plan.pieces.size());
  p.compute_begin = static_cast<std::uint32_t>(plan.compute.size());
  const level_index sources[] = {piece::computed, 0, 1, 2};
  for (std::size_t n = random() % 5; n-- != 0;) {
    const token_interval tokens{p.history, p.history + 1 + static_cast<token_count>(random() % 30)};
    const piece next{tokens, sources[random() % 4]};
    plan.pieces.push_back(next);
    if (next.is_computed()) plan.compute.push_back(tokens);
    if (next.is_fetched()) p.fetched += tokens.size();
    if (next.source == 0) p.in_slab = tokens;
    p.history = tokens.end;
  }
  p.piece_end = static_cast<std::uint32_t>(plan.pieces.size());
  p.compute_end = static_cast<std::uint32_t>(plan.compute.size());
  if (random() % 6 == 0) p.kept.earlier_until = 1;
  if (random() % 6 == 0) p.kept.unproven = true;
  plan.requests.push_back(p);
}

/// The first fetched tokens side by side, before anything that lies in the slab: token by token.
[[nodiscard]] token_interval naive_front(const batch_plan& plan, const request_plan& p)
{
  if (p.kept.earlier_until != 0 || p.kept.unproven) return {};
  token_interval front;
  for (token_count t = p.first_token; t < p.history; ++t) {
    const auto pieces = plan.pieces_of(p);
    const auto holder =
        std::find_if(pieces.begin(), pieces.end(), [t](const piece& x) { return x.tokens.contains(t); });
    REQUIRE(holder != pieces.end());
    if (holder->source == 0) break;
    if (!holder->is_fetched()) {
      if (!front.empty()) break;
      continue;
    }
    front = front.empty() ? token_interval{t, t + 1} : token_interval{front.begin, t + 1};
  }
  return front;
}

}  // namespace

TEST_CASE("splitter: asks for fronts as a walk over the tokens finds them, and cuts at whole pages", "[plan]")
{
  std::mt19937 random(4);
  constexpr token_count page = 4;
  std::size_t cuts = 0;
  for (int round = 0; round < 3000; ++round) {
    batch_plan plan;
    for (std::size_t n = 1 + random() % 4; n-- != 0;) add_request(plan, random);
    std::vector<token_interval> fronts;
    bool any = false;
    for (const request_plan& p : plan.requests) {
      fronts.push_back(naive_front(plan, p));
      any = any || !fronts.back().empty();
    }
    std::vector<split_question> asked;
    std::vector<token_count> answers;
    for (const token_interval front : fronts) {
      const auto inside = static_cast<token_count>(random() % (front.size() + 1));
      answers.push_back(random() % 4 == 0 ? 0 : front.begin + inside);
    }
    splitter<told_policy> split(told_policy{&asked, &answers});
    const std::span<const token_interval> again = split.ask(plan, page, {});
    REQUIRE(asked.empty() == !any);
    if (!any) {
      REQUIRE(again.empty());
      continue;
    }
    REQUIRE(asked.size() == plan.requests.size());
    bool anything = false;
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const request_plan& p = plan.requests[i];
      REQUIRE(asked[i].front == fronts[i]);
      REQUIRE(
          (asked[i].history == p.history && asked[i].first_token == p.first_token && asked[i].in_slab == p.in_slab));
      REQUIRE(asked[i].behind == p.fetched - fronts[i].size());
      REQUIRE(asked[i].compute.size() == p.compute_end - p.compute_begin);
      // Up to whole pages, or the end of the front.
      token_count until = answers[i];
      while (until != fronts[i].end && until % page != 0) --until;
      const token_interval wanted = until > fronts[i].begin ? token_interval{fronts[i].begin, until} : token_interval{};
      anything = anything || !wanted.empty();
      if (again.empty()) REQUIRE(wanted.empty());
      else REQUIRE(again[i] == wanted);
      cuts += wanted.empty() ? 0U : 1U;
    }
    REQUIRE(again.empty() == !anything);
  }
  CHECK(cuts > 500);
}

TEST_CASE("splitter: always_fetch is asked nothing", "[plan]")
{
  std::mt19937 random(5);
  batch_plan plan;
  for (int i = 0; i < 20; ++i) add_request(plan, random);
  splitter<always_fetch> split(always_fetch{});
  CHECK(split.ask(plan, 4, {}).empty());
}
