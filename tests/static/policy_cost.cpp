// A cache of unit-sized objects that replays a part of a Zipf trace of a fixed length. policy_cost.cmake counts the
// instructions of it. The bytes are those of the heap: objects, index, and what the policy remembers.
//
//   policy_cost POLICY OBJECTS REQUESTS
#include "support/plain_lru.hpp"
#include "support/running_cache.hpp"

#include <kvstrata/replacement/clock.hpp>
#include <kvstrata/replacement/fifo.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/replacement/sieve.hpp>
#include <kvstrata/simulate/object_cache.hpp>
#include <kvstrata/simulate/readers/memory_source.hpp>
#include <kvstrata/simulate/readers/zipf.hpp>

#include <cstdio>
#include <exception>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

using namespace kvstrata;

namespace {

std::unique_ptr<bench::running_cache> make(const std::string& policy, const tier_size& size)
{
  if (policy == "lru") return bench::make_running<object_cache<lru>>(size);
  if (policy == "fifo") return bench::make_running<object_cache<fifo>>(size);
  if (policy == "clock") return bench::make_running<object_cache<kvstrata::clock_sweep>>(size);
  if (policy == "sieve") return bench::make_running<object_cache<sieve>>(size);
  if (policy == "plain_lru") return bench::make_running<bench::plain_lru>(size);  // the planted fault
  throw std::runtime_error("there is no policy " + policy);
}

}  // namespace

int main(int argc, char** argv)
try {
  if (argc != 4) throw std::runtime_error("policy_cost wants POLICY OBJECTS REQUESTS");
  zipf_source source({.keys = 100'000, .requests = 100'000, .scattered = true});
  const std::vector<trace_access> accesses = read_all(source);
  const std::size_t objects = std::stoull(argv[2]);
  const std::size_t requests = std::stoull(argv[3]);
  if (requests > accesses.size()) throw std::runtime_error("the trace has 100,000 requests");

  const std::size_t before = bench::heap_bytes();
  const auto cache = make(argv[1], {.bytes = objects, .objects = objects});
  const std::uint64_t hits = cache->replay(std::span(accesses).first(requests));
  const std::size_t taken = bench::heap_bytes() - before;
  if (cache->objects() != objects) throw std::runtime_error("the cache is not full");
  std::printf("%zu bytes an object, %llu hits\n", (taken + objects - 1) / objects,
              static_cast<unsigned long long>(hits));
  return 0;
} catch (const std::exception& wrong) {
  std::fprintf(stderr, "policy_cost: %s\n", wrong.what());
  return 2;
}
