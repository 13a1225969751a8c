// Histories that are cut and rewritten: windows that move, fingerprints that contradict, tails that are never served.
// The random walks do all of this at once; these tell what is meant.
#include "cache/scene.hpp"
#include "support/sentence_of.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

/// The window [first, history) of a user.
request window(unsigned user, token_count first, token_count history)
{
  return {.user = user_id{user}, .history_tokens = history, .first_token = first};
}

template <class Scene>
auto hold(Scene& s, const request& r)
{
  return s.cache.prepare({&r, 1}, s.compute).value();
}

/// Serves one request from beginning to end. Where its tokens came from.
template <class Scene>
token_sources serve(Scene& s, const request& r)
{
  auto lease = hold(s, r);
  const token_sources sources = lease.sources(0);
  s.run_model(lease);
  lease.commit();
  return sources;
}

template <class Scene>
outlook plan(Scene& s, const request& r)
{
  return outlook(s.cache.plan({&r, 1}).value());
}

/// Hashes of `tokens`, which are what a history says: of its prefixes, or of its stretches.
std::vector<std::uint64_t> prefixes(std::span<const unsigned> tokens, token_count stride)
{
  std::vector<std::uint64_t> out;
  std::uint64_t sum = 1;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    sum = sum * 1'000'003 + tokens[t];
    if ((t + 1) % stride == 0) out.push_back(sum);
  }
  return out;
}
std::vector<std::uint64_t> stretches(std::span<const unsigned> tokens, token_count stride, token_count first_token)
{
  std::vector<std::uint64_t> out;
  for (token_count begin = (first_token + stride - 1) / stride * stride; begin + stride <= tokens.size();
       begin += stride) {
    out.push_back(prefixes(tokens.subspan(begin, stride), stride).front());
  }
  return out;
}

std::vector<unsigned> numbers(token_count count)
{
  std::vector<unsigned> out(count);
  for (token_count i = 0; i < count; ++i) out[i] = 100 + i;
  return out;
}

}  // namespace

TEST_CASE("what lies before a window is neither planned nor kept", "[cache][windows]")
{
  scene<default_scene_cache> s(16, 32);
  CHECK(is(serve(s, window(1, 0, 32)), 0, 0, 32));
  const request moved = window(1, 13, 40);
  const outlook p = plan(s, moved);
  CHECK(p.first_token == 13);
  CHECK(p.in_slab == token_interval{13, 32});
  CHECK(p.computed() == 8);
  CHECK(p.kept.forgotten == tokens_forgotten{.passed = 13});
  CHECK(p.pages_forgotten == 3);  // [0, 12)
  CHECK(p.pages_taken == 2);
  CHECK(s.cache.stats().levels[0].resident_tokens == 32);  // it only says so

  auto lease = hold(s, moved);
  CHECK(s.cache.stats().levels[0].resident_tokens == 19);
  CHECK(s.cache.stats().levels[1].resident_tokens == 19);
  const page_table_view view = lease.view();
  REQUIRE(view.pages(0).size() == 7);  // [12, 40)
  CHECK(view.first_token(0) == 13);
  CHECK(view.first_token_offset(0) == 1);
  CHECK(view.last_page_len[0] == 4);
  CHECK(view.tokens(0) == 40);
  CHECK(view.key(1, 0, 13) == view.page(1, view.page_ids[0]) + tiny.key_bytes());
  CHECK(view.key(1, 0, 39) == view.page(1, view.page_ids[6]) + 3 * tiny.key_bytes());
  REQUIRE(lease.compute(0).size() == 1);
  CHECK(lease.compute(0)[0] == token_interval{32, 40});
  s.run_model(lease);
  lease.commit();
  lease.release();
  s.cache.drain_sync();
  const cache_stats after = s.cache.stats();
  CHECK(after.levels[0].resident_tokens == 27);
  CHECK(after.levels[0].resident_bytes == 7 * tiny_page_bytes);
  CHECK(after.levels[1].resident_tokens == 27);
  CHECK(after.forgotten == tokens_forgotten{.passed = 13});
  CHECK(after.levels[0].evicted_tokens == 0);  // nobody pushed them out
  CHECK(after.levels[0].dropped_tokens + after.levels[1].dropped_tokens == 0);
  CHECK(s.cache.tracker().read().passed_tokens == 13);
  CHECK(s.cache.tracker().read().computed_tokens == 40);
}

