// A batch of requests of parts, planned: what is served whole or not at all, what several rows share, and pages, against each
// row by hand.
#include "books/bed.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/codec/int8.hpp>
#include <kvstrata/device/arrival.hpp>
#include <kvstrata/plan/plan_parts.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

template <class Tiers>
struct parts_bed
{
  using bed_type = book_bed<Tiers>;
  using entry_type = typename bed_type::entry_type;
  using residency_type = typename bed_type::residency_type;

  explicit parts_bed(page_count slab_pages) : bed({slab_pages, 400}), victims(bed.books), plans(bed.books, victims, {})
  {
  }

  /// Something of a sequence; what is shared is of this version.
  entry_type& have(const request& row, std::uint64_t version)
  {
    entry_type& e = bed.books.users().add(key_of(row));
    e.atomic = is_shared(mode_of(row));
    if (version != 0) e.learn().version = version;
    return e;
  }
  std::optional<pressure> plan() { return plans.plan(rows, batch, {}); }

  bed_type bed;
  victim_finder<residency_type> victims;
  planner<residency_type, always_fetch> plans;
  planned_batch<residency_type> batch;
  part_rows rows;
};

using plain_bed = parts_bed<stack_of<2>>;
using entry_type = plain_bed::entry_type;

struct some_requests
{
  std::vector<std::vector<part>> parts;
  std::vector<request> requests;
};

[[nodiscard]] some_requests any_requests(std::mt19937& random)
{
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  some_requests out;
  std::uint64_t next_history = 0;
  for (std::uint32_t i = 0, count = 1 + below(4); i < count; ++i) {
    std::vector<part>& parts = out.parts.emplace_back();
    bool appends = false;
    for (std::uint32_t n = 1 + below(4); n != 0; --n) {
      part p{.tokens = 1 + below(14), .mode = static_cast<part_mode>(below(4))};
      if (p.mode == part_mode::append) {
        p.key = {3, next_history++};
        appends = true;
      } else if (is_shared(p.mode)) {
        const std::uint64_t id = below(3);
        p.key = {p.mode == part_mode::replace ? 1U : 2U, id};
        p.version = 2 + id;
        p.tokens = static_cast<token_count>(5 + 3 * id);
        if (p.mode == part_mode::replace && appends) continue;
        if (std::any_of(parts.begin(), parts.end(), [&p](const part& o) { return o.key == p.key; })) continue;
        if (below(2) == 0) p.if_computed_elsewhere = computed_elsewhere::compute_own;
      }
      parts.push_back(p);
    }
    if (parts.empty()) parts.push_back({.tokens = 3, .mode = part_mode::scratch});
  }
  for (std::size_t i = 0; i < out.parts.size(); ++i) {
    out.requests.push_back({.user = user_id{i + 1}, .parts = out.parts[i]});
  }
  return out;
}

/// The pages that some tokens of an interval lie in.
[[nodiscard]] page_count pages_with(token_interval t)
{
  return t.empty() ? 0 : (t.end - 1) / book_page + 1 - t.begin / book_page;
}

/// Where a token of a copy that may be used comes from.
[[nodiscard]] level_index source_of(const entry_type* e, token_count t)
{
  if (e == nullptr) return piece::computed;
  if (e->look<0>().tokens.contains(t)) return 0;
  return e->look<1>().tokens.contains(t) ? 1 : piece::computed;
}

struct seen
{
  std::size_t planned = 0, held = 0, user_held = 0, to_wait = 0, own = 0, served = 0, anew = 0, again = 0,
              other_version = 0;
};

