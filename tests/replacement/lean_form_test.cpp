// Policies in the form that a cache of objects runs (replacement/lean_form.hpp) against the form that remembers keys: request by
// request the same becomes of everybody. And what ghost_hooks gives back when.
#include "support/catch.hpp"

#include <kvstrata/replacement/admission/second_use.hpp>
#include <kvstrata/replacement/arc.hpp>
#include <kvstrata/replacement/ghost_hooks.hpp>
#include <kvstrata/replacement/ghost_list.hpp>
#include <kvstrata/replacement/lean_form.hpp>
#include <kvstrata/replacement/s3_fifo.hpp>
#include <kvstrata/replacement/slru.hpp>
#include <kvstrata/replacement/two_q.hpp>
#include <kvstrata/simulate/object_cache.hpp>

#include <concepts>
#include <cstdint>
#include <random>

namespace {

using namespace kvstrata;

/// Derived from a policy it has no lean form.
template <class Policy>
struct by_key : Policy
{
  using Policy::Policy;
};

static_assert(remembers_by_hook<lean_form_t<arc, one_byte>> && !remembers_by_hook<arc>);
static_assert(remembers_by_hook<lean_form_t<two_q, told_bytes>> && remembers_by_hook<lean_form_t<s3_fifo, one_byte>>);
static_assert(std::same_as<lean_form_t<by_key<arc>, one_byte>, by_key<arc>>);
static_assert(!std::same_as<lean_form_t<slru<2, 80>, one_byte>, slru<2, 80>>);

template <class Policy, class Admission, object_size Size>
void decide_alike(std::uint64_t bytes, std::uint64_t objects, std::uint64_t keys, std::uint64_t seed)
{
  CAPTURE(bytes, objects, keys, seed);
  const tier_size size{.bytes = bytes, .objects = objects};
  object_cache<Policy, Admission, Size> lean(size);
  object_cache<by_key<Policy>, Admission, Size> plain(size);
  std::mt19937_64 random(seed);
  std::size_t wrong = 0;
  for (int step = 0; step < 6000; ++step) {
    const std::uint64_t key = random() % 3 == 0 ? random() % keys : random() % (keys / 4 + 1);
    const trace_access asked{.key = key << 20U, .bytes = random() % 7 + (random() % 64 == 0 ? bytes : 1)};
    if (lean.request(asked) != plain.request(asked)) ++wrong;
    if (lean.objects() != plain.objects() || lean.used_bytes() != plain.used_bytes()) ++wrong;
    const user_id other{(random() % keys) << 20U};
    if (lean.held_bytes(other) != plain.held_bytes(other)) ++wrong;
  }
  REQUIRE(wrong == 0);
}

template <class Policy, object_size Size>
void decide_alike_at_all_sizes()
{
  for (const std::uint64_t bytes : {1U, 2U, 5U, 24U, 130U, 400U}) {
    decide_alike<Policy, always, Size>(bytes, bytes, bytes / 2 + 3, bytes);
    decide_alike<Policy, always, Size>(bytes, bytes, 4 * bytes, bytes + 1);
    decide_alike<Policy, second_use, Size>(bytes, bytes, 3 * bytes, bytes + 2);
    decide_alike<Policy, always, Size>(bytes, bytes / 8 + 1, 4 * bytes, bytes + 3);  // more objects than ghosts
  }
}

template <class Policy>
void decide_alike_in_all_caches()
{
  decide_alike_at_all_sizes<Policy, object_size::unit>();
  decide_alike_at_all_sizes<Policy, object_size::fixed>();
  decide_alike_at_all_sizes<Policy, object_size::growing>();
}

TEST_CASE("slru decides alike in its lean form")
{
  decide_alike_in_all_caches<slru<>>();
  decide_alike_in_all_caches<slru<2, 80>>();
}
TEST_CASE("two_q decides alike in its lean form") { decide_alike_in_all_caches<two_q>(); }
TEST_CASE("arc decides alike in its lean form") { decide_alike_in_all_caches<arc>(); }
TEST_CASE("s3_fifo decides alike in its lean form") { decide_alike_in_all_caches<s3_fifo>(); }

TEST_CASE("an object and who left take no more than a hook, a key and a link each")
{
  REQUIRE(object_cache<arc>::object_bytes == 32);
  REQUIRE(object_cache<two_q>::object_bytes == 32);
  REQUIRE(object_cache<slru<>>::object_bytes == 32);
  object_cache<arc> cache({.bytes = 1000, .objects = 1000});
  for (std::uint64_t key = 0; key < 20'000; ++key) cache.request({.key = key % 7 == 0 ? key % 1000 : key});
  REQUIRE(cache.objects() == 1000);
  REQUIRE(cache.metadata_bytes() < 1000 * (2 * (32 + 32)) + 2000);
}

struct hook : boost::intrusive::list_base_hook<>
{
  told_bytes bytes{};
  std::uint8_t ghost = 0;
};

TEST_CASE("ghost_hooks gives back what it forgets, and who comes first of all stays theirs")
{
  hook all[4];
  ghost_hooks<hook, 2> ghosts(2, 100);
  ghosts.remember(all[0], 0, 10, 1);
  ghosts.remember(all[1], 1, 0, 0);
  REQUIRE(ghosts.size() == 2);
  REQUIRE(ghosts.bytes(1) == 10);
  REQUIRE(ghosts.forgotten() == nullptr);

  ghosts.expect(&all[0]);
  const auto known = ghosts.find(0);
  REQUIRE((known && known->bytes == 10 && known->list == 1));
  ghosts.remember(all[2], 2, 5, 1);  // no slot: the oldest of its list goes, and that is who comes
  REQUIRE(ghosts.bytes(1) == 5);
  REQUIRE(!ghosts.find(0));
  REQUIRE(ghosts.keeps(all[0]));
  REQUIRE(!ghosts.take(0));
  REQUIRE(!ghosts.keeps(all[0]));
  REQUIRE(!all[0].is_linked());
  REQUIRE(ghosts.forgotten() == nullptr);

  ghosts.expect(nullptr);
  REQUIRE(!ghosts.find(2));
  ghosts.limit(0, 1);
  ghosts.forget(0);
  REQUIRE(ghosts.size() == 0);
  hook* const first = ghosts.forgotten();
  hook* const second = ghosts.forgotten();
  REQUIRE((first == &all[2] && second == &all[1]));  // in the order in which they were forgotten
  REQUIRE(ghosts.forgotten() == nullptr);
  REQUIRE((!first->is_linked() && !ghosts.keeps(*first) && !ghosts.keeps(*second)));

  ghost_hooks<hook> none(0, 100);
  none.remember(all[3], 3, 1);
  REQUIRE((none.size() == 0 && !none.keeps(all[3])));
}

TEST_CASE("ghost_list knows sizes that do not fit into 32 bits, and none above the largest")
{
  for (const std::uint64_t largest :
       {std::uint64_t{100}, (std::uint64_t{1} << 31U) - 1, std::uint64_t{1} << 31U, (std::uint64_t{1} << 32U) - 1,
        std::uint64_t{1} << 32U, std::uint64_t{1} << 60U}) {
    CAPTURE(largest);
    ghost_list<2> two(4, largest);
    ghost_list<> one(4, largest);
    for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{7}, largest / 3, largest - 1, largest}) {
      two.remember(bytes, bytes, 1);
      one.remember(bytes, bytes);
      REQUIRE(two.find(bytes)->bytes == bytes);
      REQUIRE(one.find(bytes)->bytes == bytes);
      REQUIRE(two.bytes(1) == bytes);
      two.forget(1);
      one.forget();
    }
    one.remember(1, largest + 5);
    REQUIRE(one.bytes() == largest);
    REQUIRE(one.take(1)->bytes == largest);
    REQUIRE(one.bytes() == 0);
  }
}

}  // namespace
