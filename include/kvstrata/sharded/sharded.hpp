// Several caches as one, each with a lock of its own: for servers whose threads wait for each other at one cache.
//
//   sharded<default_cache<Device>> cache(device, config, 4);
//
// A user lives in one shard, by a hash. The shards' slabs are regions of one device reservation, so that one page table
// speaks of all of them, whatever shards a batch spans. All parts of a request are in the shard of its user: a sequence that
// users of several shards read is in each of these once.
#pragma once

#include <kvstrata/cache.hpp>
#include <kvstrata/sharded/shard_sizes.hpp>
#include <kvstrata/sharded/sharded_lease.hpp>
#include <kvstrata/tiers/codes.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// `Cache` is a kvstrata::cache. All members may be called from several threads. Calls that concern one user take that
/// user's shard's lock only; calls that concern several go from shard to shard in the order of their numbers and never
/// hold two locks. So what one shard does is atomic, and what several do is not: between two shards of one call, other
/// threads' calls may come. Each member says what that means.
///
/// A batch finds room in its users' shards alone: with `shards` shards, the largest batch that always fits is about a
/// shard's part of the slab. Each shard has its own transfer streams, staging memory and tracker.
template <class Cache>
class sharded
{
 public:
  using device_type = typename Cache::device_type;
  using lease = sharded_lease<Cache>;
  using config = typename Cache::config;

  /// Reserves the slab once and divides all tiers, and the bound on writes under way, among `shards` caches
  /// (sharded/shard_sizes.hpp). Throws config_error for sizes that are zero, do not fit, or do not give every shard a
  /// page; capacity_error when a medium has not the memory. Further arguments are those of each shard's tracker; one that they
  /// share (tracker_ref) is told by several threads at once.
  template <class... TrackerArguments>
    requires std::constructible_from<Cache, device_type&, const config&, const TrackerArguments&...>
  sharded(device_type& d, const config& whole, std::uint32_t shards, const TrackerArguments&... of_tracker)
      : sizes_(whole, shards),
        memory_(
            d.allocate_device(std::size_t{sizes_.total()} * page_bytes(whole.shape, whole.layout.page_tokens), "slab"))
  {
    for (std::uint32_t i = 0; i < shards; ++i) {
      shards_.push_back(std::make_unique<Cache>(d, sizes_.of(i, memory_.data()), of_tracker...));
    }
  }
  sharded(const sharded&) = delete;
  sharded& operator=(const sharded&) = delete;
  /// Waits until nothing queued uses the memory. All leases must be gone.
  ~sharded() = default;

  /// As cache's, for users of any shards: one lease, with one page table in the order of the requests. The shards
  /// prepare their parts in the order of their numbers, so that batches never refuse each other in a circle.
  /// When a shard returns pressure or throws, the parts before it are given up and its answer is passed on: nothing
  /// stays held and no content changes, but users of those parts may have come up to the device, others been evicted for
  /// them, and what their requests make useless is forgotten, as after a lease that was dropped; a pressure's page counts
  /// are that shard's, which it names, and a capacity_error names it, too. A batch that is of another epoch in one of its shards
  /// when it comes changes nothing in any. Each shard's split policy sees that shard's users. Throws usage_error for a user who
  /// is twice in the batch before anything changes.
  /// O(shards + requests log requests) on top of the shards' work, and O(pages of the batch) for the page table.
  [[nodiscard]] result<lease> prepare(std::span<const request> requests, stream_id compute, const batch_note& note = {})
  {
    lease out(*this, idle_state());  // gives back what it has when a part is missing
    state& s = *out.state_;
    route(requests, s);
    for (const std::uint32_t shard : s.shards) {
      if (are_of_epoch(s.asked[shard], shards_[shard]->epoch())) continue;
      if (const auto part = in(shard, [&](Cache& c) { return c.prepare(s.asked[shard], compute, note); }); !part)
        return part.why();  // else it has caught up meanwhile
    }
    for (const std::uint32_t shard : s.shards) {
      auto part = in(shard, [&](Cache& c) { return c.prepare(s.asked[shard], compute, note); });
      if (!part) return part.why();
      s.parts.push_back(std::move(part).value());
      s.plans[shard] = &s.parts.back().plan();
    }
    s.merge_plans();
    s.merge_tables(memory_.data(), [this](std::uint32_t shard) { return sizes_.first_page(shard); });
    return result<lease>(std::move(out));
  }

