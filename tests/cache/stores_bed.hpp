// A cache over a slab, an arena and a memory_store, and users whose histories are texts: a row tells the text up to its
// token, so that a row of another life, epoch or user shows, wherever it has been meanwhile.
#pragma once

#include "cache/scene.hpp"
#include "cache/story.hpp"
#include "cache/tiny_model.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/arrival.hpp>
#include <kvstrata/tiers/memory_store.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// An emulated device whose streams cannot wait for the host, when it is told so.
struct moody_device : emulated_device
{
  using emulated_device::emulated_device;
  [[nodiscard]] std::string_view why_no_host_waits() const noexcept { return deaf; }
  std::string_view deaf;
};

inline constexpr kvstrata::level_index store_level = 2;

/// Hears what is lost.
struct losses : kvstrata::counters
{
  using counters::on;
  void on(const kvstrata::record_lost& what) noexcept
  {
    if (what.level == store_level) (what.on_its_way_up ? lost_up : lost_down) += what.tokens;
  }
  void on(const kvstrata::fetch_judged& what) noexcept
  {
    if (what.level == store_level) (what.fetched ? fetched_all_the_same : left_to_model) += what.tokens;
  }
  std::uint64_t lost_up = 0, lost_down = 0;
  std::uint64_t fetched_all_the_same = 0, left_to_model = 0;
};

using fake_store = kvstrata::memory_store<>::on<moody_device>;
template <class Writes>
using store_cache = kvstrata::cache<
    kvstrata::tier_stack<kvstrata::device_slab<moody_device>, kvstrata::pinned_arena<kvstrata::token_write_through>,
                         kvstrata::memory_store<Writes>>,
    kvstrata::paged_layout, kvstrata::layerwise_transfer<>, kvstrata::lru, losses>;
using back_cache = store_cache<kvstrata::write_back>;

struct store_sizes
{
  kvstrata::page_count slab = 24;
  kvstrata::page_count arena = 32;
  kvstrata::page_count room = 64;
};

/// The words of a user's history: whoever rewrites it changes all from a token on.
class user_text
{
 public:
  [[nodiscard]] std::uint64_t word(kvstrata::token_count token) const
  {
    std::uint64_t version = 0;
    for (const auto& [from, number] : rewritten_) version = token >= from ? std::max(version, number) : version;
    return mix({version, token});
  }
  void rewrite(kvstrata::token_count from) { rewritten_.emplace_back(from, ++versions_); }
  /// hashes[i] tells the first i + 1 tokens.
  [[nodiscard]] std::vector<std::uint64_t> prefix_hashes(std::uint64_t user, kvstrata::token_count tokens) const
  {
    std::vector<std::uint64_t> out;
    std::uint64_t hash = mix({user});
    for (kvstrata::token_count t = 0; t < tokens; ++t) out.push_back(hash = mix({hash, word(t)}));
    return out;
  }

 private:
  std::vector<std::pair<kvstrata::token_count, std::uint64_t>> rewritten_;
  std::uint64_t versions_ = 0;
};

[[nodiscard]] inline emulated_device_config store_device(std::uint64_t seed)
{
  kvstrata::emulated_device_config c{.time = kvstrata::time_mode::virtual_time};
  c.jitter_seconds = seed % 2 == 0 ? 0 : 1e-5;
  c.seed = seed;
  c.check_ordering = c.poison_freed = true;
  return c;
}

/// What is served over a store, and by whom. The store is whose scene it is, and outlives the cache.
template <class Cache>
struct text_scene
{
  using cache_type = Cache;
  using store_type = std::decay_t<decltype(*std::get<2>(std::declval<typename Cache::config>().tiers).store)>;

  text_scene(const store_sizes& s, std::uint64_t seed)
      : device(store_device(seed)), compute(device.create_stream("compute")), model(device, 1e-6), sizes(s)
  {
  }
  text_scene(const text_scene&) = delete;
  text_scene& operator=(const text_scene&) = delete;
  ~text_scene()
  {
    const auto violations = device.violations();
    INFO((violations.empty() ? std::string() : to_string(violations.front())));
    CHECK(violations.empty());
    INFO(model.found().first());
    CHECK(model.found().count() == 0);
  }

  /// A new cache, as after a restart: memories are empty, the store is not.
  void start_over(store_type& below)
  {
    cache.reset();
    typename Cache::config c{.shape = tiny};
    c.layout.page_tokens = tiny_page;
    std::get<0>(c.tiers) = {.bytes = sizes.slab * tiny_page_bytes, .slack = 0};
    std::get<1>(c.tiers).bytes = sizes.arena * tiny_page_bytes;
    std::get<2>(c.tiers).store = &below;
    c.stores.room_bytes = sizes.room * tiny_page_bytes;
    c.stores.late_reads = late_reads;
    c.stores.get_seconds = get_seconds;
    c.stores.read_seconds = read_seconds;
    c.stores.reads = reads;
    c.stores.stages_for = stages_for;
    c.costs = costs;
    c.epoch = epoch;
    cache = std::make_unique<Cache>(device, c);
  }

