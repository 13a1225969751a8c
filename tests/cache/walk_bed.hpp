// What random walks on a cache have in common, whatever they ask for: leases around which a model works, time that passes,
// books that must add up.
#pragma once

#include "cache/naive_cache.hpp"
#include "cache/random_walk.hpp"
#include "cache/tiny_model.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace kvstrata_test {

namespace walking {

using namespace kvstrata;

/// `Model` is what computes: tiny_model, or copying_model<Device>. `Row` is what a walk knows of a sequence that is under a lease.
template <kvstrata::device Device, class Model, class Row>
class walk_bed
{
 public:
  walk_bed(const walk_bed&) = delete;
  walk_bed& operator=(const walk_bed&) = delete;

 protected:
  struct open_lease
  {
    std::unique_ptr<any_lease> lease;
    stream_id stream{};
    std::vector<Row> rows;
    std::shared_ptr<lease_work> work;
    std::uint64_t draft = 0;
    layer_index next = 0;
    bool committed = false;
  };

  walk_bed(any_cache& cache, Device& device, const facts& about, const walk& how, std::uint64_t seed)
      : cache_(cache), device_(device), about_(about), how_(how), model_(device, 2e-6), random_(seed)
  {
    for (const char* name : {"compute a", "compute b"}) streams_.push_back(device_.create_stream(name));
  }
  virtual ~walk_bed() = default;

  /// Begins a lease, or is turned away.
  virtual void prepare() = 0;
  /// A lease was committed just now.
  virtual void learn(open_lease& l) = 0;

  [[nodiscard]] unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  // --- a lease ------------------------------------------------------------------------------------------------------

  [[nodiscard]] open_lease begun(std::unique_ptr<any_lease> lease, stream_id stream)
  {
    open_lease fresh;
    fresh.lease = std::move(lease);
    fresh.stream = stream;
    fresh.draft = ++drafts_;
    return fresh;
  }

  void work_on_a_lease()
  {
    if (open_.empty()) return prepare();
    const std::size_t which = below(static_cast<unsigned>(open_.size()));
    const unsigned what = below(20);
    if (what == 0) return drop(which);  // whatever it has come to
    if (what < 6) return layer(which);
    close_lease(which);
  }

  /// One layer, in the way of a model: wait, compute, done.
  void layer(std::size_t which)
  {
    open_lease& l = open_[which];
    if (l.next == tiny.layers) return commit(which);
    if (below(8) == 0) l.lease->wait_sync(l.next);
    else l.lease->wait(l.next);
    model_.launch(l.stream, l.next, l.work);
    l.lease->layer_done(l.next++);
  }

  void commit(std::size_t which)
  {
    open_lease& l = open_[which];
    if (l.committed) {
      REQUIRE_THROWS_AS(l.lease->commit(), usage_error);
      return;
    }
    l.lease->commit();
    l.committed = true;
    learn(l);
  }

  /// The rest of the layers, mostly a commit, and the end.
  void close_lease(std::size_t which)
  {
    while (open_[which].next != tiny.layers) layer(which);
    if (!open_[which].committed && below(10) != 0) commit(which);
    drop(which);
  }
  void close_some_lease() { close_lease(below(static_cast<unsigned>(open_.size()))); }
  void close_all_leases()
  {
    while (!open_.empty()) close_lease(open_.size() - 1);
  }

