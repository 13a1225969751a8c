// The simulator is the cache: what it decides is what the cache decides that moves bytes; and what it counts.
#include <kvstrata/simulate/cache_simulator.hpp>

#include "cache/tiny_model.hpp"
#include "policies/clean_first.hpp"
#include "policies/clock.hpp"
#include "skewed.hpp"
#include "support/catch.hpp"
#include "support/data.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/replacement/s3_fifo.hpp>
#include <kvstrata/simulate/batcher.hpp>
#include <kvstrata/simulate/dataless_device.hpp>
#include <kvstrata/simulate/kuairand.hpp>
#include <kvstrata/simulate/traffic.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::cell;
using kvstrata_test::keys_of;
using kvstrata_test::lease_work;
using kvstrata_test::mix;
using kvstrata_test::skewed;
using kvstrata_test::tiny;
using kvstrata_test::tiny_model;

using numbers = std::vector<std::uint64_t>;

/// Everything a tracker hears of decisions, in order, as numbers.
class decision_tracker
{
 public:
  void on(const tokens_evicted& e) noexcept { said({1, e.from, e.tokens, e.dropped, e.unread, e.age}); }
  void on(const bytes_onloaded& e) noexcept { said({2, e.bytes}); }
  void on(const bytes_offloaded& e) noexcept { said({3, e.bytes, e.from, e.to}); }
  void on(const write_refused& e) noexcept { said({4, e.tokens, static_cast<std::uint64_t>(e.why), e.level}); }
  void on(const pressure_met&) noexcept { said({5}); }

  [[nodiscard]] numbers take() { return std::exchange(said_, {}); }

 private:
  void said(std::initializer_list<std::uint64_t> what) { said_.insert(said_.end(), what); }

  numbers said_;
};

void append(numbers& out, token_interval i)
{
  out.push_back(i.empty() ? 0 : i.begin);
  out.push_back(i.empty() ? 0 : i.end);
}

/// All that a plan says.
numbers flat(const batch_plan& plan)
{
  numbers out{plan.pages_needed, plan.pages_free};
  for (const request_plan& r : plan.requests) {
    out.insert(out.end(),
               {6, to_number(r.user), r.history, r.first_token, r.compute_begin, r.compute_end, r.pages_taken});
    append(out, r.kept.tokens);
    for (const piece& p : plan.pieces_of(r)) {
      append(out, p.tokens);
      out.push_back(p.source);
    }
    append(out, r.recomputed);
    out.insert(out.end(), {r.lasting, r.kept.forgotten.passed, r.kept.forgotten.stranded, r.pages_forgotten});
  }
  for (const token_interval i : plan.compute) append(out, i);
  for (const victim_plan& v : plan.victims) {
    out.insert(out.end(), {7, to_number(v.user), v.pages, v.rear, v.tokens, v.dirty_tokens, v.stale});
  }
  return out;
}

using batches = std::vector<std::vector<request>>;

batches batches_of(const trace& t, std::size_t most, std::uint32_t size, token_count longest)
{
  batches out;
  for (const trace_batch& b : form_batches(t.requests, {.batch_size = size, .window_ms = std::int64_t{1} << 40})) {
    if (out.size() == most) break;
    out.emplace_back();
    for (const batched_request& r : b.requests) {
      out.back().push_back(request_of(t, r.asked));
      out.back().back().history_tokens = (std::min)(longest, out.back().back().history_tokens);
    }
  }
  return out;
}

struct sizes
{
  page_count slab = 130;
  page_count arena = 260;
};

template <class Cache>
typename Cache::config config_of(const sizes& s)
{
  typename Cache::config c{.shape = tiny};
  c.layout.page_tokens = kvstrata_test::tiny_page;
  std::size_t granules = 1;
  if constexpr (requires { c.layout.chunk; }) c.layout.chunk = kvstrata_test::tiny_chunk;
  if constexpr (requires { c.layout.longest; }) {
    c.layout.longest = 128;
    granules = 4;
  }
  const std::size_t pages[] = {s.slab, s.arena};
  std::apply(
      [&](auto&... tiers) {
        std::size_t i = 0;
        ((tiers.bytes = granules * pages[i++] * kvstrata_test::tiny_page_bytes), ...);
      },
      c.tiers);
  if constexpr (requires { c.split.cost; }) {
    c.split.cost = {.seconds_per_token = 1, .seconds_per_pair = 0.02, .fetch_seconds_per_token = 1, .layers = 3};
  }
  c.costs = {.seconds_per_token = 1, .seconds_per_pair = 0.01, .fetch_seconds_per_token = 0.3, .layers = 3};
  return c;
}