TEST_CASE("a window is what a batch takes of the device, however long the history is", "[cache][windows]")
{
  scene<lone_scene_cache> s(8);
  CHECK(is(serve(s, window(1, 1000, 1030)), 0, 0, 30));  // pages 250 to 257
  CHECK(is(serve(s, window(1, 1004, 1036)), 26, 0, 6));  // what it leaves makes room for what it takes
  CHECK(s.cache.stats().levels[0].evicted_tokens == 0);
  const request whole = window(2, 0, 33);
  CHECK_THROWS_AS(s.cache.prepare({&whole, 1}, s.compute), capacity_error);
  const request part = window(2, 1, 33);  // still 9 pages
  CHECK_THROWS_AS(s.cache.prepare({&part, 1}, s.compute), capacity_error);
  CHECK(is(serve(s, window(2, 4, 33)), 0, 0, 29));
  CHECK(is(serve(s, window(3, 7, 7)), 0, 0, 0));  // nothing at all
}

TEST_CASE("a window that nothing of the cache lies in starts at its first token", "[cache][windows]")
{
  scene<default_scene_cache> s(16, 32);
  serve(s, window(1, 0, 20));
  const outlook p = plan(s, window(1, 30, 40));
  CHECK(p.computed() == 10);
  CHECK(p.kept.forgotten == tokens_forgotten{.passed = 20});
  CHECK(p.pages_forgotten == 5);
  CHECK(is(serve(s, window(1, 30, 40)), 0, 0, 10));
  CHECK(s.cache.stats().levels[0].resident_bytes == 3 * tiny_page_bytes);
  CHECK(s.cache.stats().levels[1].resident_tokens == 10);
}

TEST_CASE("a window that begins earlier than before starts anew from there, counted", "[cache][windows]")
{
  scene<default_scene_cache> s(16, 32);
  serve(s, window(1, 8, 32));
  CHECK(plan(s, window(1, 7, 36)).kept.forgotten == tokens_forgotten{.widened = 24});
  CHECK(is(serve(s, window(1, 7, 36)), 0, 0, 29));
  CHECK(s.cache.stats().forgotten == tokens_forgotten{.widened = 24});
  CHECK(s.cache.stats().levels[0].resident_tokens == 29);
  CHECK(s.cache.tracker().read().widened_tokens == 24);
  CHECK(is(serve(s, window(1, 7, 36)), 29, 0, 0));
}

TEST_CASE("a moved window finds in the lower tier what the device has lost", "[cache][windows]")
{
  scene<default_scene_cache> s(8, 64);
  serve(s, window(1, 5, 30));  // pages 1 to 7
  serve(s, window(2, 0, 20));  // five pages: user 1 keeps [24, 30) at most
  const outlook p = plan(s, window(1, 6, 34));
  CHECK(p.in_slab.end == 30);
  CHECK(p.fetches == std::vector{token_interval{6, p.in_slab.begin}});
  CHECK(p.computed() == 4);
  const token_sources sources = serve(s, window(1, 6, 34));
  CHECK(sources.from[0] + sources.fetched() == 24);
  CHECK(s.cache.stats().levels[0].dropped_tokens + s.cache.stats().levels[1].dropped_tokens == 0);
}

