// Who may come into a store: its admission policy is told of every request, and asked of whom the store has nothing.
#include "cache/stores_bed.hpp"

#include <kvstrata/replacement/admission/second_use.hpp>

#include <cstdint>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

/// Lets in whom it was told of often enough, and remembers what it was asked.
struct often_enough
{
  using option_kind = admission_option;

  void requested(const object_info& what)
  {
    if (told.size() <= to_number(what.user)) told.resize(to_number(what.user) + 1);
    ++told[to_number(what.user)];
  }
  [[nodiscard]] bool admits(const object_info& what, const object_info* victim)
  {
    CHECK(victim == nullptr);
    CHECK(what.tokens != 0);
    CHECK(what.bytes >= std::uint64_t{what.tokens} * tiny_page_bytes / tiny_page);
    return told.size() > to_number(what.user) && told[to_number(what.user)] >= 3;
  }

  std::vector<unsigned> told;
};

template <class Admission>
using choosy_cache =
    cache<tier_stack<device_slab<moody_device>, pinned_arena<token_write_through>, memory_store<write_back, Admission>>,
          paged_layout, layerwise_transfer<>, lru, losses>;

}  // namespace

TEST_CASE("who is turned away goes to no store, and comes in when the policy says so")
{
  store_scene<choosy_cache<second_use>> s;
  constexpr unsigned users = 12;
  const auto round = [&s] {
    for (unsigned user = 0; user < users; ++user) static_cast<void>(s.serve(user, 8 * tiny_page));
    s.settle();
  };
  round();
  REQUIRE(s.figures().puts == 0);
  REQUIRE(s.figures().unadmitted_tokens != 0);
  REQUIRE(s.figures().unadmitted_tokens % tiny_page == 0);
  REQUIRE(s.store.shelf().records() == 0);
  round();
  REQUIRE(s.figures().puts != 0);
  REQUIRE(s.store.shelf().records() != 0);
  const std::uint64_t turned_away = s.figures().unadmitted_tokens;
  round();
  REQUIRE(s.figures().staged_tokens != 0);
  REQUIRE(s.figures().unadmitted_tokens < turned_away + users * 8 * tiny_page);
}

TEST_CASE("a store's policy hears of every request, and is not asked of whom the store has something")
{
  store_scene<choosy_cache<often_enough>> s;
  for (unsigned again = 0; again < 2; ++again) {
    for (unsigned user = 0; user < 12; ++user) static_cast<void>(s.serve(user, 8 * tiny_page));
  }
  s.settle();
  REQUIRE(s.figures().puts == 0);
  for (unsigned again = 0; again < 2; ++again) {
    for (unsigned user = 0; user < 12; ++user) static_cast<void>(s.serve(user, 8 * tiny_page));
  }
  s.settle();
  REQUIRE(s.figures().puts != 0);
}