  /// Serves one user; what is on its way is waited for, or with `patience` false what comes of the first call.
  std::optional<kvstrata::token_sources> serve(unsigned user, kvstrata::token_count history, bool told = true,
                                               kvstrata::token_count tail = 0, bool patience = true)
  {
    const std::vector<std::uint64_t> hashes = texts[user].prefix_hashes(user, history);
    kvstrata::request r{.user = kvstrata::user_id{user}, .history_tokens = history, .epoch = epoch};
    r.volatile_tail = tail;
    r.if_rewritten = kvstrata::rewritten_history::start_anew;
    if (told) r.fingerprint = {1, hashes};
    for (int attempt = 0; attempt < 40; ++attempt) {
      auto lease = cache->prepare({&r, 1}, compute);
      if (lease) return run(*lease, user, history, hashes, tail);
      if (lease.why().why == kvstrata::pressure::reason::copy_refused) continue;
      REQUIRE(lease.why().why == kvstrata::pressure::reason::arriving);
      REQUIRE(lease.why().user == user);
      ++arrivals;
      if (!patience) return std::nullopt;
      device.wait_sync(kvstrata::arrival_of(lease.why()));
    }
    FAIL("a user's records are on their way for ever");
    return std::nullopt;
  }

  /// A model whose rows nobody looks at.
  void run_model(typename Cache::lease& lease)
  {
    for (kvstrata::layer_index layer = 0; layer < tiny.layers; ++layer) {
      lease.wait(layer);
      lease.layer_done(layer);
    }
  }

  /// Serves a request by it, when what is on its way has come.
  kvstrata::token_sources serve_anyhow(const kvstrata::request& r)
  {
    for (int attempt = 0; attempt < 40; ++attempt) {
      auto lease = cache->prepare({&r, 1}, compute);
      if (!lease) {
        device.wait_sync(kvstrata::arrival_of(lease.why()));
        continue;
      }
      run_model(*lease);
      const kvstrata::token_sources sources = lease->sources(0);
      lease->commit();
      return sources;
    }
    FAIL("a user's records are on their way for ever");
    return {};
  }

  [[nodiscard]] kvstrata::store_figures figures() { return cache->stats().stores[store_level]; }
  /// Lets everything happen that is on its way.
  void settle()
  {
    for (int i = 0; i < 4; ++i) {
      device.advance_host(1);
      cache->poll();
    }
  }

  typename Cache::device_type device;
  kvstrata::stream_id compute;
  tiny_model model;
  store_sizes sizes;
  kvstrata::epoch_id epoch{};
  std::map<unsigned, user_text> texts;
  std::unique_ptr<Cache> cache;
  std::uint64_t arrivals = 0;
  std::uint64_t drafts = 0;
  std::uint32_t late_reads = 4;
  double get_seconds = 0;
  double read_seconds = 0;
  kvstrata::link_speed reads{};
  kvstrata::staged_for stages_for = kvstrata::staged_for::latency;
  kvstrata::cost_model costs{};

 private:
  kvstrata::token_sources run(typename Cache::lease& lease, unsigned user, kvstrata::token_count history,
                              const std::vector<std::uint64_t>& hashes, kvstrata::token_count tail)
  {
    const kvstrata::page_table_view view = lease.view();
    const auto compute_list = lease.compute(0);
    auto work = std::make_shared<lease_work>();
    work->value_offset = view.value_offset();
    work->layer_stride = view.where.layer_stride;
    ++drafts;
    for (kvstrata::token_count t = 0; t < history; ++t) {
      const bool writes = std::any_of(compute_list.begin(), compute_list.end(),
                                      [t](kvstrata::token_interval piece) { return piece.contains(t); });
      const bool lasts = t + tail < history;
      if (!lasts) REQUIRE(writes);
      work->cells.push_back({.key = view.key(0, 0, t),
                             .tag = lasts ? mix({hashes[t], to_number(epoch)}) : mix({hashes[t], drafts, 77}),
                             .user = kvstrata::user_id{user},
                             .token = t,
                             .writes = writes});
    }
    for (kvstrata::layer_index layer = 0; layer < tiny.layers; ++layer) {
      lease.wait(layer);
      model.launch(compute, layer, work);
      lease.layer_done(layer);
    }
    const auto sources = lease.sources(0);
    lease.commit();
    lease.release();
    return sources;
  }
};

/// Over the fake store.
template <class Cache = back_cache>
struct store_scene : text_scene<Cache>
{
  explicit store_scene(const kvstrata::memory_store_config& how = {}, const store_sizes& s = {}, std::uint64_t seed = 0,
                       std::shared_ptr<kvstrata::record_shelf> shelf = nullptr)
      : text_scene<Cache>(s, seed), store(this->device, how, std::move(shelf))
  {
    start();
  }
  ~store_scene() { this->cache.reset(); }

  void start() { this->start_over(store); }
  void restart(unsigned) { start(); }
  void falls_silent() { store.silence(1); }
  void erase(unsigned user) { this->cache->erase(kvstrata::user_id{user}); }
  [[nodiscard]] std::optional<kvstrata::record_header> record(unsigned user)
  {
    return store.shelf().find(kvstrata::key_of(kvstrata::user_id{user}));
  }

  typename text_scene<Cache>::store_type store;
};

}  // namespace kvstrata_test
