// What an entry says of its user's tokens, token by token: in which levels they are; and what discarding leaves of it.
#include "books/bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/books/entry.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

[[nodiscard]] token_interval any_interval(std::mt19937& random, token_count most)
{
  const auto a = static_cast<token_count>(random() % (most + 1));
  const auto b = static_cast<token_count>(random() % (most + 1));
  return random() % 4 == 0 ? token_interval{} : token_interval{(std::min)(a, b), (std::max)(a, b)};
}

/// How many of `tokens` a level of [From, To) has but for Except, by asking for each.
template <level_index From, level_index To, level_index Except, class Entry>
[[nodiscard]] token_count one_by_one(const Entry& e, token_interval tokens)
{
  token_count sum = 0;
  for (token_count t = tokens.begin; t < tokens.end; ++t) {
    bool there = false;
    each_level<From, To>([&](auto i) { there = there || (i() != Except && e.template at<i()>().tokens.contains(t)); });
    sum += there ? 1 : 0;
  }
  return sum;
}

template <level_index From, level_index To, level_index Except = most_levels, class Entry>
void compare(const Entry& e, token_interval tokens)
{
  const token_count said = e.template tokens_in<From, To, Except>(tokens);
  const token_count counted = one_by_one<From, To, Except>(e, tokens);
  CAPTURE(From, To, Except, tokens.begin, tokens.end);
  REQUIRE(said == counted);
}

template <level_index Levels>
void against_each_token()
{
  std::mt19937 random(Levels);
  for (int round = 0; round < 2000; ++round) {
    lone_entry<typename entry_of_levels<Levels>::type> e(1);
    each_level<0, Levels>([&](auto i) { e.template at<i()>().tokens = any_interval(random, 24); });
    const token_interval asked = any_interval(random, 28);
    compare<0, Levels>(e, asked);
    compare<1, Levels>(e, asked);
    compare<Levels, Levels>(e, asked);
    each_level<0, Levels>([&](auto i) {
      compare<0, Levels, i()>(e, asked);
      compare<i(), Levels>(e, asked);
      compare<0, i()>(e, asked);
    });
    if constexpr (Levels > 2) compare<1, Levels, 1>(e, asked);
  }
}

}  // namespace

TEST_CASE("entry: how many tokens levels have together, one to four of them, whichever is left out", "[books]")
{
  against_each_token<1>();
  against_each_token<2>();
  against_each_token<3>();
  against_each_token<4>();
}

TEST_CASE("entry: discarded, it is as good as new, but for who it is", "[books]")
{
  lone_entry<entry_of_levels<3>::type> e(7);
  e.generation = 2;
  CHECK((&e.at<0>().owner() == &e && &e.at<2>().owner() == &e));
  CHECK((e.has_no_extents() && e.has_no_tokens()));
  e.at<2>().extents = {{0, 3, 5}};
  e.at<1>().tokens = {4, 8};
  CHECK_FALSE(e.has_no_extents());
  CHECK_FALSE(e.has_no_tokens());
  e.at<2>().read.add({0, 4});
  e.at<0>().left = e.at<1>().refused = true;
  e.uses = 4;
  e.asked_at = 4;
  e.hot().dirty = 3;
  known_history& known = e.learn();
  known.first_token = known.earlier_until = 9;
  known.vouched = {4, 5};
  known.stretches = {.stride = 2, .end = 3, .hashes = {1, 2}};
  e.hot().prefetch() = {.unread = true, .had = {0, 2}, .arriving = {event{}}};
  e.become_cold();
  CHECK(e.look<0>().tokens.empty());
  e.record.renew();
  e.renew();
  CHECK((e.has_no_extents() && e.has_no_tokens()));
  CHECK(e.at<2>().read.among({0, 100}) == 0);
  CHECK_FALSE((e.record.left || e.at<1>().refused));
  CHECK((e.uses == 0 && e.asked_at == 0 && e.record.dirty == 0));
  CHECK((e.if_known() == nullptr && e.known().vouched.tokens == 0 && e.known().first_token == 0));
  CHECK_FALSE(e.record.prefetched().unread);
  CHECK((e.record.prefetched().had.empty() && e.record.prefetched().arriving.empty()));
  CHECK((e.user == user_id{7} && e.generation == 2));
}

TEST_CASE("entry: what is known of a history stays with the user, hot or cold", "[books]")
{
  using entry_type = entry_of_levels<2>::type;
  entry_type::hot_record first, second;
  entry_type e;
  CHECK((e.if_known() == nullptr && e.known().first_token == 0));
  e.learn().first_token = 5;
  e.become_hot(first);
  CHECK(e.known().first_token == 5);
  e.learn().earlier_until = 6;
  e.become_cold();
  first.renew();
  CHECK((e.known().first_token == 5 && e.known().earlier_until == 6));
  e.renew();
  CHECK(e.if_known() == nullptr);
  e.become_hot(first);
  e.learn().first_token = 7;
  e.become_cold();
  e.become_hot(second);
  CHECK((e.known().first_token == 7 && first.known == nullptr));
  e.become_cold();
}

TEST_CASE("entry: a user in memories takes little", "[books]")
{
  CHECK(sizeof(entry<lru::hook, lru::hook>) <= 88);
  CHECK(sizeof(entry<lru::hook, lru::hook>::hot_record) <= 192);
}