/// Plans and what followed from them, batch by batch.
using decisions = std::vector<numbers>;

/// The real thing: bytes move over slow links in virtual time, and a model writes and checks every one of them.
template <class Cache>
decisions serve_with_data(const batches& all, const sizes& s)
{
  const link_model link{.bytes_per_second = 1e6, .latency_seconds = 1e-4};
  emulated_device device({.time = time_mode::virtual_time,
                          .to_device = link,
                          .from_device = link,
                          .check_ordering = true,
                          .poison_freed = true});
  Cache cache(device, config_of<Cache>(s));
  const stream_id compute = device.create_stream("compute");
  tiny_model model(device, 1e-4);
  decisions out;
  for (const auto& batch : all) {
    auto lease = cache.prepare(batch, compute).value();
    out.push_back(flat(lease.plan()));
    const page_table_view view = lease.view();
    auto work = std::make_shared<lease_work>();
    work->value_offset = view.value_offset();
    work->layer_stride = view.where.layer_stride;
    for (std::size_t r = 0; r < batch.size(); ++r) {
      std::vector<bool> computed(batch[r].history_tokens, false);
      for (const token_interval i : lease.compute(r))
        std::fill(computed.begin() + i.begin, computed.begin() + i.end, true);
      for (token_count t = batch[r].first_token; t < batch[r].history_tokens; ++t) {
        work->cells.push_back({.key = view.key(0, r, t),
                               .tag = mix({to_number(batch[r].user), t}),
                               .user = batch[r].user,
                               .token = t,
                               .writes = computed[t]});
      }
    }
    for (layer_index l = 0; l < tiny.layers; ++l) {
      lease.wait(l);
      model.launch(compute, l, work);
      lease.layer_done(l);
    }
    lease.commit();
    lease.release();
    const numbers said = cache.tracker().take();
    out.back().insert(out.back().end(), said.begin(), said.end());
  }
  cache.drain_sync();
  device.wait_sync(device.record(compute));
  CHECK(model.found().count() == 0);
  CHECK(device.violations().empty());
  return out;
}

template <class Cache>
decisions simulate(const batches& all, const sizes& s, std::size_t& victims)
{
  dataless_device device;
  Cache cache(device, config_of<Cache>(s));
  cache_simulator sim(cache);
  decisions out;
  for (const auto& batch : all) {
    sim.serve(batch, [&](const batch_plan& plan) {
      out.push_back(flat(plan));
      victims += plan.victims.size();
    });
    const numbers said = cache.tracker().take();
    out.back().insert(out.back().end(), said.begin(), said.end());
  }
  return out;
}

/// One cache type on either device.
template <class Device, class Policy, class Shedding, class Layout, class Writes, class... Options>
using point = cache<tier_stack<device_slab<Device, Shedding>, pinned_arena<Shedding, Writes>>, Layout,
                    layerwise_transfer<Options...>, Policy, decision_tracker>;

template <class Policy, class Shedding, class Layout, class Writes, class... Options>
void compare(const batches& all, const sizes& s = {})
{
  const decisions real = serve_with_data<point<emulated_device, Policy, Shedding, Layout, Writes, Options...>>(all, s);
  std::size_t victims = 0;
  const decisions simulated =
      simulate<point<dataless_device, Policy, Shedding, Layout, Writes, Options...>>(all, s, victims);
  REQUIRE(real.size() == all.size());
  REQUIRE(simulated.size() == all.size());
  for (std::size_t b = 0; b < all.size(); ++b) {
    if (real[b] != simulated[b]) {
      FAIL("batch " << b << " was decided differently:\n"
                    << Catch::StringMaker<numbers>::convert(real[b]) << "\n"
                    << Catch::StringMaker<numbers>::convert(simulated[b]));
    }
  }
  CHECK(victims > all.size());
}

batches for_comparison() { return batches_of(skewed(60, 700), 140, 4, 120); }

/// The newest tokens of the same requests, of which the last is never kept.
batches windows_of(batches all)
{
  for (auto& batch : all) {
    for (request& r : batch) {
      r = newest(r, 50);
      r.volatile_tail = 1;
    }
  }
  return all;
}

}  // namespace

