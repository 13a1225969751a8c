// ARC, LIRS and SLRU, request by request, against their papers' algorithms, on every stream there is.
#include "replacement/paper_oracles.hpp"
#include "replacement/key_streams.hpp"
#include "support/catch.hpp"

#include <kvstrata/replacement/arc.hpp>
#include <kvstrata/replacement/lirs.hpp>
#include <kvstrata/replacement/slru.hpp>
#include <kvstrata/simulate/any_replacement.hpp>
#include <kvstrata/simulate/object_cache.hpp>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

constexpr bool is_quick = effort == 1;

/// `make(capacity)` is the oracle.
template <class Policy, class Make>
void decides_as(Make make, const std::vector<key_stream>& streams)
{
  for (const key_stream& stream : streams) {
    for (const std::uint64_t capacity : stream.capacities) {
      CAPTURE(stream.name, capacity);
      object_cache<Policy> cache({.bytes = capacity, .objects = capacity});
      auto naive = make(static_cast<std::size_t>(capacity));
      std::size_t wrong = 0;
      for (const std::uint64_t key : stream.keys) {
        const bool hit = cache.request(trace_access{.key = key}) == access_outcome::hit;
        if (naive.request(key) != hit) ++wrong;
      }
      REQUIRE(wrong == 0);
    }
  }
}

template <class Policy, class Make>
void decides_as(Make make)
{
  decides_as<Policy>(make, short_streams());
  decides_as<Policy>(make, real_streams(is_quick));
}

std::vector<std::size_t> equal_shares(std::size_t capacity, std::size_t segments)
{
  return std::vector<std::size_t>(segments, capacity / segments);
}

}  // namespace

TEST_CASE("arc decides as figure 4 of its paper")
{
  decides_as<arc>([](std::size_t c) { return figure_4_arc(c); });
}

TEST_CASE("arc decides so, too, behind a policy that is chosen at run time")
{
  struct chosen : any_replacement
  {
    explicit chosen(const tier_size& size) : any_replacement(any_replacement::of<arc>(size)) {}
  };
  decides_as<chosen>([](std::size_t c) { return figure_4_arc(c); }, short_streams());
}

TEST_CASE("lirs decides as the stack of its paper, its ghosts bounded")
{
  decides_as<lirs>([](std::size_t c) { return stack_lirs(c, (std::max)(c / 100, std::size_t{1}), c); });
}

TEST_CASE("lirs with other shares decides as the stack of its paper")
{
  decides_as<basic_lirs<30, 250>>(
      [](std::size_t c) { return stack_lirs(c, (std::max)(c * 30 / 100, std::size_t{1}), c * 2 + c / 2); },
      short_streams());
  decides_as<basic_lirs<10, 50>>([](std::size_t c) { return stack_lirs(c, (std::max)(c / 10, std::size_t{1}), c / 2); },
                                 short_streams());
}

TEST_CASE("slru decides as segments written down naively")
{
  decides_as<slru<>>([](std::size_t c) { return segments_slru(c, equal_shares(c, 4)); });
  decides_as<slru<7>>([](std::size_t c) { return segments_slru(c, equal_shares(c, 7)); }, short_streams());
  decides_as<slru<2, 80>>([](std::size_t c) { return segments_slru(c, {c - c * 80 / 100, c * 80 / 100}); },
                          short_streams());
  decides_as<slru<3, 60>>(
      [](std::size_t c) {
        const std::size_t all = c * 60 / 100;
        return segments_slru(c, {c - all, all / 2, all / 2});
      },
      short_streams());
}
