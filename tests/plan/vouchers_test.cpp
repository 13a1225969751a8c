// What fingerprints vouch for from a call until its commit, and what a cut leaves of it: against the hash of each prefix and stretch.
#include "books/bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/plan/vouchers.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

using entry_type = entry_of_levels<2>::type;

/// Of a history that is the same for everybody: prefixes and stretches by where they end.
[[nodiscard]] std::uint64_t hash_of_prefix(token_count end) { return 1'000'000 + end; }
[[nodiscard]] std::uint64_t hash_of_stretch(token_count begin, token_count end) { return 1000 * begin + end; }

/// A request with the hashes that it shows.
struct shown
{
  request r;
  std::vector<std::uint64_t> prefixes;
  std::vector<std::uint64_t> stretches;
};

[[nodiscard]] std::unique_ptr<shown> any_request(std::mt19937& random)
{
  const auto upto = [&random](token_count n) { return static_cast<token_count>(random() % (n + 1)); };
  auto out = std::make_unique<shown>();
  request& r = out->r;
  r.user = user_id{1};
  r.history_tokens = 1 + upto(60);
  r.first_token = upto(2) == 0 ? upto(r.history_tokens) : 0;
  r.volatile_tail = upto(2) == 0 ? upto(10) : 0;
  if (upto(3) != 0) {
    r.fingerprint.stride = 1 + upto(5);
    for (token_count end = r.fingerprint.stride; end <= r.history_tokens; end += r.fingerprint.stride) {
      out->prefixes.push_back(hash_of_prefix(end));
    }
    r.fingerprint.prefix_hashes = out->prefixes;
  }
  if (upto(3) != 0) {
    const token_count stride = r.stretches.stride = 1 + upto(5);
    for (token_count begin = 0; begin + stride <= r.history_tokens; begin += stride) {
      if (begin >= r.first_token) out->stretches.push_back(hash_of_stretch(begin, begin + stride));
    }
    r.stretches.hashes = out->stretches;
  }
  return out;
}

}  // namespace

TEST_CASE("vouchers: a commit keeps the longest prefix and the newest stretches that lasting tokens fill", "[plan]")
{
  std::mt19937 random(9);
  for (int round = 0; round < 2000; ++round) {
    auto e = std::make_unique<lone_entry<entry_type>>(1);
    const std::size_t most = 1 + random() % 4;
    vouched_prefix prefix;
    vouched_stretches wanted;
    for (int batch = 0; batch < 4; ++batch) {
      vouchers<entry_type> all;
      const auto one = any_request(random);
      const request& r = one->r;
      const bool unproven = random() % 8 == 0;
      const bool kept = random() % 5 != 0;
      e->learn();
      const std::size_t told = all.add(r, *e, {.unproven = unproven}, most);
      all.commit([&](const entry_type& who) { return &who == e.get() && kept; });

      // By hand: what of the request is vouched for, token by token.
      const token_count until = lasting_tokens(r).end;
      token_count end = 0;
      const token_count stride = r.fingerprint.stride;
      for (token_count t = 1; stride != 0 && t <= until; ++t) end = t % stride == 0 ? t : end;
      std::vector<std::uint64_t> newest;
      token_count behind = 0;
      const token_count step = r.stretches.stride;
      for (token_count t = r.first_token; step != 0 && t + step <= until; ++t) {
        if (t % step != 0) continue;
        newest.push_back(hash_of_stretch(t, t + step));
        behind = t / step + 1;
      }
      if (newest.size() > most) newest.erase(newest.begin(), newest.end() - static_cast<std::ptrdiff_t>(most));
      REQUIRE(told == (unproven ? 0 : newest.size()));
      if (!unproven && kept) {
        if (end > prefix.tokens) prefix = {end, hash_of_prefix(end)};
        if (!newest.empty() && (wanted.hashes.empty() || behind * step >= wanted.end * wanted.stride)) {
          wanted = {step, behind, newest};
        }
      }
      const known_history& known = e->known();
      REQUIRE((known.vouched.tokens == prefix.tokens && known.vouched.hash == prefix.hash));
      REQUIRE(known.stretches.hashes == wanted.hashes);
      if (!wanted.hashes.empty()) {
        REQUIRE((known.stretches.stride == wanted.stride && known.stretches.end == wanted.end));
      }
    }
  }
}

TEST_CASE("vouchers: what becomes of them when rows are cut", "[plan]")
{
  const std::uint64_t prefixes[] = {11, 12, 13, 14, 15}, stretches[] = {1, 2, 3, 4, 5};
  request r{.user = user_id{1}, .history_tokens = 20};
  const auto after = [&](const kept_tokens& kept, const request& cuts) {
    auto e = std::make_unique<lone_entry<entry_type>>(1);
    e->learn().vouched = {16, 14};
    e->learn().stretches = {.stride = 4, .end = 4, .hashes = {3, 4}};
    vouchers<entry_type>::cut(*e, cuts, kept, 2);
    return e;
  };
  const auto is = [](const entry_type& e, token_count tokens, token_count end, std::size_t hashes) {
    return e.known().vouched.tokens == tokens && e.known().vouched.hash == (tokens == 0 ? 0 : 10 + tokens / 4) &&
           e.known().stretches.hashes.size() == hashes && (hashes == 0 || e.known().stretches.end == end) &&
           (hashes == 0 || e.known().stretches.hashes.back() == end);
  };
  CHECK(is(*after({.tokens = {0, 16}}, r), 16, 4, 2));
  CHECK(is(*after({.tokens = {0, 13}}, r), 16, 4, 2));  // the rest is what it was
  CHECK(is(*after({.tokens = {0, 13}, .rewritten = true}, r), 0, 0, 0));
  CHECK(is(*after({.tokens = {}}, r), 0, 0, 0));
  request both = r;
  both.fingerprint = {.stride = 4, .prefix_hashes = prefixes};
  both.stretches = {.stride = 4, .hashes = stretches};
  CHECK(is(*after({.tokens = {0, 16}}, both), 16, 4, 2));
  CHECK(is(*after({.tokens = {0, 13}}, both), 12, 3, 2));  // its own, as far as it keeps them
  CHECK(is(*after({.tokens = {0, 13}, .rewritten = true}, both), 12, 3, 2));
  CHECK(is(*after({.tokens = {0, 7}}, both), 4, 1, 1));
  CHECK(is(*after({.tokens = {0, 3}}, both), 0, 0, 0));
  CHECK(is(*after({.tokens = {}}, both), 0, 0, 0));
  both.history_tokens = 15;  // neither the prefix nor the newest stretch
  CHECK(is(*after({.tokens = {0, 13}}, both), 16, 3, 2));
  both.history_tokens = 11;
  CHECK(is(*after({.tokens = {0, 9}}, both), 16, 4, 2));
}