  void drop(std::size_t which)
  {
    if (below(2) == 0) open_[which].lease->release();
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  /// Whoever is turned away for want of room is told the numbers.
  void check_held(const pressure& why) const
  {
    REQUIRE(why.pages_needed > why.pages_free + why.pages_evictable);
    REQUIRE(why.pages_free + why.pages_evictable + why.pages_held <= about_.device_pages());
  }

  // --- time ---------------------------------------------------------------------------------------------------------

  void pass_time()
  {
    if constexpr (emulates) {
      const bool is_virtual = device_.config().time == time_mode::virtual_time;
      if (is_virtual && below(4) == 0) device_.delay_next_copy(1e-6 * below(50), below(6));
      if (is_virtual && below(4) != 0) return device_.advance_host(1e-6 * below(40));
    }
    if (below(3) == 0) cache_.drain_sync();
    else device_.wait_sync(device_.record(streams_[below(2)]));
  }

  /// Nothing was ordered wrongly or read wrong, and the cache may close.
  void end_of_walk()
  {
    for (const stream_id stream : streams_) device_.wait_sync(device_.record(stream));
    if constexpr (emulates) {
      const auto violations = device_.violations();
      if (!violations.empty())
        FAIL(violations.size() << " orderings are missing, the first: " << to_string(violations[0]));
    }
    if (model_.found().count() != 0)
      FAIL(model_.found().count() << " wrong reads, the first: " << model_.found().first());
    cache_.close();
  }

  // --- books --------------------------------------------------------------------------------------------------------

  [[nodiscard]] cache_stats snapshot() { return cache_.stats(); }

  void check_tiers(const cache_stats& s) const
  {
    const std::vector<tier_stats> tiers = all_tiers(s);
    for (std::size_t i = 0; i < tiers.size(); ++i) {
      const tier_stats& tier = tiers[i];
      REQUIRE(tier.free_bytes + tier.resident_bytes + tier.in_flight_bytes == tier.capacity_bytes);
      REQUIRE(tier.stale_bytes <= tier.resident_bytes);
      REQUIRE(tier.dropped_tokens <= tier.evicted_tokens);
      REQUIRE(tier.resident_tokens * (i < about_.levels ? about_.frame_bytes[i] : tiny_page_bytes) <=
              tier.resident_bytes * tiny_page);
    }
    REQUIRE(s.depth == about_.levels);
    for (level_index i = 0; i < most_levels; ++i) {
      REQUIRE(s.levels[i].capacity_bytes == about_.level_pages[i] * about_.frame_bytes[i]);
    }
    REQUIRE(s.window.capacity_bytes == about_.window_pages * tiny_page_bytes);
    REQUIRE(s.dirty_tokens <= s.levels[0].resident_tokens);
    if (about_.levels == 1) REQUIRE(s.dirty_tokens == s.levels[0].resident_tokens);
    if (!about_.bounded_writes && !about_.coded()) REQUIRE(s.waiting_writes == 0);
    REQUIRE(s.leases == open_.size());
  }

  [[nodiscard]] bool is_in_window(page_id id) const { return to_number(id) >= about_.slab_pages; }

  [[nodiscard]] static std::uint64_t resident_tokens(const cache_stats& s)
  {
    std::uint64_t sum = 0;
    for (level_index i = 0; i < s.depth; ++i) sum += s.levels[i].resident_tokens;
    return sum;
  }
  /// From all levels below the slab.
  [[nodiscard]] static std::uint64_t evicted_below(const cache_stats& s)
  {
    std::uint64_t sum = 0;
    for (level_index i = 1; i < s.depth; ++i) sum += s.levels[i].evicted_tokens;
    return sum;
  }
  [[nodiscard]] static std::uint64_t dropped_below(const cache_stats& s)
  {
    std::uint64_t sum = 0;
    for (level_index i = 1; i < s.depth; ++i) sum += s.levels[i].dropped_tokens;
    return sum;
  }

  /// No token vanishes but through a counted loss.
  void check_losses(const cache_stats& s) const
  {
    const std::uint64_t dropped = s.levels[0].dropped_tokens + dropped_below(s);
    if (naive_.vanished() > dropped)
      FAIL(naive_.vanished() << " tokens have vanished, but " << dropped << " were dropped");
    if (about_.loses_nothing) REQUIRE(dropped == 0);
  }

  /// What a refused call must leave as it was. A prefetch that does nothing may still let writes begin that waited:
  /// then the levels below and what is left of older epochs may change.
  [[nodiscard]] static bool same(const cache_stats& a, const cache_stats& b, bool nothing_waited = true)
  {
    const auto tokens = [](const tier_stats& x, const tier_stats& y) {
      return x.resident_tokens == y.resident_tokens && x.evicted_tokens == y.evicted_tokens &&
             x.dropped_tokens == y.dropped_tokens;
    };
    const auto bytes = [](const tier_stats& x, const tier_stats& y) {
      return x.capacity_bytes == y.capacity_bytes && x.resident_bytes == y.resident_bytes &&
             x.free_bytes + x.in_flight_bytes == y.free_bytes + y.in_flight_bytes;
    };
    if (!tokens(a.levels[0], b.levels[0]) || !bytes(a.window, b.window) || a.leases != b.leases) return false;
    if (a.forgotten != b.forgotten) return false;
    if (!nothing_waited) return true;
    for (level_index i = 0; i < a.depth; ++i) {
      if (!bytes(a.levels[i], b.levels[i]) || !tokens(a.levels[i], b.levels[i])) return false;
    }
    return a.dirty_tokens == b.dirty_tokens && a.users == b.users;
  }

  static constexpr bool emulates = std::derived_from<Device, emulated_device>;

  any_cache& cache_;
  Device& device_;
  facts about_;
  walk how_;
  Model model_;
  std::mt19937_64 random_;
  std::vector<stream_id> streams_;
  naive_cache naive_;
  epoch_id epoch_{};
  std::vector<open_lease> open_;
  std::uint64_t drafts_ = 0;
};

}  // namespace walking

}  // namespace kvstrata_test
