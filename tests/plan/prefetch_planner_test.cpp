// What a prefetch brings up: against going on token by token from what the slab has, as long as the limit allows for its page.
#include "books/bed.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/plan/prefetch_planner.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

using bed_type = book_bed<stack_of<3>>;
using entry_type = bed_type::entry_type;

struct prefetch_bed
{
  explicit prefetch_bed(page_count slab_pages)
      : bed({slab_pages, 200, 200}), victims(bed.books), plans(bed.books, victims)
  {
  }

  std::optional<pressure> plan(const request& r, const prefetch_limit& limit = {})
  {
    return plans.plan_prefetch(r, limit, batch, left);
  }

  bed_type bed;
  victim_finder<bed_type::residency_type> victims;
  prefetch_planner<bed_type::residency_type> plans;
  planned_batch<bed_type::residency_type> batch;
  token_count left = 0;
};

/// Is the token in a level below the slab, and of use to the request?
[[nodiscard]] bool is_below(const entry_type& e, token_interval window, token_count t)
{
  return window.contains(t) && (e.look<1>().tokens.contains(t) || e.look<2>().tokens.contains(t));
}

/// One interval with what the slab has; where that has nothing, with what the uppermost level has that has any of the window.
[[nodiscard]] token_interval reachable(const entry_type& e, token_interval window)
{
  token_interval out = e.look<0>().tokens;
  if (out.empty()) out = intersect(e.look<1>().tokens, window);
  if (out.empty()) out = intersect(e.look<2>().tokens, window);
  if (out.empty()) return {};
  while (is_below(e, window, out.end)) ++out.end;
  while (out.begin != 0 && is_below(e, window, out.begin - 1)) --out.begin;
  return out;
}

/// The pages that some tokens of an interval lie in.
[[nodiscard]] page_count pages_with(token_interval t)
{
  return t.empty() ? 0 : (t.end - 1) / book_page + 1 - t.begin / book_page;
}

/// What is behind first, then what is before, token by token while pages are left; the rear, where nothing is here.
[[nodiscard]] token_interval by_hand(token_interval below, token_interval here, page_count most)
{
  token_interval out = here.empty() ? token_interval{below.end, below.end} : here;
  const std::uint64_t pages = std::uint64_t{pages_with(here)} + most;
  while (out.end < below.end && pages_with({out.begin, out.end + 1}) <= pages) ++out.end;
  if (out.end < below.end) return out;
  while (out.begin > below.begin && pages_with({out.begin - 1, out.end}) <= pages) --out.begin;
  return out;
}

struct seen
{
  std::size_t whole = 0, cut = 0, none = 0, displaced = 0, pressed = 0;
};

