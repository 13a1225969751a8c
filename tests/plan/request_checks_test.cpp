// What is never right about a request: the quick look at a batch against each check by itself, and users twice against a set.
#include "books/bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/plan/request_checks.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

template <class Call>
[[nodiscard]] std::string sentence_of(Call&& call)
{
  try {
    call();
  } catch (const std::exception& e) {
    return e.what();
  }
  return {};
}

}  // namespace

TEST_CASE("request_checks: a user twice in a batch is found as a set finds them, batch after batch", "[plan]")
{
  std::mt19937_64 random(12);
  distinct_users users;
  std::size_t refused = 0;
  for (int round = 0; round < 4000; ++round) {
    std::vector<request> batch(random() % 12);
    std::set<std::uint64_t> seen;
    std::optional<std::uint64_t> twice;
    const std::uint64_t apart = round % 3 == 0 ? std::uint64_t{1} << 40U : 1;  // ids that share their low bits, too
    for (request& r : batch) {
      r.user = user_id{(random() % 60) * apart};
      if (!seen.insert(to_number(r.user)).second && !twice) twice = to_number(r.user);
    }
    const std::string said = sentence_of([&] { users.require(batch); });
    REQUIRE(said.empty() == !twice.has_value());
    if (!twice) continue;
    ++refused;
    REQUIRE(said.find("user " + std::to_string(*twice) + " is twice in one batch") == 0);
  }
  CHECK(refused > 500);
}

TEST_CASE("request_checks: the quick look finds right what every check by itself finds right, and nothing else",
          "[plan]")
{
  book_bed<stack_of<2>, contiguous_layout> bed({12, 12});
  using checks_type = request_checks<std::decay_t<decltype(bed.books)>>;
  const checks_type checks(bed.books);
  const auto now = checks.now();
  std::mt19937_64 random(13);
  std::size_t right = 0, wrong = 0;
  const std::uint64_t hashes[64] = {};
  for (int round = 0; round < 20'000; ++round) {
    const auto upto = [&random](std::uint64_t n) { return random() % (n + 1); };
    request r{.user = user_id{upto(3)}};
    r.epoch = upto(9) == 0 ? epoch_id{to_number(now.epoch) + 1} : now.epoch;
    r.history_tokens = static_cast<token_count>(upto(9) == 0 ? now.longest + upto(2) : upto(now.longest));
    r.first_token = static_cast<token_count>(upto(5) == 0 ? r.history_tokens + upto(1) : upto(r.history_tokens));
    const std::int64_t times[] = {0, 1, 253'402'300'799'999, 253'402'300'800'000, -1};
    r.time_ms = times[upto(15) < 13 ? upto(2) : upto(4)];
    if (upto(7) == 0) r.fingerprint = {static_cast<token_count>(1 + upto(3)), std::span(hashes, upto(20))};
    const bool by_itself = !checks.turned_away({&r, 1}) &&
                           sentence_of([&] { checks_type::require_right(r); }).empty() &&
                           sentence_of([&] { checks.require_countable(r); }).empty();
    REQUIRE(checks_type::is_right(r, now) == (by_itself && !has_fingerprint(r)));
    REQUIRE(are_of_epoch({&r, 1}, now.epoch) == !checks.turned_away({&r, 1}).has_value());
    ++(by_itself ? right : wrong);
  }
  CHECK((right > 2000 && wrong > 2000));
}

TEST_CASE("request_checks: a sentence names the thing, the value and the limit", "[plan]")
{
  book_bed<stack_of<2>, contiguous_layout> bed({12, 12});
  using checks_type = request_checks<std::decay_t<decltype(bed.books)>>;
  const checks_type checks(bed.books);
  const request behind{.user = user_id{7}, .history_tokens = 5, .first_token = 6};
  CHECK(sentence_of([&] { checks_type::require_right(behind); }) ==
        "the request of user 7 begins at token 6, but their history has 5 tokens; first_token counts from the "
        "beginning of "
        "the history, and so does history_tokens");
  const std::uint64_t one[] = {1};
  const request few{.user = user_id{7}, .history_tokens = 9, .fingerprint = {.stride = 4, .prefix_hashes = one}};
  CHECK(sentence_of([&] { checks_type::require_right(few); }) ==
        "the fingerprint of user 7 has 1 hashes, but a history of 9 tokens at stride 4 needs 2");
  const token_count most = checks.now().longest;
  const request large{.user = user_id{7}, .history_tokens = most + 1};
  CHECK(sentence_of([&] { checks.require_countable(large); }) ==
        "the history of user 7 has " + std::to_string(most + 1) + " tokens, but the layout has room for at most " +
            std::to_string(most));
  CHECK(sentence_of([&] { checks.require_fits(2, 17); }) ==
        "the batch of 2 users needs 17 pages, but the slab has 12; send a smaller batch or give the slab more bytes");
  CHECK(sentence_of([&] { checks.require_fits(2, 12); }).empty());

  const request late{.user = user_id{7}, .history_tokens = 5, .epoch = epoch_id{to_number(checks.now().epoch) + 3}};
  const auto why = checks.turned_away({&late, 1});
  REQUIRE(why.has_value());
  CHECK((why->why == pressure::reason::early_epoch && why->user == 7 && why->request_epoch == to_number(late.epoch) &&
         why->cache_epoch == to_number(checks.now().epoch)));
}
