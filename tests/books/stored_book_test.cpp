// Which lives of users stores have: the book against a map, what is lost against asking for each token, and who draws numbers.
#include "books/bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/books/stored_book.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <type_traits>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

[[nodiscard]] token_interval any_interval(std::mt19937& random, token_count most)
{
  const auto a = static_cast<token_count>(random() % (most + 1));
  const auto b = static_cast<token_count>(random() % (most + 1));
  return random() % 4 == 0 ? token_interval{} : token_interval{(std::min)(a, b), (std::max)(a, b)};
}

/// How many of `lost` neither another memory has nor a store, one by one.
template <level_index Level, class Book, class Entry>
[[nodiscard]] token_count gone_one_by_one(Book& book, const Entry& e, token_interval lost)
{
  token_count gone = 0;
  const auto* const life = book.find(e.key());
  for (token_count t = lost.begin; t < lost.end; ++t) {
    bool there = false;
    each_level<0, Entry::memories>(
        [&](auto i) { there = there || (i() != Level && e.template at<i()>().tokens.contains(t)); });
    if (life != nullptr) {
      for (const token_interval has : life->tokens) there = there || has.contains(t);
    }
    gone += there ? 0 : 1;
  }
  return gone;
}

}  // namespace

TEST_CASE("stored_book: numbers of lives say who drew them, and none comes twice", "[books]")
{
  random_lives mine, theirs;
  std::set<std::uint64_t> drawn;
  for (int i = 0; i < 1000; ++i) {
    for (random_lives* const who : {&mine, &theirs}) {
      const incarnation_id life = who->next();
      CHECK(drawn.insert(to_number(life)).second);
      CHECK(mine.is_mine(life) == (who == &mine));
      CHECK(theirs.is_mine(life) == (who == &theirs));
    }
  }
}

TEST_CASE("stored_book: has the lives that it was told of, as a map has them", "[books]")
{
  using book_type = stored_book<2>;
  std::mt19937 random(25);
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  book_type book;
  random_lives theirs;
  struct known
  {
    incarnation_id incarnation{};
    token_count reach = 0;  ///< as a mark of what was told of that life; 0: it is new
    bool mine = false;
  };
  std::map<std::uint64_t, known> wanted;
  std::set<std::uint64_t> drawn;
  const auto is_here = [](const sequence_key&) { return true; };
  const auto is_new = [&](const sequence_key& key) {
    const book_type::life* const life = book.find(key);
    return life != nullptr && life->reach == 0 && life->tokens[0].empty() && life->tokens[1].empty() &&
           life->inexact_from == all_exact && drawn.insert(to_number(life->incarnation)).second;
  };
  for (int step = 0; step < 5000; ++step) {
    const std::uint64_t id = below(40);
    const sequence_key key{.space = 3, .id = id};
    const bool had = wanted.count(id) != 0;
    const std::uint32_t what = below(12);
    if (what < 2) {
      const auto& life = book.begin(key, is_here);
      REQUIRE(is_new(key));
      wanted[id] = {life.incarnation, 0, true};
    } else if (what < 4) {
      const incarnation_id found = theirs.next();
      const auto& life = book.adopt(key, found, is_here);
      REQUIRE((&life == book.find(key) && life.incarnation == found));
      REQUIRE(is_new(key));
      wanted[id] = {found, 0, false};
    } else if (what < 6) {
      book.renew(key);
      if (had) {
        REQUIRE(is_new(key));
        wanted[id] = {book.find(key)->incarnation, 0, true};
      }
    } else if (what < 8) {
      book.own(key);
      if (had && !wanted[id].mine) {
        REQUIRE(is_new(key));
        wanted[id] = {book.find(key)->incarnation, 0, true};
      }
    } else if (what < 9) {
      book.forget(key);
      wanted.erase(id);
    } else if (had) {
      auto& life = *book.find(key);
      life.reach = wanted[id].reach = 1 + below(9);
      life.tokens[below(2)] = {0, life.reach};
    }
    REQUIRE(book.size() == wanted.size());
    for (std::uint64_t one = 0; one < 40; ++one) {
      const auto* const life = book.find({.space = 3, .id = one});
      const auto at = wanted.find(one);
      REQUIRE((life == nullptr) == (at == wanted.end()));
      if (life == nullptr) continue;
      REQUIRE((life->incarnation == at->second.incarnation && life->reach == at->second.reach));
    }
    REQUIRE(book.find({.space = 2, .id = id}) == nullptr);
  }
}

TEST_CASE("stored_book: who has nothing in a memory is forgotten in time, and who has never", "[books]")
{
  stored_book<1> book;
  std::size_t asked = 0;
  const auto is_here = [&asked](const sequence_key& key) {
    ++asked;
    return key.id % 100 == 0;
  };
  std::size_t most = 0;
  for (std::uint64_t id = 0; id < 5000; ++id) {
    book.begin({.id = id}, is_here);
    most = (std::max)(most, book.size());
  }
  CHECK(most <= 2 * 50 + 64);
  CHECK(asked < 3 * 5000);
  for (std::uint64_t id = 0; id < 5000; id += 100) CHECK(book.find({.id = id}) != nullptr);
}

TEST_CASE("stored_book: what is gone with a copy, against asking for each token", "[books]")
{
  using entry_type = entry_of_levels<3>::type;
  std::mt19937 random(26);
  stored_book<2> book;
  stored_book<0> none;
  static_assert(std::is_empty_v<stored_book<0>>);
  const auto is_here = [](const sequence_key&) { return true; };
  for (int round = 0; round < 2000; ++round) {
    lone_entry<entry_type> e(1);
    each_level<0, 3>([&](auto i) { e.template at<i()>().tokens = any_interval(random, 24); });
    book.forget(e.key());
    if (random() % 5 != 0) {
      auto& life = book.begin(e.key(), is_here);
      for (token_interval& has : life.tokens) has = any_interval(random, 24);
    }
    const auto compare = [&](auto level) {
      constexpr level_index from = decltype(level)::value;
      const token_interval lost = intersect(any_interval(random, 24), e.template at<from>().tokens);
      const token_count said = gone_with<from, 3>(book, e, lost);
      REQUIRE(said == gone_one_by_one<from>(book, e, lost));
      REQUIRE(gone_with<from, 3>(none, e, lost) == lost.size() - e.template tokens_in<0, 3, from>(lost));
    };
    each_level<0, 3>(compare);
  }
}