void prefetch_any(std::mt19937& random, seen& of)
{
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  const page_count capacity = 10 + below(12);
  prefetch_bed b(capacity);
  auto& bed = b.bed;
  entry_type& e = bed.user(0);
  const token_count first = book_page * below(3);
  if (below(3) != 0) bed.give<0>(e, {first + book_page, first + book_page + 1 + below(8)});
  const token_count begun = below(3) == 0 ? book_page * below(6) : first;
  bed.give<1>(e, {begun, begun + 1 + below(20)});
  if (below(2) == 0) {
    const token_count begin = book_page * below(6);
    bed.give<2>(e, {begin, begin + 1 + below(20)});
  }
  page_count held = 0;
  for (std::uint64_t id = 1; id < 8 && bed.books.slab().free() != 0; ++id) {
    if (below(4) == 0) continue;
    entry_type& other = bed.user(id);
    bed.give<0>(other, {0, 1 + below((std::min)(bed.books.slab().free(), page_count{4}) * book_page)});
    if (below(3) == 0) continue;
    ++other.holds;
    held += other.look<0>().covered().size();
  }
  const request r{.user = e.user, .history_tokens = 1 + below(40)};
  prefetch_limit limit;
  if (below(2) == 0) limit.pages = below(6);
  if (below(2) == 0) limit.displaced_pages = below(4);

  const page_count free = bed.books.slab().free();
  const auto why = b.plan(r, limit);
  bed.books.users().all([](const entry_type& one) { REQUIRE_FALSE(one.in_batch); });
  REQUIRE(bed.books.slab().free() == free);

  const token_interval here = e.look<0>().tokens;
  const token_interval all = reachable(e, window_of(r));
  const page_count others = capacity - free - held - e.look<0>().covered().size();
  const page_count room = limit.displaced_pages < capacity ? free + limit.displaced_pages : capacity;
  token_interval both = by_hand(all, here, limit.pages);
  if (pages_with(both) - pages_with(here) > room) both = by_hand(all, here, room);
  CAPTURE(here.begin, here.end, all.begin, all.end, both.begin, both.end, limit.pages, limit.displaced_pages, free);
  const page_count taken = pages_with(both) - pages_with(here);
  if (both != here && !both.empty() && taken > free + others) {  // all others are held
    ++of.pressed;
    REQUIRE((why.has_value() && why->why == pressure::reason::held && why->pages_held == held));
    return;
  }
  REQUIRE_FALSE(why.has_value());
  const batch_plan& plan = b.batch.plan;
  if (both == here || both.empty()) {
    ++of.none;
    REQUIRE((plan.requests.empty() && plan.victims.empty()));
    token_count lacks = 0;
    for (token_count t = all.begin; t < all.end; ++t) lacks += here.contains(t) ? 0U : 1U;
    REQUIRE(b.left == lacks);
    return;
  }
  REQUIRE(plan.requests.size() == 1);
  const request_plan& p = plan.requests.front();
  REQUIRE((p.user == r.user && token_interval{p.first_token, p.history} == both && p.in_slab == here));
  REQUIRE((p.fetched == both.size() - here.size() && p.pages_taken == taken && plan.pages_needed == taken));
  REQUIRE(b.left == all.size() - both.size());
  ++(b.left == 0 ? of.whole : of.cut);
  token_count at = both.begin;
  for (const piece& one : plan.pieces_of(p)) {
    REQUIRE((one.tokens.begin == at && !one.is_computed()));
    for (; at < one.tokens.end; ++at) {
      REQUIRE((one.source == 0) == here.contains(at));
      if (one.source == 1) REQUIRE(e.look<1>().tokens.contains(at));
      if (one.source == 2) REQUIRE(e.look<2>().tokens.contains(at));
    }
  }
  REQUIRE(at == both.end);
  REQUIRE(plan.compute.empty());
  const prefetch_outcome queued = queued_by(plan);
  REQUIRE((queued.tokens == p.fetched && queued.pages == taken && queued.pages <= limit.pages));
  REQUIRE(queued.displaced_pages == (taken > free ? taken - free : 0));
  REQUIRE(queued.displaced_pages <= limit.displaced_pages);
  of.displaced += queued.displaced_pages;
  for (const auto& v : b.batch.victims) REQUIRE((v.who != &e && v.who->holds == 0));
}

}  // namespace

TEST_CASE("prefetch_planner: as much as the limit allows, against going on token by token", "[plan]")
{
  std::mt19937 random(31);
  seen of;
  for (int round = 0; round < 2000 * effort; ++round) {
    CAPTURE(round);
    prefetch_any(random, of);
  }
  CAPTURE(of.whole, of.cut, of.none, of.displaced, of.pressed);
  CHECK((of.whole > 100U * effort && of.cut > 100U * effort && of.none > 100U * effort));
  CHECK((of.displaced > 100U * effort && of.pressed > 5U * effort));
}

TEST_CASE("prefetch_planner: nothing of whom nothing is known, and nothing of whom a lease holds", "[plan]")
{
  prefetch_bed b(20);
  const request r{.user = user_id{1}, .history_tokens = 12};
  CHECK((!b.plan(r).has_value() && b.batch.plan.requests.empty() && b.left == 0));
  auto& e = b.bed.user(1);
  b.bed.give<1>(e, {0, 12});
  ++e.holds;
  const auto why = b.plan(r);
  REQUIRE(why.has_value());
  CHECK((why->why == pressure::reason::user_held && why->user == 1));
  --e.holds;
  CHECK((!b.plan(r).has_value() && b.batch.plan.requests.front().fetched == 12));
  b.bed.give<0>(e, {0, 12});
  ++e.holds;  // all of it is there: nobody is asked
  CHECK((!b.plan(r).has_value() && b.batch.plan.requests.empty()));
  --e.holds;
}

