// DESIGN section 5, point 5: the orderings between compute, onload, offload and reuse. The checker must find each of them
// where it is missing, whatever order things happened to run in, and nothing where all are there.
#include "cache/scene.hpp"

#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/engines/kernel_copy.hpp>
#include <kvstrata/transfer/engines/staged_copy.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>

#include <string>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

/// layerwise_transfer that forgets one of its duties.
template <class Engine, bool onload_after, bool offload_after, bool offload_ready>
struct forgetful_transfer
{
  using split = always_fetch;
  static constexpr bool lands_in_window = false;

  template <device Device>
  class on
  {
   public:
    explicit on(Device& d) : copies_(d) {}
    [[nodiscard]] ticket onload(const copy_list& list, const fence& after)
    {
      return copies_.onload(list, onload_after ? after : fence());
    }
    [[nodiscard]] ticket offload(const copy_list& list, std::span<const event> ready, const fence& after)
    {
      return copies_.offload(list, offload_ready ? ready : std::span<const event>(), offload_after ? after : fence());
    }

   private:
    typename layerwise_transfer<Engine>::template on<Device> copies_;
  };
};

constexpr std::size_t piece_bytes = page_layer_bytes(tiny, tiny_page);

template <class Transfer, class Writes, class Layout>
using cache_with =
    cache<tier_stack<device_slab<emulated_device>, pinned_arena<Writes>>, Layout, Transfer, lru, counters>;

struct outcome
{
  std::size_t violations = 0;
  std::string first;
};

/// Users come and go on two streams over a small slab and a small arena, with prefetches in between: pages and
/// extents change hands all the time. Every fifth has not one page full, so that all of them is dirty when they are
/// evicted. `waits` false: the model forgets to wait for the layers.
template <class Transfer, class Writes = page_write_through, class Layout = hybrid_layout>
outcome come_and_go(std::uint64_t seed, bool waits = true)
{
  using cache_type = cache_with<Transfer, Writes, Layout>;
  emulated_device device({.time = time_mode::virtual_time,
                          .to_device = {.latency_seconds = 1e-6},
                          .from_device = {.latency_seconds = 1e-6},
                          .seed = seed,
                          .jitter_seconds = 1e-5,
                          .check_ordering = true,
                          .poison_freed = seed % 2 == 0});
  const stream_id streams[] = {device.create_stream("compute a"), device.create_stream("compute b")};
  {
    auto config = tiny_config<cache_type>(12, 15);
    if constexpr (Transfer::lands_in_window) std::get<0>(config.tiers).window_bytes = 6 * tiny_page_bytes;
    cache_type cache(device, config);
    for (unsigned i = 0; i < 50; ++i) {
      const bool brief = i % 5 == 4;
      const request r{.user = user_id{brief ? 100 + i : i % 4}, .history_tokens = brief ? 3 : 18 + i % 5};
      const request next{.user = user_id{(i + 2) % 4}, .history_tokens = 20};
      const stream_id stream = streams[i / 4 % 2];
      auto lease = cache.prepare({&r, 1}, stream).value();
      const page_table_view view = lease.view();
      for (layer_index layer = 0; layer < tiny.layers; ++layer) {
        if (waits) lease.wait(layer);
        std::vector<emulated_device::memory_range> reads, writes;
        for (token_count t = 0; t < r.history_tokens; ++t) {
          bool computed = false;
          for (const token_interval piece : lease.compute(0)) computed = computed || piece.contains(t);
          (computed ? writes : reads).push_back({view.key(layer, 0, t), tiny.key_bytes()});
        }
        device.launch(stream, {.label = "layer", .seconds = 1e-6, .reads = reads, .writes = writes}, [] {});
        lease.layer_done(layer);
      }
      lease.commit();
      lease.release();
      static_cast<void>(cache.prefetch(next));
    }
    const auto counted = cache.tracker().read();
    REQUIRE(counted.served_tokens[1] > 0);
    REQUIRE(counted.evicted_tokens[0] > 0);
    REQUIRE(counted.evicted_tokens[1] > 0);
    if constexpr (Transfer::lands_in_window) REQUIRE(counted.relocated_bytes > 0);
  }
  const auto found = device.violations();
  return {found.size(), found.empty() ? "" : to_string(found.front())};
}

