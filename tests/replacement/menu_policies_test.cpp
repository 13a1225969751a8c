// LRFU, LHD, hyperbolic caching, LRU-K with its correlated period: the conformance suite, and the same decisions, request
// for request, as their papers written down naively.
#include "replacement/key_streams.hpp"
#include "replacement/naive_menu_policies.hpp"
#include "replacement/naive_sampling_policies.hpp"
#include "replacement/replacement_conformance.hpp"
#include "support/catch.hpp"

#include <kvstrata/replacement/correlated_lru_k.hpp>
#include <kvstrata/replacement/hyperbolic.hpp>
#include <kvstrata/replacement/lhd.hpp>
#include <kvstrata/replacement/lrfu.hpp>
#include <kvstrata/replacement/lru_k.hpp>
#include <kvstrata/simulate/object_cache.hpp>

#include <string>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;
using ids = std::vector<std::uint32_t>;

/// Shorter streams: the oracles walk.
std::vector<key_stream> streams(std::size_t most)
{
  std::vector<key_stream> all = short_streams();
  for (key_stream& one : all) {
    one.keys.resize((std::min)(one.keys.size(), most));
    one.capacities = {1, 2, 7, 40, 101};
  }
  return all;
}

template <class Policy, class Make, class Request>
void decides_as(Make make, Request request, std::size_t most = 5000)
{
  for (const key_stream& stream : streams(most)) {
    for (const std::uint64_t capacity : stream.capacities) {
      CAPTURE(stream.name, capacity);
      object_cache<Policy> cache({.bytes = capacity, .objects = capacity});
      auto naive = make(static_cast<std::size_t>(capacity));
      std::size_t wrong = 0;
      for (const std::uint64_t key : stream.keys) {
        const bool hit = cache.request(trace_access{.key = key}) == access_outcome::hit;
        if (request(naive, key) != hit) ++wrong;
      }
      REQUIRE(wrong == 0);
    }
  }
}

constexpr auto plain = [](auto& naive, std::uint64_t key) { return naive.request(key); };

}  // namespace

TEST_CASE("lrfu: conformance") { replacement_conformance<lrfu>(); }
TEST_CASE("lhd: conformance") { replacement_conformance<lhd>(); }
TEST_CASE("hyperbolic: conformance") { replacement_conformance<hyperbolic>(); }
TEST_CASE("correlated_lru_k: conformance") { replacement_conformance<correlated_lru_k<>>(); }
TEST_CASE("correlated_lru_k of three uses: conformance") { replacement_conformance<correlated_lru_k<3, 100>>(); }

TEST_CASE("lrfu decides as the sums of its paper")
{
  const auto make = [](std::size_t c) { return naive_lrfu(c, static_cast<double>(c) * 4, c * 8); };
  decides_as<lrfu>(make, plain, 1200);
  decides_as<basic_lrfu<30, 1>>([](std::size_t c) { return naive_lrfu(c, static_cast<double>(c) * 0.3, c); }, plain);
}

TEST_CASE("correlated_lru_k decides as figure 2.1 of its paper")
{
  decides_as<correlated_lru_k<>>([](std::size_t c) { return figure_2_1_lru_k(c, 2, c / 10); }, plain);
  decides_as<correlated_lru_k<2, 50>>([](std::size_t c) { return figure_2_1_lru_k(c, 2, c / 2); }, plain);
  decides_as<correlated_lru_k<3, 100>>([](std::size_t c) { return figure_2_1_lru_k(c, 3, c); }, plain);
  decides_as<correlated_lru_k<2, 0>>([](std::size_t c) { return figure_2_1_lru_k(c, 2, 0); }, plain);
  decides_as<lru_k<>>([](std::size_t c) { return figure_2_1_lru_k(c, 2, 0); }, plain);
}

TEST_CASE("hyperbolic decides as its paper")
{
  decides_as<hyperbolic>([](std::size_t c) { return naive_hyperbolic(c, 64); }, plain);
  decides_as<basic_hyperbolic<5>>([](std::size_t c) { return naive_hyperbolic(c, 5); }, plain);
}

TEST_CASE("lhd decides as its paper")
{
  decides_as<basic_lhd<64>>([](std::size_t c) { return naive_lhd(c, 64); }, plain);
}

TEST_CASE("hyperbolic and lhd weigh bytes, hyperbolic costs as well")
{
  replacement_rig<hyperbolic> h(3);
  replacement_rig<lhd> l(3);
  for (std::uint32_t id = 0; id < 3; ++id) {
    h[id].info.bytes = l[id].info.bytes = id == 1 ? 4000 : 1000;
    h.insert(id);
    l.insert(id);
  }
  REQUIRE(h.victims(1) == ids{1});
  REQUIRE(l.victims(1) == ids{1});
  h[1].info.recompute_seconds = 100;
  h.touch(1);
  REQUIRE(h.victims(1) == ids{0});
}

TEST_CASE("lrfu remembers scores after an eviction, and nothing of who was erased")
{
  for (const bool erased : {false, true}) {
    CAPTURE(erased);
    replacement_rig<lrfu> r(10, 10);
    for (std::uint32_t id = 0; id < 10; ++id) r[id].info.bytes = 1;
    r.insert(0);
    for (int i = 0; i < 5; ++i) r.touch(0);
    erased ? r.remove(0) : r.evict(0);
    for (std::uint32_t id = 1; id < 5; ++id) r.insert(id);
    r.insert(0);
    for (std::uint32_t id = 5; id < 10; ++id) r.insert(id);
    REQUIRE((r.victims(10).back() == 0) == !erased);
  }
}
