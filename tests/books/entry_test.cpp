// What an entry says of its user's tokens, token by token: in which levels they are, and which were served.
#include "books/bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/books/directory.hpp>
#include <kvstrata/books/entry.hpp>
#include <kvstrata/books/served_tokens.hpp>

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

TEST_CASE("served_tokens: exact while there are few stretches, as a set of tokens has them", "[books]")
{
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    served_tokens served;
    std::vector<bool> naive(64, false);
    for (int step = 0; step < 20; ++step) {
      const token_interval tokens = any_interval(random, 64);
      if (random() % 4 == 0) {
        served.keep(tokens);
        for (token_count t = 0; t < 64; ++t) naive[t] = naive[t] && tokens.contains(t);
      } else {
        std::vector<bool> more = naive;
        for (token_count t = tokens.begin; t < tokens.end; ++t) more[t] = true;
        std::size_t stretches = 0;
        for (token_count t = 0; t < 64; ++t) stretches += more[t] && (t == 0 || !more[t - 1]) ? 1U : 0U;
        if (stretches > served_tokens::most) continue;
        served.add(tokens);
        naive = more;
      }
      const token_interval asked = any_interval(random, 64);
      token_count counted = 0;
      for (token_count t = asked.begin; t < asked.end; ++t) counted += naive[t] ? 1U : 0U;
      REQUIRE(served.among(asked) == counted);
    }
  }
}

TEST_CASE("served_tokens: with one stretch too many the two that are closest become one", "[books]")
{
  served_tokens served;
  for (const token_count begin : {0U, 10U, 18U, 30U}) served.add({begin, begin + 4});
  CHECK(served.among({0, 100}) == 16);
  served.add({50, 54});
  CHECK(served.among({0, 100}) == 16 + 4 + 4);  // and [14, 18)
  CHECK(served.among({14, 18}) == 4);
  served.clear();
  CHECK(served.among({0, 100}) == 0);
}

TEST_CASE("directory: who goes from among the stale leaves the others, of whatever epoch, in line", "[books]")
{
  using entry_type = entry_of_levels<2>::type;
  for (std::uint64_t gone = 0; gone < 6; ++gone) {
    directory<entry_type> users(epoch_id{1});
    std::vector<entry_type*> all;
    for (std::uint64_t id = 0; id < 6; ++id) {
      if (id == 2 || id == 4) users.advance(epoch_id{id});
      all.push_back(&users.add(user_id{id}));
    }
    users.advance(epoch_id{9});
    users.discard(*all[gone]);
    std::vector<std::uint64_t> left;
    users.stale([&left](entry_type& e) {
      left.push_back(to_number(e.user));
      return true;
    });
    std::vector<std::uint64_t> wanted{0, 1, 2, 3, 4, 5};
    wanted.erase(wanted.begin() + static_cast<std::ptrdiff_t>(gone));
    CHECK(left == wanted);
  }
}
