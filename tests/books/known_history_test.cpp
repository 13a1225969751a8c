// What is known of a history: which stretches its hashes are of, one by one; and that it is known whether a user is hot or cold.
#include "books/bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/books/known_history.hpp>

#include <cstdint>
#include <memory>
#include <random>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

using entry_type = entry_of_levels<2>::type;

}  // namespace

TEST_CASE("known_history: the stretches covered are those that have a hash", "[books]")
{
  CHECK(vouched_stretches{}.covered().empty());
  std::mt19937 random(22);
  for (int round = 0; round < 500; ++round) {
    vouched_stretches known{.stride = 4, .end = static_cast<token_count>(random() % 5), .hashes = {}};
    for (int step = 0; step < 20; ++step) {
      if (random() % 3 != 0) {  // the next one; its hash is its number
        known.hashes.push_back(known.end++);
      } else if (!known.hashes.empty()) {  // the oldest goes, or the newest
        if (random() % 2 == 0) known.hashes.erase(known.hashes.begin());
        else known.hashes.pop_back(), --known.end;
      }
      const token_interval covered = known.covered();
      REQUIRE(covered.size() == known.hashes.size());
      for (token_count s = covered.begin; s < covered.end; ++s) REQUIRE(known.hashes[s - covered.begin] == s);
    }
  }
}

TEST_CASE("known_history: of whom nobody has told nothing is known, and it takes no memory", "[books]")
{
  const known_history nothing;
  CHECK((nothing.vouched.tokens == 0 && nothing.stretches.hashes.empty() && nothing.first_token == 0));
  CHECK((nothing.earlier_until == 0 && nothing.version == 0));
  entry_type e;
  CHECK(e.if_known() == nullptr);
  CHECK((e.known().version == 0 && e.known().vouched.tokens == 0));
}

TEST_CASE("known_history: it stays with an entry that becomes hot, and cold again", "[books]")
{
  entry_type e;
  auto record = std::make_unique<entry_type::hot_record>();
  e.learn().version = 7;
  e.learn().stretches = {.stride = 4, .end = 3, .hashes = {1, 2}};
  e.become_hot(*record);
  CHECK((e.known().version == 7 && e.if_known() == record->known.get()));
  e.learn().first_token = 5;
  e.become_cold();
  CHECK(record->known == nullptr);
  CHECK((e.known().version == 7 && e.known().first_token == 5));
  CHECK(e.known().stretches.covered() == token_interval{1, 3});
  e.renew();
  CHECK(e.if_known() == nullptr);
}
