// What a batch needs, decided before anything moves: pieces, pages and victims against asking for each token and each page.
#include "books/bed.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/plan/planner.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

using bed_type = book_bed<stack_of<2>>;
using entry_type = bed_type::entry_type;

/// Computes the front's first page of everybody.
struct first_page
{
  using option_kind = split_policy_option;
  void recompute_until(const split_batch& batch, std::span<token_count> until) const
  {
    for (std::size_t i = 0; i < until.size(); ++i) {
      const token_interval front = batch.users[i].front;
      if (!front.empty()) until[i] = (std::min)(front.end, (front.begin / book_page + 1) * book_page);
    }
  }
};
static_assert(split_policy<first_page>);

template <class Split>
struct plan_bed
{
  explicit plan_bed(page_count slab_pages) : bed({slab_pages, 200}), victims(bed.books), plans(bed.books, victims, {})
  {
  }

  std::optional<pressure> plan(const std::vector<request>& requests) { return plans.plan(requests, batch, {}); }

  bed_type bed;
  victim_finder<bed_type::residency_type> victims;
  planner<bed_type::residency_type, Split> plans;
  planned_batch<bed_type::residency_type> batch;
};

[[nodiscard]] page_count page_of(token_count t) { return t / book_page; }

/// Where a token comes from, of those that the request keeps.
[[nodiscard]] level_index source_of(const entry_type* e, token_interval kept, token_count t)
{
  if (e == nullptr || !kept.contains(t)) return piece::computed;
  if (e->look<0>().tokens.contains(t)) return 0;
  return e->look<1>().tokens.contains(t) ? 1 : piece::computed;
}

/// What a request makes of its user's pages in the slab.
struct slab_pages
{
  page_count needed = 0;     ///< that it takes
  page_count forgotten = 0;  ///< that keep nothing any more
  page_count apart = 0;      ///< that cannot be joined with the window, and go
  page_count behind = 0;     ///< behind the window: they go where nobody else's make room
};

[[nodiscard]] slab_pages pages_by_hand(const request& r, const entry_type* e, token_interval kept)
{
  slab_pages out;
  std::vector<bool> has(64, false), wants(64, false);
  token_interval resident = e == nullptr ? token_interval{} : e->look<0>().tokens;
  for (token_count t = resident.begin; t < resident.end; ++t) {
    if (kept.contains(t)) has[page_of(t)] = true;
  }
  for (page_count p = 0; p < 64; ++p) {
    bool had = false;
    for (token_count t = p * book_page; t < (p + 1) * book_page; ++t) had = had || resident.contains(t);
    out.forgotten += had && !has[p] ? 1U : 0U;
  }
  resident = intersect(resident, kept);
  const token_interval window = window_of(r);
  for (token_count t = window.begin; t < window.end; ++t) wants[page_of(t)] = true;
  const bool joins = joinable(window, resident);
  for (page_count p = 0; p < 64; ++p) {
    out.apart += has[p] && !joins ? 1U : 0U;
    out.needed += wants[p] && !(has[p] && joins) ? 1U : 0U;
    out.behind += joins && has[p] && !wants[p] && (window.empty() || p > page_of(window.end - 1)) ? 1U : 0U;
  }
  return out;
}

/// Users of whom a little is here, some of them held.
void any_users(bed_type& bed, std::mt19937& random, std::uint32_t users)
{
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  for (std::uint64_t id = 0; id < users; ++id) {
    if (below(5) == 0) continue;
    entry_type& e = bed.user(id);
    const token_count first = below(4) == 0 ? book_page * below(3) : 0;
    const token_count count = 1 + below(20);
    if (below(4) != 0 && page_of(count + 3) + 1 < bed.books.slab().free()) bed.give<0>(e, {first, first + count});
    if (below(4) != 0 || !e.is_hot()) {
      const token_count begin = below(3) == 0 ? book_page * below(4) : first;
      bed.give<1>(e, {begin, begin + 1 + below(20)});
    }
    if (below(6) == 0) e.learn().first_token = (std::min)(first, e.at<1>().tokens.begin);
  }
}

