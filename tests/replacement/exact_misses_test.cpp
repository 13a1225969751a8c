// Replacement policies against the exact miss counts that other programs have on real traces.
#include "replacement/key_traces.hpp"
#include "replacement/unit_cache.hpp"
#include "support/catch.hpp"

#include "policies/clock.hpp"

#include <kvstrata/replacement/lru.hpp>

#include <list>
#include <random>
#include <unordered_map>

namespace {

using namespace kvstrata_test;

/// Holds every row of `policy` in the expected counts against Policy.
template <class Policy>
void counts_as_expected(const std::string& policy)
{
  const std::vector<expected_count> all = expected_counts();
  if (all.empty()) SKIP_TEST("the test data with expected/unit_size_misses.tsv is not on this machine (KVSTRATA_DATA)");
  std::string name;
  std::optional<dense_trace> trace;
  std::uint32_t compared = 0;
  for (const expected_count& row : all) {
    if (row.policy != policy) continue;
    if (row.trace != name) {
      name = row.trace;
      trace.reset();
      if (const auto keys = find_key_trace(name)) trace = number_objects(*keys);
      else std::printf("SKIPPED: %s on %s because the trace is not on this machine\n", policy.c_str(), name.c_str());
    }
    if (!trace) continue;
    CAPTURE(row.trace, row.policy, row.capacity);
    REQUIRE(trace->accesses.size() == row.requests);
    REQUIRE(unit_size_misses<Policy>(*trace, row.capacity) == row.misses);
    ++compared;
  }
  INFO("no row of the expected counts was compared");
  REQUIRE(compared != 0);
}

}  // namespace

TEST_CASE("lru misses as often as other programs' LRU on every trace") { counts_as_expected<kvstrata::lru>("LRU"); }
TEST_CASE("the example's clock misses as often as other programs' Clock on every trace")
{
  counts_as_expected<example::clock>("Clock");
}

TEST_CASE("on random keys lru misses as often as the LRU everybody writes")
{
  std::mt19937 random(5);
  for (const std::size_t capacity : {1U, 2U, 10U, 63U}) {
    key_list keys;
    for (int i = 0; i < 20000; ++i) keys.push_back(random() % 100 * (random() % 3));
    std::list<std::uint64_t> order;  // youngest first
    std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator> where;
    std::uint64_t misses = 0;
    for (const std::uint64_t key : keys) {
      if (const auto found = where.find(key); found != where.end()) {
        order.splice(order.begin(), order, found->second);
        continue;
      }
      ++misses;
      if (order.size() == capacity) {
        where.erase(order.back());
        order.pop_back();
      }
      order.push_front(key);
      where[key] = order.begin();
    }
    REQUIRE(unit_size_misses<kvstrata::lru>(number_objects(keys), capacity) == misses);
  }
}