// A row is as good as those that it saw. What a window has moved past is not told any more, so a row that saw it cannot be
// computed again as it was; were it computed otherwise, those behind it would rest on a row that nobody has.
TEST_CASE("rows of an earlier window whose front is lost are stranded", "[cache][windows]")
{
  scene<lone_scene_cache> s(8);
  serve(s, window(1, 0, 24));                                           // 6 pages
  serve(s, window(2, 0, 16));                                           // 4 pages: user 1 loses two from the front
  REQUIRE(plan(s, window(1, 0, 24)).in_slab == token_interval{8, 24});  // the same window: computed as they were
  CHECK(plan(s, window(1, 0, 24)).computed() == 8);
  const outlook p = plan(s, window(1, 4, 24));
  CHECK(p.in_slab.empty());
  CHECK(p.kept.forgotten == tokens_forgotten{.stranded = 16});
  CHECK(plan(s, window(1, 8, 24)).in_slab == token_interval{8, 24});  // nothing is missing in this one
  CHECK(plan(s, window(1, 8, 24)).kept.forgotten == tokens_forgotten{});
  CHECK(is(serve(s, window(1, 4, 24)), 0, 0, 20));
  CHECK(s.cache.tracker().read().stranded_tokens == 16);
}

TEST_CASE("rows of the window at hand may be computed again where they are lost", "[cache][windows]")
{
  using chunks = cache<tier_stack<device_slab<emulated_device>, pinned_arena<chunk_write_through>>, hybrid_layout,
                       layerwise_transfer<>, lru, counters>;
  scene<chunks> s(10, 64);
  serve(s, window(1, 0, 16));
  serve(s, window(1, 4, 30));  // [4, 16) is of the earlier window, and below
  serve(s, window(2, 0, 28));  // user 1 loses four pages, of which the last is nowhere else
  const outlook p = plan(s, window(1, 4, 30));
  CHECK(p.fetches == std::vector{token_interval{4, 16}});
  CHECK(p.in_slab == token_interval{20, 30});
  CHECK(p.computed() == 4);
  CHECK(p.kept.forgotten.total() == 0);
  const outlook moved = plan(s, window(1, 5, 30));
  CHECK(moved.fetches == std::vector{token_interval{5, 16}});
  CHECK(moved.in_slab.empty());
  CHECK(moved.kept.forgotten == tokens_forgotten{.passed = 1, .stranded = 10});
}

TEST_CASE("a rewritten history is refused, or started anew in the same call", "[cache][windows]")
{
  scene<default_scene_cache> s(16, 32);
  std::vector<unsigned> history = numbers(24);
  auto hashes = prefixes(history, 4);
  request r = window(1, 0, 24);
  r.fingerprint = {.stride = 4, .prefix_hashes = hashes};
  serve(s, r);
  history[10] = 7;
  history.push_back(8);
  const auto rewritten = prefixes(history, 4);
  r.history_tokens = 25;
  r.fingerprint.prefix_hashes = rewritten;
  CHECK(sentence_of<history_error>([&] { static_cast<void>(s.cache.plan({&r, 1})); }).find("if_rewritten") !=
        std::string::npos);
  CHECK(s.cache.stats().levels[0].resident_tokens == 24);

  r.if_rewritten = rewritten_history::start_anew;
  CHECK(plan(s, r).kept.forgotten == tokens_forgotten{.rewritten = 24});
  CHECK(s.cache.stats().levels[0].resident_tokens == 24);  // it only says so
  CHECK(is(serve(s, r), 0, 0, 25));
  CHECK(s.cache.stats().forgotten == tokens_forgotten{.rewritten = 24});
  CHECK(s.cache.tracker().read().rewritten_tokens == 24);
  CHECK(s.cache.stats().levels[1].resident_tokens == 25);
  CHECK(is(serve(s, r), 25, 0, 0));
}