struct seen
{
  std::size_t planned = 0, pressed = 0, victims = 0, last_resorts = 0, forgotten = 0, whole = 0;
};

/// Plans a batch of random requests, and looks at every token and page of it.
void plan_any(std::mt19937& random, seen& of)
{
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  constexpr std::uint32_t users = 7;
  const page_count capacity = 14 + below(20);
  plan_bed<always_fetch> b(capacity);
  any_users(b.bed, random, users);
  std::vector<request> requests;
  page_count asked = 0;
  for (std::uint64_t id = 0; id < users; ++id) {
    if (below(2) == 0) continue;
    const entry_type* const e = b.bed.books.users().find(user_id{id});
    request r{.user = user_id{id}, .history_tokens = below(24)};
    const token_count begun = e == nullptr ? 0 : e->known().first_token;
    r.first_token = (std::min)(r.history_tokens, below(4) == 0 ? below(8) : begun);
    if (below(6) == 0) r.volatile_tail = below(6);
    if (e != nullptr && below(3) == 0 && e->is_hot())
      r = {.user = r.user, .history_tokens = e->look<0>().tokens.end, .first_token = begun};
    const page_count pages = window_of(r).empty() ? 0 : page_of(r.history_tokens - 1) + 1 - page_of(r.first_token);
    if (asked + pages > capacity) continue;
    asked += pages;
    requests.push_back(r);
  }
  std::shuffle(requests.begin(), requests.end(), random);
  page_count held = 0;
  for (std::uint64_t id = 0; id < users; ++id) {
    const auto same = [id](const request& r) { return r.user == user_id{id}; };
    entry_type* const e = b.bed.books.users().find(user_id{id});
    if (e == nullptr || below(3) != 0 || std::any_of(requests.begin(), requests.end(), same)) continue;
    ++e->holds;
    held += e->look<0>().covered().size();
  }

  const cache_stats before = b.bed.books.stats();
  const auto why = b.plan(requests);
  const cache_stats after = b.bed.books.stats();
  REQUIRE((before.levels[0].free_bytes == after.levels[0].free_bytes && before.users == after.users));
  REQUIRE(before.levels[0].resident_tokens == after.levels[0].resident_tokens);
  b.bed.books.users().all([](const entry_type& e) { REQUIRE_FALSE(e.in_batch); });

  // Is there room at all: for what the batch will have beside what is held?
  slab_pages all;
  page_count kept_pages = 0;
  std::vector<token_interval> kept(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const entry_type* const e = b.bed.books.users().find(requests[i].user);
    kept[i] = e == nullptr ? token_interval{0, 1000} : kept_by(requests[i], e, contradiction{}).tokens;
    const slab_pages mine = pages_by_hand(requests[i], e, kept[i]);
    all.needed += mine.needed;
    all.forgotten += mine.forgotten;
    all.apart += mine.apart;
    all.behind += mine.behind;
    if (e != nullptr) kept_pages += e->look<0>().covered().size() - mine.forgotten - mine.apart - mine.behind;
  }
  const page_count free = b.bed.books.slab().free();
  const page_count evictable = capacity - free - held;  // those of the batch among them
  REQUIRE(why.has_value() == (kept_pages + all.needed + held > capacity));
  if (why) {
    ++of.pressed;
    REQUIRE((why->why == pressure::reason::held && why->pages_held == held && why->pages_free == free));
    REQUIRE(why->pages_needed == all.needed);
    REQUIRE(why->pages_evictable <= evictable);
    return;
  }
  ++of.planned;
  const batch_plan& plan = b.batch.plan;
  REQUIRE(plan.requests.size() == requests.size());
  if (b.batch.whole) {
    ++of.whole;
    REQUIRE(plan.victims.empty());
  } else {
    REQUIRE((plan.pages_needed == all.needed && plan.pages_free == free && plan.pages_forgotten == all.forgotten));
  }
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const request& r = requests[i];
    const request_plan& p = plan.requests[i];
    const entry_type* const e = b.bed.books.users().find(r.user);
    REQUIRE(b.batch.entries[i] == e);
    REQUIRE((p.user == r.user && p.history == r.history_tokens && p.first_token == r.first_token));
    REQUIRE(p.lasting == lasting_tokens(r).end);
    token_count at = r.first_token, fetched = 0, computed = 0;
    token_interval in_slab;
    for (const piece& one : plan.pieces_of(i)) {
      REQUIRE((one.tokens.begin == at && !one.tokens.empty()));
      for (; at < one.tokens.end; ++at) REQUIRE(one.source == source_of(e, kept[i], at));
      if (one.source == 0) in_slab = one.tokens;
      if (one.is_fetched()) fetched += one.tokens.size();
      if (one.is_computed()) computed += one.tokens.size();
    }
    REQUIRE(at == r.history_tokens);
    REQUIRE((p.in_slab == in_slab && p.fetched == fetched && p.computed() == computed));
    token_count listed = 0;
    for (const token_interval one : plan.compute_of(i)) {
      listed += one.size();
      for (token_count t = one.begin; t < one.end; ++t) REQUIRE(source_of(e, kept[i], t) == piece::computed);
    }
    REQUIRE(listed == computed);
    if (b.batch.whole) REQUIRE((p.whole && in_slab == window_of(r) && !in_slab.empty()));
    if (p.whole) REQUIRE((p.pages_taken == 0 && p.pages_forgotten == 0));
    const slab_pages mine = pages_by_hand(r, e, kept[i]);
    if (!p.whole) REQUIRE((p.pages_taken == mine.needed && p.pages_forgotten == mine.forgotten));
    of.forgotten += p.pages_forgotten;
  }
  // Victims: as many as must, of the batch only what lies apart, or in the last resort what lies behind.
  page_count gone = 0, of_batch = 0, others = 0;
  for (std::size_t i = 0; i < plan.victims.size(); ++i) {
    const victim_plan& v = plan.victims[i];
    const entry_type& e = *b.batch.victims[i].who;
    REQUIRE((v.user == e.user && e.holds == 0 && v.pages != 0 && v.pages <= e.look<0>().covered().size()));
    const auto same = [&v](const request& r) { return r.user == v.user; };
    const bool in_batch = std::any_of(requests.begin(), requests.end(), same);
    (in_batch ? of_batch : others) += v.pages;
    gone += v.pages;
  }
  const page_count evictable_others = evictable - kept_pages - all.forgotten - all.apart - all.behind;
  const page_count room = free + all.forgotten + all.apart;
  if (all.needed <= room + evictable_others) {
    REQUIRE(of_batch == all.apart);
    REQUIRE(others == (all.needed > room ? all.needed - room : 0));
  } else {
    ++of.last_resorts;
    REQUIRE(of_batch == all.apart + all.behind);
    REQUIRE(others == (all.needed > room + all.behind ? all.needed - room - all.behind : 0));
  }
  of.victims += gone;
}

}  // namespace

