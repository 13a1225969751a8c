// What every admission policy must do, whoever it lets in: run it on your own with a file of a few lines,
//
//   TEST_CASE("my admission") { kvstrata_test::admission_conformance<my_admission>(); }
//
// What it decides is its own, and is tested beside it. Any order of requests and questions must be fine, with room and
// without, for users who were never requested and for the largest.
#pragma once

#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <kvstrata/replacement/admission/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace kvstrata_test {

struct admission_traits
{
  bool may_allocate = false;  ///< after construction; policies that run in a cache must not
};

template <kvstrata::admission_policy Admission>
void admission_conformance(const admission_traits& traits = {})
{
  using namespace kvstrata;
  using answers = std::vector<bool>;

  /// What it answers to a stream of requests that a seed draws, and what it allocates meanwhile.
  const auto ask = [](std::uint32_t seed, const tier_size& size, std::size_t questions) {
    std::mt19937 random(seed);
    auto policy = make_admission<Admission>(size);
    answers out;
    out.reserve(questions);
    const std::size_t before = allocations();
    for (std::size_t i = 0; i < questions; ++i) {
      object_info asks{.user = user_id{random() % 200},
                       .bytes = 1 + random() % 4096,
                       .tokens = 1 + static_cast<token_count>(random() % 100),
                       .time_ms = static_cast<std::int64_t>(i) * 1000};
      const object_info goes{.user = user_id{random() % 200}, .bytes = 1 + random() % 4096, .tokens = 7};
      if (random() % 8 == 0) asks.user = user_id{~std::uint64_t{0} - random() % 3};
      if (random() % 4 != 0) notify_requested(policy, std::as_const(asks));
      if (random() % 2 == 0) out.push_back(policy.admits(asks, random() % 2 == 0 ? &goes : nullptr));
    }
    return std::pair(out, allocations() - before);
  };

  SECTION("any requests and questions are answered, alike by two of the same make, and without allocation")
  {
    for (std::uint32_t seed = 0; seed < 8; ++seed) {
      CAPTURE(seed);
      const tier_size size{.bytes = std::uint64_t{1} << (seed * 4), .objects = 1 + seed * 40};
      const auto first = ask(seed, size, 5000);
      const auto second = ask(seed, size, 5000);
      REQUIRE(first.first == second.first);
      if (!traits.may_allocate) REQUIRE(first.second == 0);
    }
  }

  SECTION("a tier without room is no error")
  {
    const auto none = ask(1, {.bytes = 0, .objects = 0}, 200);
    REQUIRE(none.first.size() <= 200);
  }

  SECTION("one that is moved goes on where it was")
  {
    if constexpr (std::is_move_constructible_v<Admission>) {
      auto from = make_admission<Admission>({.bytes = 4096, .objects = 64});
      const object_info asks{.user = user_id{3}, .bytes = 64, .tokens = 2};
      notify_requested(from, asks);
      Admission to = std::move(from);
      notify_requested(to, asks);
      static_cast<void>(to.admits(asks, nullptr));
    }
  }
}

}  // namespace kvstrata_test
