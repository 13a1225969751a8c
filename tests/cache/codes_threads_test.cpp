// Several threads on one cache, and on one of shards, whose arenas keep codes: exact ones and lossy ones, by kernels on pinned memory
// and through slots, while the code that pages get is changed. In real time, so that the sanitizers see what goes wrong.
#include "cache/crowd.hpp"
#include "support/toy_codec.hpp"

#include <kvstrata/sharded/sharded.hpp>
#include <kvstrata/transfer/codes/direct_codes.hpp>
#include <kvstrata/transfer/codes/staged_codes.hpp>

#include <cstddef>
#include <cstdint>

namespace kvstrata_test {

namespace {

using kvstrata::pinned_arena;
using kvstrata::token_write_through;
using two_slots = kvstrata::staged_codes<4096, 2, 4>;

template <class Codec, class Codes>
using coded_crowd_cache = crowd_cache<pinned_arena<token_write_through, Codec>, Codes>;

/// As tiny_config, with raw frames for a third of the arena.
template <class Cache>
[[nodiscard]] auto coded_config()
{
  auto c = tiny_config<Cache>(96, 160);
  std::get<1>(c.tiers).raw_share = 1.0 / 3;
  return c;
}

/// What is there keeps the code that it has, what comes gets another one.
template <class Codec, class Cache>
auto changing_codes(Cache& cache)
{
  return [&cache](std::uint64_t round) {
    if (round % 8 != 0) return;
    const auto mark = static_cast<std::byte>(0xA0U | round / 8 % 16);
    cache.template recode<1>(typename Codec::config{mark});
  };
}

template <class Codec, class Codes>
void a_crowd_on_codes()
{
  using cache_type = coded_crowd_cache<Codec, Codes>;
  kvstrata::emulated_device device({.poison_freed = true});
  cache_type cache(device, coded_config<cache_type>());
  const kvstrata::cache_stats last = serve_a_crowd(cache, device, changing_codes<Codec>(cache));
  CHECK(last.levels[1].raw_pages > 0);  // some pages have no code
}

template <class Codec, class Codes>
void a_crowd_on_shards_of_codes(std::uint32_t shards)
{
  using cache_type = coded_crowd_cache<Codec, Codes>;
  kvstrata::emulated_device device({.poison_freed = true});
  kvstrata::sharded<cache_type> cache(device, coded_config<cache_type>(), shards);
  const kvstrata::cache_stats last = serve_a_crowd(cache, device, changing_codes<Codec>(cache));
  CHECK(last.levels[1].raw_pages > 0);  // some pages have no code
}

}  // namespace

TEST_CASE("a crowd on a cache that keeps codes", "[cache][threads][codec]")
{
  a_crowd_on_codes<toy, kvstrata::direct_codes<>>();
  a_crowd_on_codes<lossy_toy, two_slots>();
}

TEST_CASE("a crowd on shards that keep codes", "[cache][sharded][threads][codec]")
{
  a_crowd_on_shards_of_codes<toy, two_slots>(4);
  a_crowd_on_shards_of_codes<lossy_toy, kvstrata::direct_codes<>>(3);
}

}  // namespace kvstrata_test