TEST_CASE("planner: pieces, pages and victims of random batches, against each token and each page", "[plan]")
{
  std::mt19937 random(30);
  seen of;
  for (int round = 0; round < 1000 * effort; ++round) {
    CAPTURE(round);
    plan_any(random, of);
  }
  CAPTURE(of.planned, of.pressed, of.victims, of.last_resorts, of.forgotten, of.whole);
  CHECK((of.planned > 400U * effort && of.pressed > 20U * effort && of.victims > 400U * effort));
  CHECK((of.last_resorts > 5U * effort && of.forgotten > 50U * effort && of.whole > 5U * effort));
}

TEST_CASE("planner: what the split policy wants computed is, and its pages are taken all the same", "[plan]")
{
  plan_bed<always_fetch> fetches(40);
  plan_bed<first_page> computes(40);
  const std::vector<request> requests{{.user = user_id{1}, .history_tokens = 20},
                                      {.user = user_id{2}, .history_tokens = 9}};
  const auto planned = [&requests](auto& b) -> const batch_plan& {
    b.bed.template give<1>(b.bed.user(1), {0, 17});
    b.bed.template give<1>(b.bed.user(2), {0, 3});
    REQUIRE_FALSE(b.plan(requests).has_value());
    return b.batch.plan;
  };
  const batch_plan& all = planned(fetches);
  const batch_plan& cut = planned(computes);
  CHECK((all.requests[0].recomputed.empty() && all.requests[0].fetched == 17 && all.requests[1].fetched == 3));
  CHECK((cut.requests[0].recomputed == token_interval{0, 4} && cut.requests[1].recomputed == token_interval{0, 3}));
  CHECK((cut.requests[0].fetched == 13 && cut.requests[1].fetched == 0));
  using pieces = std::vector<piece>;
  const auto of = [](const batch_plan& plan, std::size_t i) {
    const auto list = plan.pieces_of(i);
    return pieces(list.begin(), list.end());
  };
  CHECK(of(cut, 0) == pieces{{{0, 4}, piece::computed}, {{4, 17}, 1}, {{17, 20}, piece::computed}});
  CHECK(of(cut, 1) == pieces{{{0, 9}, piece::computed}});
  CHECK(cut.front_of(0) == token_interval{0, 4});
  CHECK((cut.pages_needed == all.pages_needed && cut.requests[0].pages_taken == all.requests[0].pages_taken));
}