void plan_any(std::mt19937& random, seen& of)
{
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  const some_requests made = any_requests(random);
  page_count windows = 0;
  part_rows probe;
  probe.make(made.requests);
  for (std::size_t i = 0; i < probe.rows().size(); ++i) {
    if (probe.same_as(i) == i) windows += pages_with(window_of(probe.rows()[i]));
  }
  const page_count capacity = windows + below(30);
  plain_bed b(capacity);
  auto& books = b.bed.books;
  b.rows.make(made.requests);
  const auto rows = b.rows.rows();
  std::vector<entry_type*> writers(rows.size(), nullptr);
  for (std::size_t i = 0; i < rows.size(); ++i) {  // what is here
    const request& r = rows[i];
    if (b.rows.same_as(i) != i || mode_of(r) == part_mode::scratch) continue;
    if (is_shared(mode_of(r)) && below(12) == 0) {
      writers[i] = &books.users().add_unseen(key_of(r), true);
      ++writers[i]->holds;
    }
    if (below(4) == 0) continue;
    const bool shared = is_shared(mode_of(r));
    const std::uint64_t version = below(4) == 0 ? (shared ? version_of(r) - 1 : version_of(r) + 2) : version_of(r);
    entry_type& e = b.have(r, version);
    const token_count tokens = shared ? r.history_tokens : 1 + below(r.history_tokens + 4);
    if (below(3) != 0 && books.slab().free() >= pages_with({0, tokens})) b.bed.give<0>(e, {0, tokens});
    // What is shared lacks its front at times.
    const token_count begin = shared && !e.is_hot() && below(5) == 0 ? book_page : 0;
    if (below(2) == 0 || !e.is_hot()) b.bed.give<1>(e, {begin, shared ? tokens : 1 + below(r.history_tokens)});
    if (below(shared ? 3 : 24) == 0) ++e.holds;
  }
  for (std::uint64_t id = 50; id < 56 && books.slab().free() != 0; ++id) {  // and of others
    entry_type& e = b.bed.user(id);
    b.bed.give<0>(e, {0, 1 + below((std::min)(books.slab().free(), page_count{4}) * book_page)});
    if (below(3) == 0) ++e.holds;
  }

  const auto why = b.plan();
  books.users().all([](const entry_type& e) { REQUIRE_FALSE(e.in_batch); });

  // By hand, row by row.
  std::vector<const entry_type*> found(rows.size(), nullptr), used(rows.size(), nullptr);
  std::optional<sequence_key> turned_away;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const request& r = rows[i];
    const std::size_t first = b.rows.same_as(i);
    if (mode_of(r) == part_mode::scratch) continue;
    const entry_type* const e = found[i] = books.users().find(key_of(r));
    if (mode_of(r) == part_mode::append) {
      used[i] = e;
      if (e != nullptr && e->holds != 0 && !turned_away) turned_away = key_of(r);
      continue;
    }
    bool all = e != nullptr && e->known().version == version_of(r);
    for (token_count t = 0; all && t < r.history_tokens; ++t) all = source_of(e, t) != piece::computed;
    if (all) used[i] = e;
    else if (writers[first] != nullptr && !computes_own(r) && !turned_away) turned_away = key_of(r);
  }
  if (turned_away) {
    const bool waits = turned_away->space != 3;  // append parts are in that space
    ++(waits ? of.to_wait : of.user_held);
    REQUIRE((why.has_value() && why->by_commit == waits && comes_by_commit(*why) == waits));
    REQUIRE(why->why == (waits ? pressure::reason::arriving : pressure::reason::user_held));
    REQUIRE((why->user == turned_away->id && why->space == turned_away->space));
    return;
  }
  page_count total = 0, held = 0, needed = 0;
  books.users().all([&](const entry_type& e) {
    const bool mine = std::find(used.begin(), used.end(), &e) != used.end();
    if (e.holds != 0 && !mine) held += e.look<0>().covered().size();
  });
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (b.rows.same_as(i) != i) continue;
    const page_count wants = pages_with(window_of(rows[i]));
    const bool of_use = used[i] != nullptr && used[i]->known().version == version_of(rows[i]);
    const page_count has = of_use ? used[i]->look<0>().covered().size() : 0;
    total += wants;  // surplus goes in the last resort
    needed += wants > has ? wants - has : 0;
  }
  CAPTURE(capacity, total, held);
  REQUIRE(why.has_value() == (total + held > capacity));
  if (why) {
    ++of.held;
    REQUIRE((why->why == pressure::reason::held && why->pages_needed == needed));
    return;
  }
  ++of.planned;
  const batch_plan& plan = b.batch.plan;
  REQUIRE((b.batch.parts == &b.rows && plan.pages_needed == needed));
  REQUIRE(plan.size() == made.requests.size());
  REQUIRE(std::equal(plan.first_rows.begin(), plan.first_rows.end(), b.rows.first_rows().begin(),
                     b.rows.first_rows().end()));
  for (std::size_t request = 0, i = 0; request < plan.size(); ++request) {
    REQUIRE(plan.parts(request) == made.parts[request].size());
    for (std::size_t part = 0; part < plan.parts(request); ++part, ++i) {
      REQUIRE(plan.row(request, part) == i);
      const auto& r = rows[i];
      const request_plan& p = plan.requests[i];
      REQUIRE((p.key() == (mode_of(r) == part_mode::scratch ? sequence_key{} : key_of(r)) && p.mode == mode_of(r)));
      REQUIRE((p.joined == (plan.parts(request) > 1) && p.history == r.history_tokens && p.lasting == p.history));
      const std::size_t first = b.rows.same_as(i);
      REQUIRE(p.own == (is_shared(mode_of(r)) && used[first] == nullptr && writers[first] != nullptr));
      of.own += p.own ? 1U : 0U;
      const auto pieces = plan.pieces_of(i);
      const bool again = b.rows.same_as(i) != i;
      if (again) {  // what the first of them has, or writes
        ++of.again;
        REQUIRE((p.whole && p.pages_taken == 0 && p.in_slab == window_of(r) && plan.compute_of(i).empty()));
        REQUIRE((pieces.size() == 1 && pieces[0] == piece{window_of(r), 0}));
        continue;
      }
      REQUIRE(b.batch.entries[i] == used[i]);
      const bool of_use = used[i] != nullptr && used[i]->known().version == version_of(r);
      of.other_version += used[i] != nullptr && !of_use ? 1U : 0U;
      token_count at = 0, computed = 0;
      for (const piece& one : pieces) {
        REQUIRE(one.tokens.begin == at);
        for (; at < one.tokens.end; ++at) REQUIRE(one.source == source_of(of_use ? used[i] : nullptr, at));
        computed += one.is_computed() ? one.tokens.size() : 0;
      }
      REQUIRE((at == r.history_tokens && p.computed() == computed));
      if (is_shared(mode_of(r))) {
        REQUIRE((computed == 0 || computed == r.history_tokens));
        ++(computed == 0 ? of.served : of.anew);
      }
      if (mode_of(r) == part_mode::scratch) REQUIRE(computed == r.history_tokens);
    }
  }
  for (const auto& v : b.batch.victims) {
    REQUIRE(v.who->holds == 0);
    if (v.who->atomic) REQUIRE(v.pages == v.who->look<0>().covered().size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (used[i] == v.who) REQUIRE((v.rear && mode_of(rows[i]) == part_mode::append));
    }
  }
}

}  // namespace