TEST_CASE("a rewritten user who is held gives pressure, and loses nothing", "[cache][windows]")
{
  scene<default_scene_cache> s(16, 32);
  const std::uint64_t one[] = {1}, other[] = {2};
  request r = window(1, 0, 8);
  r.fingerprint = {.stride = 8, .prefix_hashes = one};
  serve(s, r);
  auto lease = hold(s, r);
  request anew = r;
  anew.if_rewritten = rewritten_history::start_anew;
  anew.fingerprint.prefix_hashes = other;
  const auto got = s.cache.prepare({&anew, 1}, s.compute);
  REQUIRE(!got);
  CHECK(got.why().why == pressure::reason::user_held);
  CHECK(s.cache.stats().levels[0].resident_tokens == 8);
  CHECK(s.cache.stats().forgotten.total() == 0);
  lease.release();
  CHECK(is(serve(s, anew), 0, 0, 8));
  // Who finds no room keeps what they have, too.
  auto all = s.hold({{2, 52}});  // 13 of 16 pages
  request large = window(1, 0, 40);
  const std::uint64_t many[] = {3, 3, 3, 3, 3};
  large.fingerprint = {.stride = 8, .prefix_hashes = many};
  large.if_rewritten = rewritten_history::start_anew;
  const auto no = s.cache.prepare({&large, 1}, s.compute);
  REQUIRE(!no);
  CHECK(no.why().pages_evictable == 2);  // their own, which would be of no use
  CHECK(s.cache.stats().levels[0].resident_tokens == 8);
}

TEST_CASE("a prefetch brings nothing of a rewritten history, and forgets nothing", "[cache][windows]")
{
  scene<default_scene_cache> s(8, 64);
  const std::uint64_t one[] = {1}, other[] = {2};
  request r = window(1, 0, 30);
  r.fingerprint = {.stride = 30, .prefix_hashes = one};
  serve(s, r);
  serve(s, window(2, 0, 32));
  r.fingerprint.prefix_hashes = other;
  CHECK_THROWS_AS(s.cache.prefetch(r), history_error);
  r.if_rewritten = rewritten_history::start_anew;
  const prefetch_outcome nothing = s.cache.prefetch(r).value();
  CHECK(nothing.tokens + nothing.left == 0);
  CHECK(s.cache.stats().levels[1].resident_tokens == 62);
  r.fingerprint.prefix_hashes = one;
  r.first_token = 10;
  CHECK(s.cache.prefetch(r).value().tokens == 20);  // of the window alone
  CHECK(s.cache.stats().levels[1].resident_tokens == 62);
}

TEST_CASE("stretches of a window say where a history was rewritten", "[cache][windows]")
{
  for (const std::uint32_t kept : {1U, 3U}) {
    auto sizes = tiny_config<default_scene_cache>(16, 32);
    sizes.kept_stretches = kept;
    scene<default_scene_cache> s({.time = time_mode::virtual_time, .check_ordering = true, .poison_freed = true},
                                 sizes);
    std::vector<unsigned> history = numbers(42);
    const auto asks = [&](token_count first, std::vector<std::uint64_t>& hashes) {
      request r = window(1, first, static_cast<token_count>(history.size()));
      hashes = stretches(history, 5, first);
      r.stretches = {.stride = 5, .hashes = hashes};
      return r;
    };
    std::vector<std::uint64_t> hashes;
    serve(s, asks(3, hashes));  // stretches 1 to 7: [5, 40)
    CHECK(s.cache.stats().stretch_bytes == 8 * kept);

    history.push_back(1);
    CHECK(plan(s, asks(7, hashes)).in_slab == token_interval{7, 42});  // the same behind another beginning
    history[36] = 9;                                                   // in stretch 7
    std::vector<std::uint64_t> rewritten;
    request r = asks(7, rewritten);
    CHECK(sentence_of<history_error>([&] { static_cast<void>(s.cache.plan({&r, 1})); }).find("tokens [35, 40)") !=
          std::string::npos);
    r.if_rewritten = rewritten_history::start_anew;
    const outlook p = plan(s, r);
    if (kept == 1) {  // nothing that agrees is known
      CHECK(p.in_slab.empty());
      CHECK(p.kept.forgotten == tokens_forgotten{.rewritten = 35, .passed = 4});
    } else {
      CHECK(p.in_slab == token_interval{7, 35});
      CHECK(p.kept.forgotten == tokens_forgotten{.rewritten = 7, .passed = 4});
    }
    serve(s, r);
    CHECK(plan(s, r).in_slab == token_interval{7, 43});

    history[22] = 9;  // in stretch 4, of which no hash is kept
    CHECK(plan(s, asks(7, hashes)).in_slab == token_interval{7, 43});
    history[41] = 9;  // behind the last whole stretch
    CHECK(plan(s, asks(7, hashes)).in_slab == token_interval{7, 43});
    CHECK(s.cache.erase(user_id{1}));
    CHECK(s.cache.stats().stretch_bytes == 0);
  }
}

