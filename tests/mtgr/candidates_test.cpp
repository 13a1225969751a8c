// Candidates beside each other: each is scored as if it were alone.
#include "mtgr/fixture.hpp"

#include "support/catch.hpp"

#include <numeric>

namespace {

using namespace mtgr_test;
using kvstrata::token_count;

// A user's candidates `which`, in that order.
user with_candidates(const user& u, const std::vector<std::uint32_t>& which)
{
  user out = u;
  out.candidates.clear();
  out.candidate_times.clear();
  for (const std::uint32_t i : which) {
    const auto at = u.candidates.begin() + static_cast<std::ptrdiff_t>(i * u.candidate_floats());
    out.candidates.insert(out.candidates.end(), at, at + static_cast<std::ptrdiff_t>(u.candidate_floats()));
    out.candidate_times.push_back(u.candidate_times[i]);
  }
  return out;
}

}  // namespace

TEST_CASE("a candidate's score does not depend on how many there are, on their order, or on others", "[mtgr]")
{
  generator random(21);
  const mtgr::model m(small_config(), 2);
  std::vector<user> users{user(random, m.options(), 60, 25, 64)};
  part_pages memory(random, m.shape(), 16, users);
  const std::vector<float> together = run(m, users, memory);

  std::vector<std::uint32_t> order(64);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), random);
  const auto check = [&](const std::vector<std::uint32_t>& which) {
    std::vector<user> some{with_candidates(users[0], which)};
    some[0].static_compute = some[0].recent_compute = {};
    const std::vector<float> logits = run(m, some, memory);
    for (std::size_t i = 0; i < which.size(); ++i) {
      CHECK(std::abs(logits[2 * i] - together[2 * which[i]]) < close_enough);
      CHECK(std::abs(logits[2 * i + 1] - together[2 * which[i] + 1]) < close_enough);
    }
  };
  for (const std::uint32_t one : {0u, 13u, 63u}) check({one});
  check(order);
  order.resize(17);
  check(order);
  check({5, 5, 5});  // one item several times over
}

TEST_CASE("candidates whose K and V are on scratch pages get the same bits, and no other page changes", "[mtgr]")
{
  generator random(23);
  const mtgr::model m(small_config(), 2);
  std::vector<user> users;
  for (const std::uint32_t candidates : {19u, 0u, 8u, 1u}) users.emplace_back(random, m.options(), 30, 11, candidates);
  part_pages memory(random, m.shape(), 8, users);
  const std::vector<float> apart = run(m, users, memory);
  const std::vector<std::byte> before = memory.bytes();
  const mtgr::part_views views = memory.views_with_scratch();
  CHECK(run(m, users, views) == apart);

  std::vector<std::byte> after = memory.bytes();
  std::size_t written = 0;  // put back, to see that nothing else is another
  for (std::size_t r = 0; r < users.size(); ++r) {
    for (token_count k = 0; k < users[r].count(); ++k) {
      for (kvstrata::layer_index l = 0; l < m.options().layers; ++l) {
        for (const std::size_t value : {std::size_t{0}, views.candidates->value_offset()}) {
          const auto at = static_cast<std::size_t>(views.candidates->key(l, r, k) - views.candidates->base) + value;
          if (std::memcmp(after.data() + at, before.data() + at, m.shape().key_bytes()) != 0) ++written;
          std::memcpy(after.data() + at, before.data() + at, m.shape().key_bytes());
        }
      }
    }
  }
  CHECK(written == (19 + 8 + 1) * 2 * m.options().layers);
  CHECK(after == before);
}

TEST_CASE("requests of a batch do not see each other", "[mtgr]")
{
  generator random(22);
  const mtgr::model m(small_config(), 2);
  std::vector<user> users;
  for (const std::uint32_t recents : {9u, 0u, 30u})
    users.emplace_back(random, m.options(), 5 + 3 * recents, recents, 6);
  part_pages memory(random, m.shape(), 8, users);
  const std::vector<float> together = run(m, users, memory);
  for (std::size_t i = 0; i < users.size(); ++i) {
    std::vector<user> alone{users[i]};
    part_pages mine(random, m.shape(), 32, alone);
    CHECK(furthest(run(m, alone, mine),
                   std::vector<float>(together.begin() + static_cast<std::ptrdiff_t>(12 * i),
                                      together.begin() + static_cast<std::ptrdiff_t>(12 * i + 12))) < close_enough);
  }
}