TEST_CASE("plan_parts: random batches, against each row by hand", "[plan][parts]")
{
  std::mt19937 random(32);
  seen of;
  for (int round = 0; round < 1500 * effort; ++round) {
    CAPTURE(round);
    plan_any(random, of);
  }
  CAPTURE(of.planned, of.held, of.user_held, of.to_wait, of.own, of.served, of.anew, of.again, of.other_version);
  CHECK((of.planned > 500U * effort && of.held > 20U * effort && of.user_held > 10U * effort));
  CHECK((of.to_wait > 20U * effort && of.own > 20U * effort));
  CHECK((of.served > 200U * effort && of.anew > 200U * effort && of.again > 100U * effort));
  CHECK(of.other_version > 50U * effort);
}

TEST_CASE("plan_parts: any number of leases read a version, up to what an entry counts", "[plan][parts]")
{
  plain_bed b(20);
  const part shared{.key = {2, 1}, .version = 1, .tokens = 6, .mode = part_mode::read};
  const std::vector<request> two{{.user = user_id{1}, .parts = {&shared, 1}},
                                 {.user = user_id{2}, .parts = {&shared, 1}}};
  b.rows.make(two);
  auto& e = b.have(b.rows.rows()[0], 1);
  b.bed.give<0>(e, {0, 6});
  e.holds = entry_type::most_holds - 2;
  CHECK_FALSE(b.plan().has_value());
  e.holds = entry_type::most_holds - 1;
  const auto why = b.plan();
  REQUIRE(why.has_value());
  CHECK((why->why == pressure::reason::user_held && why->user == 1 && why->space == 2));
  e.holds = 0;
}

TEST_CASE("plan_parts: what is wrong is refused before anything is looked at", "[plan][parts]")
{
  plain_bed b(4);
  const part shared{.key = {2, 1}, .version = 3, .tokens = 20, .mode = part_mode::read};
  const std::vector<request> one{{.user = user_id{1}, .parts = {&shared, 1}}};
  b.rows.make(one);
  const auto said = [&b] { return sentence_of<error>([&] { static_cast<void>(b.plan()); }); };
  CHECK(said() ==
        "the batch of 1 users needs 5 pages, but the slab has 4; send a smaller batch or give the slab more bytes");
  auto& e = b.have(b.rows.rows()[0], 4);
  b.bed.give<1>(e, {0, 20});
  CHECK(said() == "version 3 of sequence 1 of space 2 is asked for, but version 4 is cached; versions only go forward");
  CHECK_FALSE(e.in_batch);
  e.learn().version = 3;
  b.bed.books.set_tokens<1>(e, {0, 16});
  CHECK(said().starts_with("version 3 of sequence 1 of space 2 has 20 tokens in the request, but 16 in the cache"));
  b.bed.books.advance(epoch_id{1});
  CHECK(b.plan()->why == pressure::reason::stale_epoch);
}

TEST_CASE("plan_parts: what is computed on top of an inexact part is inexact, too", "[plan][parts]")
{
  using lossy_bed = parts_bed<tier_stack<device_slab<dataless_device>, pinned_arena<codec::int8>>>;
  lossy_bed b(20);
  std::vector<part> parts{{.key = {2, 1}, .version = 1, .tokens = 6, .mode = part_mode::read},
                          {.key = {3, 1}, .tokens = 9}};
  std::vector<request> one{{.user = user_id{1}, .parts = parts}};
  b.rows.make(one);
  auto& shared = b.have(b.rows.rows()[0], 1);
  auto& history = b.have(b.rows.rows()[1], version_of(b.rows.rows()[1]));
  b.bed.give<0>(history, {0, 4});
  b.bed.give<1>(shared, {0, 6});
  REQUIRE_FALSE(b.plan().has_value());
  const auto& rows = b.batch.plan.requests;
  CHECK((rows[0].fetched == 6 && rows[0].inexact_from == 0));
  CHECK((rows[1].in_slab == token_interval{0, 4} && rows[1].inexact_from == 4));
  one[0].exact = true;  // then it is computed anew
  b.rows.make(one);
  REQUIRE_FALSE(b.plan().has_value());
  CHECK((rows[0].fetched == 0 && rows[0].computed() == 6 && b.batch.entries[0] == nullptr));
  CHECK((rows[0].inexact_from == all_exact && rows[1].inexact_from == all_exact));
}