TEST_CASE("the simulator decides as the cache that moves bytes: replacement policies", "[simulate][simulator]")
{
  const batches all = for_comparison();
  compare<lru, evict_front, hybrid_layout, token_write_through>(all);
  compare<example::clock, evict_front, hybrid_layout, page_write_through>(all);
  compare<example::clean_first, evict_whole, hybrid_layout, write_back>(all);
  compare<lru, evict_front, hybrid_layout, token_write_through>(windows_of(all), {.slab = 60, .arena = 150});
}

TEST_CASE("the simulator decides as the cache that moves bytes: layouts, write policies, splits",
          "[simulate][simulator]")
{
  const batches all = for_comparison();
  compare<lru, evict_whole, paged_layout, chunk_write_through>(all);
  compare<lru, evict_front, hybrid_layout, selective_write<2>, split_by_cost>(all, {.slab = 130, .arena = 700});
  compare<s3_fifo, evict_whole, contiguous_layout, token_write_through>(all);
}

TEST_CASE("the simulator decides as the cache that moves bytes: KuaiRand's sessions", "[simulate][simulator]")
{
  const auto folder = kvstrata_test::find_data("kuairand-pure-2w");
  if (!folder) SKIP_TEST("the trace kuairand-pure-2w is not on this machine");
  const batches all = batches_of(read_kuairand(*folder), 400, 8, 60);
  compare<lru, evict_front, hybrid_layout, token_write_through>(all, {.slab = 150, .arena = 2000});
}

namespace {

/// A source over a vector, in chunks.
struct listed
{
  const std::vector<trace_access>* all;
  std::size_t next = 0;

  std::size_t read(std::span<trace_access> out)
  {
    const std::size_t count = (std::min)(out.size(), all->size() - next);
    std::copy_n(all->begin() + static_cast<std::ptrdiff_t>(next), count, out.begin());
    next += count;
    return count;
  }
  [[nodiscard]] std::string_view name() const { return "a list"; }
};
static_assert(access_source<listed>);

using two_tiers = default_cache<dataless_device, lru, traffic>;

simulation_counts run(const std::vector<trace_access>& all, const simulator_options& options, const sizes& s = {})
{
  dataless_device device;
  two_tiers cache(device, config_of<two_tiers>(s));
  cache_simulator sim(cache, options);
  listed source{&all};
  sim.run(source, [](const trace_access& asked) { return asked.tokens; });
  return sim.counts();
}

std::vector<trace_access> growing_keys(std::size_t requests)
{
  const trace t = skewed(60, requests);
  std::vector<trace_access> out = keys_of(t);
  for (std::size_t i = 0; i < out.size(); ++i) out[i].tokens = t.requests[i].history;
  return out;
}

}  // namespace

