// Write a replacement policy: examples/policies/clock.hpp is one, in fifty lines, without touching the library.
//
// What it takes:
//   1. a class `hook`: what the policy keeps inside each object, often a list hook and a mark
//   2. insert, touch, remove: an object came, was used, left
//   3. victims(visit): tell of the objects, the first to go first, until visit says stop. Remove nothing yourself
// A static_assert at the policy's end proves the concept; tests/replacement/replacement_conformance.hpp proves the
// behaviour; below the policy runs first alone and then in a cache. That is all there is to it.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/counters.hpp>

#include "policies/clock.hpp"

#include <array>
#include <cstdio>
#include <string>

using namespace kvstrata;

static_assert(replacement_policy<example::clock>);

// --- alone: a policy knows neither tiers nor devices ---------------------------------------------------------------------
struct page : example::clock::hook
{
  char name = '?';
};

std::string order_of(example::clock& policy)
{
  std::string order;
  policy.victims([&order](example::clock::hook& object) {
    order += static_cast<page&>(object).name;
    return true;  // go on: we only want to see
  });
  return order;
}

bool works_alone()
{
  example::clock policy;
  std::array<page, 4> pages;
  for (std::size_t i = 0; i < 4; ++i) {
    pages[i].name = static_cast<char>('a' + i);
    policy.insert(pages[i], {});
  }
  policy.touch(pages[0], {});  // marks a; nothing moves
  const std::string order = order_of(policy);
  std::printf("a b c d came in, a was used again; they would go as %s\n", order.c_str());
  for (page& p : pages) policy.remove(p);  // objects outlive the policy or leave it
  return order == "bcda" && order_of(policy).empty();
}

// --- in a cache: the same type orders users in the slab and in the arena ----------------------------------------------
template <class Replacement>
std::uint64_t computed_tokens(const char* name)
{
  emulated_device device({.time = time_mode::virtual_time, .data = false});
  const stream_id compute = device.create_stream("compute");
  const geometry shape{.layers = 2, .kv_heads = 1, .head_dim = 32, .element = element_type::f16};
  const std::size_t page = page_bytes(shape, 32);
  default_cache<emulated_device, Replacement, counters> cache(
      device, {.shape = shape, .tiers = {{.bytes = 30 * page}, {.bytes = 60 * page}}});

  const auto serve = [&](std::uint64_t user) {
    const request batch[] = {{.user = user_id{user}, .history_tokens = 128}};  // 4 pages
    auto lease = cache.prepare(batch, compute).value();
    for (layer_index layer = 0; layer < shape.layers; ++layer) lease.layer_done(layer);
    lease.commit();
  };
  // Ten regulars come twice in a row, again and again; in between, strangers pass through who never come back.
  for (std::uint64_t round = 0; round < 30; ++round) {
    for (std::uint64_t regular = 0; regular < 10; ++regular) {
      serve(regular);
      serve(regular);
    }
    for (std::uint64_t stranger = 0; stranger < 8; ++stranger) serve(1000 + round * 8 + stranger);
  }
  cache.close();
  const counters::snapshot seen = cache.tracker().read();
  std::printf("%-6s %6llu tokens from the slab, %6llu from the arena, %6llu computed\n", name,
              static_cast<unsigned long long>(seen.served_tokens[0]),
              static_cast<unsigned long long>(seen.served_tokens[1]),
              static_cast<unsigned long long>(seen.computed_tokens));
  return seen.computed_tokens;
}

int main()
{
  const bool alone = works_alone();
  const std::uint64_t by_lru = computed_tokens<lru>("lru");
  const std::uint64_t by_clock = computed_tokens<example::clock>("clock");
  // The regulars' marks carry them past the strangers; LRU lets the strangers push them out.
  const bool right = alone && by_clock < by_lru;
  std::puts(right ? "CLOCK keeps the regulars." : "FAILED: CLOCK did not do what it is for");
  return right ? 0 : 1;
}
