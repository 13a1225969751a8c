// The shipped split policies: conformance.
#include "transfer/split_conformance.hpp"

#include <kvstrata/transfer/two_pointers.hpp>

using namespace kvstrata;
using kvstrata_test::split_conformance;

namespace {

constexpr cost_model costs{.seconds_per_token = 2e-6,
                           .seconds_per_pair = 1e-9,
                           .fetch_seconds_per_token = 3e-6,
                           .fetch_latency_seconds = 1e-5,
                           .layers = 4};

}  // namespace

TEST_CASE("always_fetch: conformance", "[transfer]") { split_conformance<always_fetch>(); }
TEST_CASE("fetch_or_recompute: conformance", "[transfer]") { split_conformance(fetch_or_recompute{.cost = costs}); }
TEST_CASE("split_by_cost: conformance", "[transfer]") { split_conformance(split_by_cost{.cost = costs}); }
TEST_CASE("two_pointers: conformance", "[transfer]") { split_conformance(two_pointers{.cost = costs}); }
TEST_CASE("batch_two_pointers: conformance", "[transfer]") { split_conformance(batch_two_pointers{.cost = costs}); }