  /// What prepare would do with this batch now, were nobody else to call meanwhile.
  [[nodiscard]] result<batch_plan> plan(std::span<const request> requests, const batch_note& note = {});

  /// As cache's; atomic.
  [[nodiscard]] result<prefetch_outcome> prefetch(const request& r, const prefetch_limit& limit = {})
  {
    return in(shard_of(r.user), [&](Cache& c) { return c.prefetch(r, limit); });
  }
  /// As cache's; atomic.
  token_count undo_prefetch(user_id user) { return home(user).undo_prefetch(user); }
  /// As cache's; atomic.
  [[nodiscard]] bool arrived(user_id user) { return home(user).arrived(user); }
  /// As cache's.
  void wait_arrived_sync(user_id user) { home(user).wait_arrived_sync(user); }
  /// As cache's, of all parts of a request, in the shard of its user.
  token_count undo_prefetch(const request& r) { return home(r.user).undo_prefetch(r); }
  [[nodiscard]] bool arrived(const request& r) { return home(r.user).arrived(r); }
  void wait_arrived_sync(const request& r) { home(r.user).wait_arrived_sync(r); }
  /// As cache's; atomic.
  bool erase(user_id user) { return home(user).erase(user); }
  /// As cache's, in every shard, one after the other: a sequence of a part lives where those live who ask for it.
  bool erase(const sequence_key& key)
  {
    bool out = false;
    for (const auto& each : shards_) out |= each->erase(key);
    return out;
  }

  /// As cache's; a ticket of a sharded cache of fewer shards is lost.
  [[nodiscard]] lease_outcome outcome(lease_ticket ticket)
  {
    return ticket.shard < shards() ? shards_[ticket.shard]->outcome(ticket) : lease_outcome::lost;
  }

  /// As cache's, one shard after the other.
  void poll()
  {
    for (const auto& each : shards_) each->poll();
  }

  /// As cache's; each shard is asked for an equal part, and for what those before it had not. The coldest of each shard
  /// go first. Calls begin at one shard after the other, so that small budgets reach all.
  std::uint64_t clean(std::uint64_t tokens = (std::numeric_limits<std::uint64_t>::max)());

  /// As cache's, one shard after the other, `at_most` for all of them together. Returns the sum.
  std::uint64_t save_sync(std::chrono::nanoseconds at_most)
    requires(Cache::config::tiers_type::stores != 0);

  /// As cache's, shard by shard; other threads' calls to it and to close wait. Once it has returned nothing of an older
  /// epoch is served. Until then a batch of either epoch may come too late or too early for one of its shards, and is told so;
  /// nothing wrong is served.
  void advance_epoch(epoch_id epoch, const geometry& shape)
  {
    const std::lock_guard lock(turning_);
    require_geometry(shape);
    for (const auto& each : shards_) each->advance_epoch(epoch);  // a misuse shows at the first
  }
  void advance_epoch(epoch_id epoch) { advance_epoch(epoch, shape()); }
  /// As cache's, shard by shard; what one refuses all do.
  template <level_index Level>
  void recode(const typename tier_codec_t<typename config::tiers_type::template tier<Level>>::config& told)
    requires(keeps_codes<typename config::tiers_type::template tier<Level>>)
  {
    for (const auto& each : shards_) each->template recode<Level>(told);
  }

  /// As cache's: the newest that all shards are at. Who stamps requests with it never comes too early.
  [[nodiscard]] epoch_id epoch() const noexcept { return shards_.back()->epoch(); }

  /// As cache's.
  void require_geometry(const geometry& model) const { shards_.front()->require_geometry(model); }

  /// The sums over all shards, each at its own moment; `leases` counts a lease once for every shard that it spans.
  [[nodiscard]] cache_stats stats()
  {
    cache_stats all;
    for (std::uint32_t i = 0; i < shards(); ++i) all += stats(i);
    return all;
  }
  /// Of one shard, to see how evenly users are spread.
  [[nodiscard]] cache_stats stats(std::uint32_t shard) { return shards_[shard]->stats(); }

  /// As cache's, in the shard that `why` names. Throws usage_error where it names none.
  bool wait_sync(const pressure& why, std::chrono::nanoseconds at_most)
  {
    if (why.shard < shards()) return shards_[why.shard]->wait_sync(why, at_most);
    throw usage_error("wait_sync: the pressure is of no shard; it was not this cache that told it");
  }