constexpr std::uint64_t seeds = 6;

template <class Transfer, class Writes, class Layout>
void check_clean()
{
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const outcome o = come_and_go<Transfer, Writes, Layout>(seed);
    CAPTURE(seed, o.first);
    CHECK(o.violations == 0);
  }
}

/// A transfer, and what comes down to the memory below.
template <class Transfer, class Writes = page_write_through>
struct moves
{
  using transfer = Transfer;
  using writes = Writes;
};

}  // namespace

TEMPLATE_TEST_CASE("no transfer and no engine leaves an ordering out", "[transfer][ordering]",
                   (moves<layerwise_transfer<coalesced_copy>>), (moves<layerwise_transfer<per_page_copy>>),
                   (moves<layerwise_transfer<coalesced_copy>, chunk_write_through>),
                   (moves<layerwise_transfer<batched_copy<3>>>),
                   (moves<layerwise_transfer<staged_copy<4 * piece_bytes, 2>>>),
                   (moves<layerwise_transfer<staged_copy<piece_bytes, 1>>, write_back>),
                   (moves<layerwise_transfer<kernel_copy<>>, token_write_through>),
                   (moves<layerwise_transfer<window_copy<>>>),
                   (moves<layerwise_transfer<onload_by<staged_copy<2 * piece_bytes, 3>>, offload_by<kernel_copy<>>>>),
                   (moves<immediate_transfer<coalesced_copy>>), (moves<immediate_transfer<per_page_copy>>),
                   (moves<immediate_transfer<per_page_copy>, chunk_write_through>),
                   (moves<forgetful_transfer<coalesced_copy, true, true, true>>))
{
  check_clean<typename TestType::transfer, typename TestType::writes, hybrid_layout>();
  check_clean<typename TestType::transfer, typename TestType::writes, paged_layout>();
}

TEST_CASE("an onload that does not wait for the pages' last users is found", "[transfer][ordering]")
{
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const outcome o = come_and_go<forgetful_transfer<coalesced_copy, false, true, true>>(seed);
    CAPTURE(o.first);
    CHECK(o.violations != 0);
    CHECK(o.first.find("copy to device") != std::string::npos);
  }
}

TEST_CASE("an offload that does not wait for what it reads and for the extents' last users is found",
          "[transfer][ordering]")
{
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const outcome o = come_and_go<forgetful_transfer<coalesced_copy, true, false, true>>(seed);
    CAPTURE(o.first);
    CHECK(o.violations != 0);
    CHECK(o.first.find("copy from device") != std::string::npos);
  }
}

TEST_CASE("an offload that does not wait for the layer to be computed is found", "[transfer][ordering]")
{
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const outcome o = come_and_go<forgetful_transfer<per_page_copy, true, true, false>>(seed);
    CAPTURE(o.first);
    CHECK(o.violations != 0);
    CHECK(o.first.find("'layer'") != std::string::npos);
  }
}

TEST_CASE("an onload waits for the extents' last copies, whatever pages it lands on", "[transfer][ordering]")
{
  // User 1 goes whole while being written down, and comes back on pages that user 1 never had.
  scene<paper_scene_cache> s(12, 64, false);  // poisoning is a stream of its own, and orders more than there need be
  s.serve(4, 16);
  s.serve(2, 4);
  s.serve(1, 16);
  s.serve(3, 12);
  for (const turn t : {turn{4, 16}, turn{2, 4}, turn{3, 12}}) s.serve(t.user, t.history);
  s.hold({{5, 4}}).release();
  REQUIRE(s.look(1, 16).fetched == 16);
  s.cache.erase(user_id{4});
  REQUIRE(s.cache.prefetch(s.asks(1, 16)).value().tokens == 16);
  auto lease = s.hold({{1, 16}});
  CHECK(to_number(lease.view().page_ids[0]) == 0);  // the pages that fit best: those of user 4
  CHECK(s.device.stats().host_waits == 0);
  CHECK(s.device.violations().empty());
}

TEST_CASE("a model that does not wait for its layers is found", "[transfer][ordering]")
{
  const outcome o = come_and_go<layerwise_transfer<>>(1, false);
  CHECK(o.violations != 0);
  CHECK(o.first.find("'layer'") != std::string::npos);
}