TEST_CASE("a contradicted stretch in front of one that agrees counts", "[cache][windows]")
{
  auto sizes = tiny_config<default_scene_cache>(16, 32);
  sizes.kept_stretches = 4;
  scene<default_scene_cache> s({.time = time_mode::virtual_time, .check_ordering = true}, sizes);
  const std::array<std::uint64_t, 5> first{1, 2, 3, 4, 5}, second{1, 2, 33, 4, 5};
  request r = window(1, 0, 20);
  r.stretches = {.stride = 4, .hashes = first};
  serve(s, r);
  r.stretches.hashes = second;
  r.if_rewritten = rewritten_history::start_anew;
  CHECK(plan(s, r).in_slab == token_interval{0, 8});  // the rows of [12, 20) saw what was rewritten
  r.stretches.stride = 10;                            // another stride: nothing to compare
  CHECK(plan(s, r).in_slab == token_interval{0, 20});
}

TEST_CASE("a volatile tail is computed at every request and never served", "[cache][windows]")
{
  scene<default_scene_cache> s(16, 32);
  request r = window(1, 0, 20);
  r.volatile_tail = 1;
  {
    auto lease = hold(s, r);
    CHECK(lease.plan().requests[0].lasting == 19);
    s.run_model(lease);
    lease.commit();
    CHECK(s.cache.tracker().read().committed_tokens == 19);
  }
  CHECK(s.cache.stats().levels[0].resident_tokens == 19);
  CHECK(s.cache.stats().levels[1].resident_tokens == 19);
  CHECK(is(serve(s, r), 19, 0, 1));  // the same again
  r.history_tokens = 26;
  CHECK(is(serve(s, r), 19, 0, 7));
  s.serve(2, 64);  // user 1 goes down
  CHECK(is(serve(s, r), 0, 25, 1));

  // A tail that reaches into what is cached: what it overwrites, and what lies behind, cannot be served any more.
  r.history_tokens = 22;
  r.volatile_tail = 3;
  CHECK(plan(s, r).kept.forgotten == tokens_forgotten{.overwritten = 6});
  CHECK(is(serve(s, r), 19, 0, 3));
  CHECK(s.cache.tracker().read().overwritten_tokens == 6);
  r.volatile_tail = 100;  // all of it
  CHECK(is(serve(s, r), 0, 0, 22));
  CHECK(is(serve(s, r), 0, 0, 22));
  s.cache.drain_sync();
  CHECK(s.look(1, 22).in_slab.empty());
}