  /// As cache's, shard by shard: a lease stands there once for every shard that it spans, with one label.
  [[nodiscard]] std::vector<lease_info> leases()
  {
    std::vector<lease_info> all;
    for (std::uint32_t i = 0; i < shards(); ++i) {
      for (const lease_info& one : shards_[i]->leases()) all.emplace_back(one).shard = i;
    }
    return all;
  }

  /// As cache's, of all shards: the sums, and the worst.
  [[nodiscard]] cache_health health(const cache_health& before = {})
  {
    cache_health all;
    for (const auto& each : shards_) all += each->health();
    all.compare(before);
    return all;
  }

  /// As cache's, one shard after the other: what other threads queue meanwhile may be left.
  void drain_sync()
  {
    for (const auto& each : shards_) each->drain_sync();
  }

  /// As cache's. Throws usage_error while leases are out, before any shard is closed; if leases are taken meanwhile,
  /// some shards may be closed already: close again when they are released.
  void close();

  [[nodiscard]] device_type& device() const noexcept { return shards_.front()->device(); }
  [[nodiscard]] const geometry& shape() const noexcept { return shards_.front()->shape(); }
  [[nodiscard]] const auto& layout() const noexcept { return shards_.front()->layout(); }
  [[nodiscard]] std::uint32_t shards() const noexcept { return static_cast<std::uint32_t>(shards_.size()); }
  /// The tracker of one shard.
  [[nodiscard]] auto& tracker(std::uint32_t shard) noexcept { return shards_[shard]->tracker(); }

  /// Where a user lives (sharded/shard_sizes.hpp): for callers who form batches that stay in one shard, which then has one
  /// lock to take.
  [[nodiscard]] std::uint32_t shard_of(user_id user) const noexcept { return kvstrata::shard_of(user, shards()); }

 private:
  friend lease;
  using state = sharded_state<Cache>;

  /// Calls call(shard); what it answers and throws speaks of that shard.
  template <class Call>
  [[nodiscard]] auto in(std::uint32_t shard, Call&& call)
  {
    try {
      auto out = call(*shards_[shard]);
      if (out) return out;
      pressure why = out.why();
      why.shard = shard;
      return decltype(out)(why);
    } catch (const capacity_error& e) {
      throw capacity_error("shard " + std::to_string(shard) + " of " + std::to_string(shards()) + ": " + e.what());
    }
  }

  [[nodiscard]] Cache& home(user_id user) noexcept { return *shards_[shard_of(user)]; }

  /// Sorts the requests by shard. An empty batch goes to the first shard, for its checks.
  void route(std::span<const request> requests, state& s) const
  {
    s.users.require(requests);
    for (const request& r : requests) {
      const std::uint32_t shard = shard_of(r.user);
      s.places.push_back({shard, static_cast<std::uint32_t>(s.asked[shard].size())});
      s.asked[shard].push_back(r);
    }
    for (std::uint32_t i = 0; i < shards(); ++i) {
      if (!s.asked[i].empty() || (requests.empty() && i == 0)) s.shards.push_back(i);
    }
  }

  [[nodiscard]] state& idle_state()
  {
    const std::lock_guard lock(states_lock_);
    if (idle_.empty()) {
      idle_.reserve(states_.size() + 1);  // room for all: taking back cannot fail
      auto made = std::make_unique<state>();
      made->asked.resize(shards());
      made->plans.resize(shards());
      made->parts.reserve(shards());
      states_.push_back(std::move(made));
      idle_.push_back(states_.back().get());
    }
    state& s = *idle_.back();
    s.done.assign(shape().layers, false);
    s.committed = false;
    for (auto& each : s.asked) each.clear();
    s.places.clear();
    s.shards.clear();
    idle_.pop_back();
    return s;
  }

  void take_back(state& s) noexcept
  {
    const std::lock_guard lock(states_lock_);
    idle_.push_back(&s);
  }

  shard_sizes<config> sizes_;
  typename device_type::memory memory_;  // outlives the shards
  std::vector<std::unique_ptr<Cache>> shards_;
  std::atomic<std::uint32_t> next_to_clean_{0};
  std::mutex turning_;  // advance_epoch and close
  bool closing_ = false, closed_ = false;
  std::mutex states_lock_;
  std::vector<std::unique_ptr<state>> states_;
  std::vector<state*> idle_;
};

}  // namespace kvstrata

#include <kvstrata/sharded/calls.hpp>