TEST_CASE("counts add up, and bytes are those of the tokens", "[simulate][simulator]")
{
  const std::vector<trace_access> all = growing_keys(2'000);
  std::uint64_t tokens = 0;
  for (const trace_access& a : all) tokens += a.tokens;
  const simulation_counts counts = run(all, {});
  CHECK(counts.requests == 2'000);
  CHECK(counts.batches == 2'000);
  CHECK(counts.merged == 0);
  CHECK(counts.tokens() == tokens);
  CHECK(counts.levels[1].tokens > 0);
  CHECK(counts.levels[0].tokens > counts.levels[1].tokens);
  CHECK(counts.missed + counts.levels[0].requests + counts.levels[1].requests >= counts.requests);
  // Whole pages travel: at least the tokens, at most a page more at either end of each of at most two pieces.
  CHECK(counts.onload_bytes >= counts.levels[1].tokens * tiny.token_bytes());
  CHECK(counts.onload_bytes <= (counts.levels[1].tokens + counts.levels[1].requests * 16) * tiny.token_bytes());
  CHECK(counts.offload_bytes % kvstrata_test::tiny_page_bytes == 0);
  CHECK(counts.levels[1].evicted > 0);
}

TEST_CASE("of histories that are too long the newest tokens are asked for", "[simulate][simulator]")
{
  const std::vector<trace_access> all = growing_keys(2'000);
  std::uint64_t tokens = 0;
  for (const trace_access& a : all) tokens += (std::min)(a.tokens, token_count{30});
  const simulation_counts counts = run(all, {.newest_tokens = 30});
  CHECK(counts.tokens() == tokens);
  CHECK(counts.forgotten.passed > 0);
  CHECK(counts.forgotten.widened == 0);
  CHECK(run(all, {.newest_tokens = 1'000}) == run(all, {}));
  CHECK(run({{.key = 1, .tokens = 100}}, {.newest_tokens = 30}, {.slab = 4, .arena = 20}).computed_tokens == 30);
}

TEST_CASE("the warm-up is served and not counted", "[simulate][simulator]")
{
  const std::vector<trace_access> all = growing_keys(2'000);
  const std::vector<trace_access> first(all.begin(), all.begin() + 1'200);
  const simulation_counts whole = run(all, {});
  const simulation_counts beginning = run(first, {});
  const simulation_counts rest = run(all, {.warm_up = 1'200});
  CHECK(rest.requests == 800);
  CHECK(rest.levels[0].tokens == whole.levels[0].tokens - beginning.levels[0].tokens);
  CHECK(rest.levels[1].tokens == whole.levels[1].tokens - beginning.levels[1].tokens);
  CHECK(rest.computed_tokens == whole.computed_tokens - beginning.computed_tokens);
  CHECK(rest.levels[0].evicted == whole.levels[0].evicted - beginning.levels[0].evicted);
  CHECK(rest.levels[1].dropped == whole.levels[1].dropped - beginning.levels[1].dropped);
  CHECK(rest.offload_bytes == whole.offload_bytes - beginning.offload_bytes);
  CHECK(rest.missed == whole.missed - beginning.missed);
  CHECK(run(all, {.warm_up = 2'000}) == simulation_counts{});
  CHECK(run(all, {.warm_up = 9'000}) == simulation_counts{});
}

TEST_CASE("a batch has every user once, with their longest history", "[simulate][simulator]")
{
  const std::vector<trace_access> all{{.key = 1, .tokens = 8},  {.key = 2, .tokens = 4}, {.key = 1, .tokens = 12},
                                      {.key = 1, .tokens = 10}, {.key = 3, .tokens = 4}, {.key = 2, .tokens = 8}};
  const simulation_counts counts = run(all, {.batch_size = 3});
  CHECK(counts.requests == 6);
  CHECK(counts.batches == 2);  // users 1 and 2 with 12 and 4 tokens; then users 1, 3, 2 with 10, 4, 8
  CHECK(counts.merged == 1);
  CHECK(counts.levels[0].tokens == 10 + 4);
  CHECK(counts.computed_tokens == 12 + 4 + 4 + 4);
  CHECK(counts.missed == 3);
}

TEST_CASE("fewer users than a batch holds are not one batch", "[simulate][simulator]")
{
  std::vector<trace_access> all;
  for (std::uint32_t k = 0; k < 100; ++k) all.push_back({.key = k % 3, .tokens = 4});
  const simulation_counts counts = run(all, {.batch_size = 8});
  CHECK(counts.requests == 100);
  CHECK(counts.batches == 13);
  CHECK(counts.merged == 100 - 13 * 3);
  CHECK(counts.levels[0].requests == 12 * 3);
}

TEST_CASE("a batch that is too large is halved, a request that is too large is computed beside the cache",
          "[simulate][simulator]")
{
  // A device of 4 pages of 4 tokens.
  const std::vector<trace_access> all{{.key = 1, .tokens = 8},  {.key = 2, .tokens = 8}, {.key = 3, .tokens = 4},
                                      {.key = 4, .tokens = 17}, {.key = 3, .tokens = 4}, {.key = 5, .tokens = 0}};
  const simulation_counts counts = run(all, {.batch_size = 4}, {.slab = 4, .arena = 20});
  CHECK(counts.requests == 6);
  CHECK(counts.unserved == 1);
  CHECK(counts.pressure == 0);
  CHECK(counts.batches == 3);  // {1, 2}, {3}, {3, 5}
  CHECK(counts.computed_tokens == 8 + 8 + 4 + 17);
  CHECK(counts.levels[0].tokens == 4);
  CHECK(counts.tokens() == 8 + 8 + 4 + 17 + 4);
  CHECK_THROWS_AS(run(all, {.batch_size = 0}), config_error);
}

TEST_CASE("a history of more tokens than can be counted is refused", "[simulate][simulator]")
{
  trace t;
  t.users = {user_id{1}};
  const trace_request asked{.user = 0, .history = 1U << 20};
  CHECK(request_of(t, asked, (1U << 12) - 1).history_tokens == (1U << 20) * ((1U << 12) - 1));
  CHECK_THROWS_WITH(
      request_of(t, asked, 1U << 12),
      "event_tokens is 4096, but a history of 1048576 events would be 4294967296 tokens, of which 2^32 - 1 "
      "can be counted");
}