TEST_CASE("a fingerprint vouches for no volatile tail", "[cache][windows]")
{
  scene<default_scene_cache> s(16, 32);
  std::vector<unsigned> history = numbers(12);
  std::vector<std::uint64_t> hashes, parts;
  const auto asks = [&] {
    hashes = prefixes(history, 1);
    parts = stretches(history, 3, 0);
    request r = window(1, 0, 12);
    r.volatile_tail = 2;
    r.fingerprint = {.stride = 1, .prefix_hashes = hashes};
    r.stretches = {.stride = 3, .hashes = parts};
    return r;
  };
  serve(s, asks());
  history[10] = history[11] = 5;
  CHECK(is(serve(s, asks()), 10, 0, 2));
  history[9] = 5;
  const request rewritten = asks();
  CHECK_THROWS_AS(s.cache.plan({&rewritten, 1}), history_error);
}

// What a fingerprint vouches for stays vouched for, whatever becomes of the request that cuts rows.
TEST_CASE("a tail that cuts rows leaves the others vouched for, committed or not", "[cache][windows]")
{
  for (const bool commits : {false, true}) {
    for (const bool tells : {false, true}) {
      CAPTURE(commits, tells);
      auto sizes = tiny_config<default_scene_cache>(16, 32);
      sizes.kept_stretches = 1;
      scene<default_scene_cache> s({.time = time_mode::virtual_time, .check_ordering = true}, sizes);
      std::vector<unsigned> history = numbers(20);
      std::vector<std::uint64_t> hashes, parts;
      const auto asks = [&](bool prefix, bool stretch) {
        request r = window(1, 0, static_cast<token_count>(history.size()));
        hashes = prefixes(history, 1);
        parts = stretches(history, 2, 0);
        if (prefix) r.fingerprint = {.stride = 1, .prefix_hashes = hashes};
        if (stretch) r.stretches = {.stride = 2, .hashes = parts};
        return r;
      };
      serve(s, asks(true, true));
      request cuts = asks(tells, tells);
      cuts.volatile_tail = 3;
      auto lease = hold(s, cuts);
      CHECK(lease.plan().requests[0].kept.forgotten == tokens_forgotten{.overwritten = 3});
      s.run_model(lease);
      if (commits) lease.commit();
      lease.release();

      history.push_back(1);
      history[17] = 7;  // has been in a tail since
      if (tells) CHECK(plan(s, asks(true, true)).in_slab == token_interval{0, 17});
      history[17] = 117;
      CHECK(plan(s, asks(true, true)).in_slab == token_interval{0, 17});
      history[15] = 7;
      for (const bool prefix : {false, true}) {
        const request rewritten = asks(prefix, !prefix);
        // Without a fingerprint of its own the cut leaves the stretch [18, 20) as the newest.
        if (prefix || tells) CHECK_THROWS_AS(s.cache.plan({&rewritten, 1}), history_error);
      }
      history[15] = 115;
      history[19] = 7;
      const request other_rear = asks(false, true);
      if (!tells) CHECK_THROWS_AS(s.cache.plan({&other_rear, 1}), history_error);
    }
  }
}

TEST_CASE("rows that are stranded leave the others vouched for", "[cache][windows]")
{
  using chunks = cache<tier_stack<device_slab<emulated_device>, pinned_arena<chunk_write_through>>, hybrid_layout,
                       layerwise_transfer<>, lru, counters>;
  scene<chunks> s(10, 64);
  std::vector<unsigned> history = numbers(30);
  std::vector<std::uint64_t> hashes;
  const auto asks = [&](token_count first) {
    hashes = prefixes(history, 1);
    request r = window(1, first, 30);
    r.fingerprint = {.stride = 1, .prefix_hashes = hashes};
    return r;
  };
  serve(s, window(1, 0, 16));
  serve(s, asks(4));
  serve(s, window(2, 0, 28));
  hold(s, window(1, 5, 30)).release();  // without a fingerprint, and dropped
  CHECK(s.cache.stats().forgotten == tokens_forgotten{.passed = 5, .stranded = 10});
  CHECK(plan(s, asks(5)).in_slab == token_interval{5, 16});
  history[7] = 1;
  const request rewritten = asks(5);
  CHECK_THROWS_AS(s.cache.plan({&rewritten, 1}), history_error);
}