TEST_CASE("planner: why a batch is turned away, and what is never right, the first thing first", "[plan]")
{
  plan_bed<always_fetch> b(10);
  b.bed.books.advance(epoch_id{5});
  auto& e = b.bed.user(1);
  b.bed.give_slab(e, {0, 8});
  const auto asks = [](std::uint64_t user, token_count tokens, std::uint64_t epoch = 5) {
    return request{.user = user_id{user}, .history_tokens = tokens, .epoch = epoch_id{epoch}};
  };
  CHECK(b.plan({asks(2, 4), asks(1, 8, 4)})->why == pressure::reason::stale_epoch);
  CHECK(b.plan({asks(2, 4), asks(1, 8, 6)})->why == pressure::reason::early_epoch);
  ++e.holds;
  const auto held = b.plan({asks(2, 4), asks(1, 8)});
  REQUIRE(held.has_value());
  CHECK((held->why == pressure::reason::user_held && held->user == 1));
  --e.holds;
  const auto said = [&b](const std::vector<request>& requests) {
    const auto out = sentence_of<error>([&] { static_cast<void>(b.plan(requests)); });
    b.bed.books.users().all([](const entry_type& one) { CHECK_FALSE(one.in_batch); });
    return out;
  };
  const std::string twice =
      "user 2 is twice in one batch; merge a user's requests into the one with the longest history";
  CHECK(said({asks(2, 4), asks(1, 8), asks(2, 5)}) == twice);
  CHECK(said({asks(1, 4), asks(1, 8)}).starts_with("user 1 is twice"));
  CHECK(said({asks(2, 4, 4), asks(2, 5)}) == twice);  // whatever model serves
  CHECK(said({asks(2, 20), asks(1, 24)}).starts_with("the batch of 2 users needs 11 pages, but the slab has 10"));
  request behind = asks(2, 4);
  behind.first_token = 5;
  CHECK(said({behind}).starts_with("the request of user 2 begins at token 5"));
  CHECK_FALSE(b.plan({asks(1, 8)}).has_value());
  CHECK((b.batch.whole && b.batch.plan.requests[0].whole));
  e.atomic = true;
  CHECK(said({asks(1, 8)}).starts_with("user 1 is asked for as a part to append"));
}