TEST_CASE("prefetch_planner: into the page that the user has, where no other is free and nobody may go", "[plan]")
{
  prefetch_bed b(4);
  auto& e = b.bed.user(1);
  b.bed.give<0>(e, {0, 2});
  b.bed.give<1>(e, {0, 12});
  b.bed.give<0>(b.bed.user(2), {0, 3 * book_page});
  REQUIRE(b.bed.books.slab().free() == 0);
  const request r{.user = user_id{1}, .history_tokens = 12};
  for (const page_count pages : {0U, 8U}) {
    CAPTURE(pages);
    CHECK_FALSE(b.plan(r, {.pages = pages, .displaced_pages = 0}).has_value());
    REQUIRE(b.batch.plan.requests.size() == 1);
    CHECK((b.batch.plan.requests.front().fetched == 2 && b.batch.plan.requests.front().pages_taken == 0));
    CHECK((b.batch.victims.empty() && b.left == 8));
  }
}

TEST_CASE("prefetch_planner: what goes as a whole comes as a whole, or not at all", "[plan]")
{
  prefetch_bed b(20);
  auto& e = b.bed.user(1);
  b.bed.give<1>(e, {0, 12});
  e.atomic = true;
  const part whole{.key = key_of(user_id{1}), .tokens = 12, .mode = part_mode::read};
  const request r{.user = user_id{1}, .history_tokens = 12, .parts = {&whole, 1}};
  CHECK((!b.plan(r, {.pages = 2}).has_value() && b.batch.plan.requests.empty() && b.left == 12));
  CHECK((!b.plan(r, {.pages = 3}).has_value() && b.batch.plan.requests.size() == 1 && b.left == 0));
}

TEST_CASE("prefetch_planner: whole granules, and others who go whole: no more of them than the limit says", "[plan]")
{
  using whole_bed = book_bed<stack_of<2, device_slab<dataless_device, evict_whole>>>;
  whole_bed bed({6, 40});
  victim_finder<whole_bed::residency_type> victims(bed.books);
  prefetch_planner<whole_bed::residency_type> plans(bed.books, victims);
  planned_batch<whole_bed::residency_type> batch;
  bed.give<0>(bed.user(2), {0, 16});  // 4 of 6 pages
  bed.give<1>(bed.user(1), {0, 12});
  const request r{.user = user_id{1}, .history_tokens = 12};
  token_count left = 0;
  const auto fetched = [&](page_count displaced) {
    CHECK_FALSE(plans.plan_prefetch(r, {.displaced_pages = displaced}, batch, left).has_value());
    return batch.plan.requests.empty() ? 0 : batch.plan.requests.front().fetched;
  };
  CHECK((fetched(4) == 12 && batch.victims.size() == 1 && batch.victims[0].pages == 4 && left == 0));
  CHECK((fetched(3) == 8 && batch.victims.empty() && left == 4));  // one page more would push off four
  CHECK((fetched(0) == 8 && batch.plan.requests.front().first_token == 4));
}

TEST_CASE("prefetch_planner: a request that is wrong, or of another epoch, is refused as ever", "[plan]")
{
  prefetch_bed b(20);
  request r{.user = user_id{1}, .history_tokens = 12};
  r.epoch = epoch_id{9};
  CHECK(b.plan(r)->why == pressure::reason::early_epoch);
  r = {.user = user_id{1}, .history_tokens = 12, .first_token = 13};
  CHECK(sentence_of<usage_error>([&] {
          static_cast<void>(b.plan(r));
        }).starts_with("the request of user 1 begins at token 13"));
}