// A request that is shorter than what was vouched for cannot be compared. If it is of another history, rows that it would
// add stand among rows of the first, and nobody could tell them apart.
TEST_CASE("a request that cannot be compared reads, or starts anew, but adds no row to what is there",
          "[cache][windows]")
{
  for (const bool by_prefix : {true, false}) {
    CAPTURE(by_prefix);
    scene<lone_scene_cache> s(8);
    std::vector<unsigned> one = numbers(24), other = numbers(24);
    other[3] = other[11] = other[14] = 1;
    std::vector<std::uint64_t> hashes;
    const auto asks = [&](const std::vector<unsigned>& history, token_count tokens) {
      request r = window(1, 0, tokens);
      const std::span<const unsigned> told(history.data(), tokens);
      hashes = by_prefix ? prefixes(told, 4) : stretches(told, 4, 0);
      if (by_prefix) r.fingerprint = {.stride = 4, .prefix_hashes = hashes};
      else r.stretches = {.stride = 4, .hashes = hashes};
      return r;
    };
    CHECK(is(serve(s, asks(one, 24)), 0, 0, 24));
    CHECK(is(serve(s, asks(other, 18)), 18, 0, 0));  // all there: it reads, unchecked
    CHECK(is(serve(s, asks(one, 24)), 24, 0, 0));
    serve(s, window(2, 0, 16));  // user 1 loses [0, 8)
    const outlook p = plan(s, asks(other, 18));
    CHECK(p.computed() == 18);
    CHECK(p.kept.forgotten == tokens_forgotten{.rewritten = 16});
    CHECK(plan(s, window(1, 0, 18)).computed() == 8);  // who has no fingerprint is never checked
    CHECK(is(serve(s, asks(other, 18)), 0, 0, 18));
    CHECK(is(serve(s, asks(other, 19)), 18, 0, 1));  // it vouches for itself from now on
    const request first = asks(one, 24);
    CHECK_THROWS_AS(s.cache.plan({&first, 1}), history_error);
    request anew = asks(one, 24);
    anew.if_rewritten = rewritten_history::start_anew;
    CHECK(is(serve(s, anew), 0, 0, 24));
    CHECK(is(serve(s, asks(one, 24)), 24, 0, 0));
  }
}

TEST_CASE("a request that only reads vouches for nothing", "[cache][windows]")
{
  for (const bool by_prefix : {true, false}) {
    CAPTURE(by_prefix);
    scene<lone_scene_cache> s(8);
    const std::vector<unsigned> one = numbers(32);
    std::vector<unsigned> other = one;
    other[3] = 1;
    std::vector<std::uint64_t> hashes;
    const auto asks = [&](const std::vector<unsigned>& history, token_count stride, token_count tokens) {
      request r = window(1, 0, tokens);
      const std::span<const unsigned> told(history.data(), tokens);
      hashes = by_prefix ? prefixes(told, stride) : stretches(told, stride, 0);
      if (by_prefix) r.fingerprint = {.stride = stride, .prefix_hashes = hashes};
      else r.stretches = {.stride = stride, .hashes = hashes};
      return r;
    };
    serve(s, asks(one, 4, 24));
    serve(s, window(1, 0, 30));                         // without a fingerprint
    CHECK(is(serve(s, asks(other, 5, 30)), 30, 0, 0));  // at a stride that says nothing of what is vouched for
    CHECK(plan(s, asks(other, 5, 31)).computed() == 31);
    CHECK(plan(s, asks(one, 4, 31)).computed() == 1);
  }
}

