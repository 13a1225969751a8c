// What a write policy may go by: commits since the last write, what the tier and the tiers below have; and ranges.
#include "cache/scene.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

/// Notes what it is told, and has the last eight tokens written, from a page on.
template <int Number>
struct rear
{
  using option_kind = write_policy_option;
  static inline std::vector<write_facts> told;

  static token_interval flushed(const write_facts& f)
  {
    told.push_back(f);
    const token_count begin = f.tokens < 8 ? 0 : f.tokens - 8;
    return {begin - begin % f.page_tokens, f.tokens};
  }
  static bool writes_back(const write_facts&) { return true; }
};

/// Every third commit.
struct now_and_then
{
  using option_kind = write_policy_option;
  static token_count flushed_end(const write_facts& f) { return f.commits < 3 ? 0 : f.tokens; }
  static bool writes_back(const write_facts&) { return true; }
};

template <class... Lower>
using written_by =
    cache<tier_stack<device_slab<emulated_device>, Lower...>, paged_layout, layerwise_transfer<>, lru, counters>;

static_assert(write_policy<rear<0>> && !writes_at_commit<rear<0>> && write_policy<selective_write<2, rear<0>>>);

}  // namespace

TEST_CASE("a write policy may ask for a range", "[cache][writes]")
{
  scene<written_by<pinned_arena<rear<1>>>> s(8, 64);
  auto& told = rear<1>::told;
  told.clear();
  s.serve(1, 20);
  REQUIRE(told.back().here.empty());
  CHECK(s.cache.stats().dirty_tokens == 12);
  s.serve(1, 22);  // the range begins within what is there
  CHECK(told.back().here == token_interval{12, 20});
  s.serve(1, 24);
  CHECK(told.back().here == token_interval{12, 22});
  CHECK(s.cache.stats().dirty_tokens == 12);
}

TEST_CASE("a range that would leave a gap is refused, and written with what lies between when that must leave",
          "[cache][writes]")
{
  scene<written_by<pinned_arena<rear<3>>>> s(8, 64);
  s.serve(1, 12);
  s.serve(1, 32);
  CHECK(rear<3>::told.back().here == token_interval{4, 12});
  CHECK(s.cache.tracker().read().refused_for[static_cast<std::size_t>(refusal::apart)] == 8);
  CHECK(s.cache.stats().dirty_tokens == 24);
  s.serve(2, 32);
  CHECK(s.cache.tracker().read().dropped_tokens[0] == 0);
}

TEST_CASE("a write policy is told how many commits ago it last wrote", "[cache][writes]")
{
  scene<written_by<pinned_arena<now_and_then>>> s(8, 64);
  std::vector<std::uint64_t> seen;
  for (token_count tokens = 4; tokens <= 28; tokens += 4) {
    s.serve(1, tokens);
    seen.push_back(s.cache.stats().dirty_tokens);
  }
  CHECK(seen == std::vector<std::uint64_t>{4, 8, 0, 4, 8, 0, 4});
}

TEST_CASE("a write policy is told what the tiers below have", "[cache][writes]")
{
  using both = written_by<pinned_arena<rear<2>>, pinned_arena<token_write_through>>;
  scene<both> s({.time = time_mode::virtual_time, .check_ordering = true}, tiny_config<both>(8U, 64U, 64U));
  auto& told = rear<2>::told;
  told.clear();
  s.serve(1, 12);
  CHECK(told.back().below == 0);
  s.serve(1, 16);
  CHECK(told.back().below == 12);
  CHECK(told.back().here == token_interval{4, 12});
}
