// A version takes the place of another, and what stood on that one goes: against what was told of each version and of who stands
// on it.
#include "books/bed.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <kvstrata/books/supersede.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <new>
#include <random>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

/// Adds up what it hears of superseded tokens.
struct superseded_tokens
{
  std::uint64_t all = 0;
  void on(const tokens_forgotten& e) noexcept { all += e.superseded; }
};

using bed_type = book_bed<stack_of<2>, hybrid_layout, lru, superseded_tokens>;
using entry_type = bed_type::entry_type;

constexpr std::uint32_t of_parts = 1, of_histories = 2;

/// Somebody writes that version beside what the key has, and publishes it. Who had its place goes, unless somebody holds it.
entry_type& write(bed_type& bed, const sequence_key& key, std::uint64_t version, token_count tokens)
{
  entry_type& made = bed.books.users().add_unseen(key, true);
  made.atomic = true;
  ++made.holds;
  made.learn().version = version;
  if (entry_type* const before = bed.books.publish(made)) bed.books.erase(*before);
  bed.give<1>(made, {0, tokens});
  --made.holds;
  return made;
}

/// Erases what is stale and nobody holds.
void forget_stale(bed_type& bed)
{
  std::vector<entry_type*> stale;
  bed.books.users().stale([&stale](entry_type& e) {
    stale.push_back(&e);
    return true;
  });
  for (entry_type* e : stale) bed.books.erase(*e);
}

struct told_version
{
  entry_type* e = nullptr;
  std::uint64_t version = 0;
  token_count tokens = 0;
};
struct told_history
{
  entry_type* e = nullptr;
  token_count tokens = 0;
  std::map<std::uint64_t, std::uint64_t> grounds;  ///< [part] the version that it stands on
  bool fallen = false;
};

}  // namespace

TEST_CASE("supersede: a new version takes the place of the one before, and what stood on that one goes", "[books]")
{
  std::mt19937 random(27);
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  bed_type bed({8, 400});
  auto& books = bed.books;
  std::map<std::uint64_t, told_version> parts;
  std::map<std::uint64_t, told_history> histories;
  std::vector<entry_type*> held_past;             // versions whose place another has
  std::uint64_t lives = std::uint64_t{1} << 40U;  // versions of histories are no numbers of parts
  std::uint64_t versions_gone = 0, gone = 0, held_until_later = 0;
  for (int step = 0; step < 6000; ++step) {
    const std::uint64_t part = below(4), history = below(8);
    const sequence_key part_key{of_parts, part}, history_key{of_histories, history};
    const std::uint32_t what = below(16);
    if (what < 4) {  // a version, the same one once more at times
      told_version& mine = parts[part];
      if (mine.e != nullptr && mine.e->holds != 0) held_past.push_back(mine.e);
      const std::uint64_t version = mine.version + below(3);
      versions_gone += mine.tokens;
      gone += mine.tokens;
      mine = {nullptr, version == 0 ? 1 : version, 1 + below(8)};
      mine.e = &write(bed, part_key, mine.version, mine.tokens);
      for (auto& [id, one] : histories) {
        const auto ground = one.grounds.find(part);
        if (ground != one.grounds.end() && ground->second != mine.version) one.fallen = true;
      }
    } else if (what < 9) {  // a history comes, or stands on one more
      if (histories.count(history) == 0) {
        entry_type& made = books.users().add(history_key);
        made.learn().version = ++lives;
        const token_count tokens = 1 + below(8);
        bed.give<1>(made, {0, tokens});
        histories[history] = {&made, tokens, {}, false};
      }
      told_history& mine = histories[history];
      if (parts.count(part) != 0 && !mine.fallen && mine.grounds.count(part) == 0) {
        books.stand(*mine.e, part_key, parts[part].version);
        mine.grounds[part] = parts[part].version;
      }
    } else if (what < 11) {
      if (histories.count(history) != 0) histories[history].e->holds ^= 1U;
    } else if (what == 11) {
      if (parts.count(part) != 0) parts[part].e->holds ^= 1U;
    } else if (what == 12) {  // the last hold of one whose place another has
      if (held_past.empty()) continue;
      books.erase(*held_past.back());
      held_past.pop_back();
    } else if (what == 13) {  // somebody goes for another reason
      const auto at = histories.find(history);
      if (at == histories.end() || at->second.e->holds != 0) continue;
      books.erase(*at->second.e);
      histories.erase(at);
    } else {
      books.settle_superseded();
      bool any_held = false;
      for (auto at = histories.begin(); at != histories.end();) {
        told_history& one = at->second;
        if (one.fallen && one.e->holds == 0) {
          REQUIRE(books.is_stale(*one.e));
          REQUIRE(books.users().find({of_histories, at->first}) == nullptr);
          gone += one.tokens;
          at = histories.erase(at);
          continue;
        }
        any_held = any_held || one.fallen;
        held_until_later += one.fallen ? 1 : 0;
        ++at;
      }
      REQUIRE(books.any_superseded() == any_held);
      if (below(2) == 0) forget_stale(bed);
    }
    for (const auto& [id, one] : parts) REQUIRE(books.users().find({of_parts, id}) == one.e);
    for (const auto& [id, one] : histories) REQUIRE(books.users().find({of_histories, id}) == one.e);
    for (const entry_type* e : held_past) REQUIRE((e->doomed && !books.is_live(*e)));
    std::uint64_t resident = 0;
    for (const auto& [id, one] : parts) resident += one.tokens;
    for (const auto& [id, one] : histories) resident += one.tokens;
    const cache_stats s = books.stats();
    REQUIRE(s.levels[1].resident_tokens == resident);
    REQUIRE(s.users == parts.size() + histories.size());
    REQUIRE((books.superseded() == gone && books.superseded_versions() == versions_gone));
    REQUIRE(bed.books.tracker().all == gone);
  }
  CHECK((versions_gone > 2000 && gone > versions_gone + 1000 && held_until_later > 100));
}

TEST_CASE("supersede: where there is no memory to say it, the version before stays in its place", "[books]")
{
  bed_type bed({8, 400});
  const sequence_key key{of_parts, 1};
  entry_type& before = write(bed, key, 1, 4);
  for (std::uint64_t id = 0; id < 60; ++id) {
    entry_type& e = bed.books.users().add({of_histories, id});
    e.learn().version = id + 1;
    bed.give<1>(e, {0, 4});
    bed.books.stand(e, key, 1);
  }
  entry_type& made = bed.books.users().add_unseen(key, true);
  ++made.holds;
  made.learn().version = 2;
  std::size_t failures = 0;
  for (std::size_t which = 1;; ++which) {
    entry_type* had = nullptr;
    try {
      const failing_allocation fails(which);
      had = bed.books.publish(made);
    } catch (const std::bad_alloc&) {
      ++failures;
      REQUIRE((bed.books.users().find(key) == &before && bed.books.users().writer(key) == &made));
      REQUIRE((made.doomed && bed.books.superseded() == 0 && !bed.books.any_superseded()));
      continue;
    }
    REQUIRE(had == &before);
    bed.books.erase(*had);
    break;
  }
  CHECK(failures > 0);
  CHECK((bed.books.users().find(key) == &made && bed.books.users().writer(key) == nullptr));
  CHECK(bed.books.superseded() == 4);
  bed.books.settle_superseded();
  CHECK((bed.books.superseded() == 4 + 60 * 4 && bed.books.superseded_versions() == 4));
  CHECK(bed.books.stats().users == 0);
  --made.holds;
  forget_stale(bed);
}