TEST_CASE(
    "a request that cannot be compared computes nothing again that a level has, and prefetches nothing that it would "
    "forget",
    "[cache][windows]")
{
  using quick_model = cache<tier_stack<device_slab<emulated_device>, pinned_arena<token_write_through>>, hybrid_layout,
                            layerwise_transfer<split_by_cost>, lru, counters>;
  auto sizes = tiny_config<quick_model>(8, 12);
  sizes.split.cost = {
      .seconds_per_token = 1e-9, .seconds_per_pair = 1e-9, .fetch_seconds_per_token = 1, .layers = tiny.layers};
  scene<quick_model> s({.time = time_mode::virtual_time, .check_ordering = true}, sizes);
  const std::uint64_t one[] = {1, 2, 3}, shorter[] = {4, 5};
  request r = window(1, 0, 24);
  r.fingerprint = {.stride = 8, .prefix_hashes = one};
  serve(s, r);
  serve(s, window(2, 0, 24));  // the slab has [16, 24) of user 1 at most
  CHECK(plan(s, r).recomputed.size() != 0);
  request unknown = window(1, 0, 20);
  unknown.fingerprint = {.stride = 8, .prefix_hashes = shorter};
  const outlook p = plan(s, unknown);
  CHECK(p.recomputed.empty());
  CHECK(p.computed() == 0);
  unknown.history_tokens = 23;
  unknown.first_token = 2;
  CHECK(s.cache.prefetch(unknown, {.pages = 1}).value().tokens == 4);
  unknown.history_tokens = 20;
  unknown.first_token = 0;

  serve(s, window(3, 0, 32));  // the arena loses the front of user 1
  const outlook left = plan(s, window(1, 0, 20));
  REQUIRE((left.computed() > left.recomputed.size() && left.recomputed.size() != 0));
  CHECK(plan(s, unknown).computed() == 20);
  const prefetch_outcome nothing = s.cache.prefetch(unknown).value();
  CHECK(nothing.tokens + nothing.left == 0);
}

TEST_CASE("dropping the lease of a moved window drops its new tokens only", "[cache][windows]")
{
  scene<default_scene_cache> s(16, 32);
  serve(s, window(1, 0, 20));
  hold(s, window(1, 4, 28)).release();
  CHECK(s.cache.stats().levels[0].resident_tokens == 16);
  CHECK(s.cache.stats().levels[0].resident_bytes == 4 * tiny_page_bytes);
  CHECK(is(serve(s, window(1, 4, 28)), 16, 0, 8));
}

TEST_CASE("requests whose window makes no sense", "[cache][windows][errors]")
{
  scene<default_scene_cache> s(16, 32);
  serve(s, window(1, 0, 8));
  const request behind = window(1, 9, 8);
  const std::string why = sentence_of<usage_error>([&] { static_cast<void>(s.cache.plan({&behind, 1})); });
  CHECK(why.find("user 1 begins at token 9") != std::string::npos);
  CHECK(why.find("8 tokens") != std::string::npos);
  CHECK_THROWS_AS(s.cache.prepare({&behind, 1}, s.compute), usage_error);
  CHECK_THROWS_AS(s.cache.prefetch(behind), usage_error);

  const std::uint64_t hashes[] = {1, 2};
  request few = window(1, 3, 20);
  few.stretches = {.stride = 4, .hashes = hashes};  // [4, 20): four stretches
  const std::string needs = sentence_of<usage_error>([&] { static_cast<void>(s.cache.plan({&few, 1})); });
  CHECK(needs.find("2 hashes") != std::string::npos);
  CHECK(needs.find("needs 4") != std::string::npos);
  few.first_token = 9;  // [12, 20)
  CHECK_NOTHROW(s.cache.plan({&few, 1}));
  few.stretches.stride = 100;  // none
  CHECK_NOTHROW(s.cache.plan({&few, 1}));
  CHECK(s.cache.stats().levels[0].resident_tokens == 8);

  auto sizes = tiny_config<default_scene_cache>(4, 4);
  sizes.kept_stretches = 100'000;
  CHECK(sentence_of<config_error>([&] {
          const default_scene_cache c(s.device, sizes);
        }).find("kept_stretches is 100000") != std::string::npos);
}
