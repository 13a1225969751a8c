// The cache: keeps users' attention keys and values in a hierarchy and moves them in time.
//
//   cache<tier_stack<device_slab<Device>, pinned_arena<>>, hybrid_layout, layerwise_transfer<>, lru>
//
// tiers/tier_stack.hpp: where KV lives. layout/concepts.hpp: where a token lies. transfer/concepts.hpp: how and when it
// moves. replacement/concepts.hpp: who goes first. observe/concepts.hpp: who watches. Well-known points of that space:
// cache/named_caches.hpp.
#pragma once

#include <kvstrata/cache/hierarchy.hpp>
#include <kvstrata/cache/lease.hpp>
#include <kvstrata/cache/lease_book.hpp>
#include <kvstrata/cache/planner.hpp>
#include <kvstrata/cache/prefetch_planner.hpp>

#include <cstdint>
#include <limits>
#include <mutex>
#include <span>
#include <string>

namespace kvstrata {

/// All members may be called from several threads; one lock serialises them. No call blocks the host on device work,
/// except drain_sync, close, the destructor, what an immediate transfer waits for, and, where memory has run out, what the
/// host has no memory to remember. A call that throws or returns pressure has changed nothing; when memory runs out, the
/// device fails or a type of the user's throws in its midst, users may have lost what they had cached, but what is served
/// afterwards is right and nothing stays held. The device must outlive the cache, the cache its leases.
template <class Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement,
          tracker Tracker = no_tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
class cache
{
  using levels = hierarchy<Tiers, Layout, Transfer, Replacement, Tracker>;

 public:
  using device_type = typename Tiers::device_type;
  using transfer_type = Transfer;
  using entry_type = typename levels::entry_type;
  using lease = basic_lease<cache>;

  struct config
  {
    geometry shape;                            ///< fixed for the cache's life
    typename Tiers::slab::config device = {};  ///< size of the device tier
    typename Tiers::lower::config host = {};   ///< size of the lower tier; empty without one
    Layout layout = {};
    epoch_id epoch{};                     ///< the model version that is served first
    typename Transfer::split split = {};  ///< who is computed although the lower tier has it
    write_limits writes = {};             ///< bounds on what goes down
    cost_model costs = {};                ///< what replacement policies are told that recomputing and fetching cost
    std::uint32_t kept_stretches = 1;     ///< hashes kept of a user with stretch fingerprints, 8 bytes each
  };

  /// Reserves all tiers. Throws config_error for sizes that are zero or do not fit, capacity_error when a medium has
  /// not the memory.
  cache(device_type& d, const config& c)
      : levels_(d, checked(c).shape, c.layout, c.device, c.host, c.epoch, c.split, c.writes, c.costs),
        leases_(levels_, c.kept_stretches)
  {
  }
  cache(const cache&) = delete;
  cache& operator=(const cache&) = delete;

  /// Waits until nothing queued uses the cache's memory. All leases must be gone.
  ~cache()
  {
    if (closed_) return;
    try {
      levels_.drain_sync();
    } catch (...) {  // a failed device runs nothing any more
    }
  }

  /// Brings a batch under a lease: takes pages, evicts where it must, queues the onload of what the lower tier has, and
  /// makes `compute` wait for the pages' earlier users. The model then queues its work on `compute`: per layer
  /// lease.wait, compute, lease.layer_done; at last lease.commit. Returns pressure when leases hold too much, or one of
  /// these users. Throws usage_error (a user twice, a wrong epoch, a window behind its history, after close),
  /// history_error (a fingerprint contradicts what is cached, and is not to start anew), capacity_error (the batch is
  /// larger than the device). What a request makes useless leaves every tier first (request_plan::kept); dropping the
  /// lease does not bring it back.
  [[nodiscard]] result<lease> prepare(std::span<const request> requests, stream_id compute)
  {
    const std::lock_guard lock(mutex_);
    require_open("prepare");
    const call_scope call(levels_.watcher(), call_name::prepare);
    device().wait(compute, {compute, 0});  // waits for nothing: an unknown stream shows before anything changes
    if (const auto why = planner_.plan(requests, batch_)) return turn_away(*why);
    return lease(*this, leases_.open_lease(batch_, requests, compute));
  }

  /// What prepare would do with this batch now; does nothing, but for marks that a replacement policy ages while it is
  /// asked for victims. Throws as prepare does.
  [[nodiscard]] result<batch_plan> plan(std::span<const request> requests)
  {
    const std::lock_guard lock(mutex_);
    require_open("plan");
    if (const auto why = planner_.plan(requests, batch_)) return *why;
    return batch_.plan;
  }

  /// Queues the onload of what the lower tier has of a user, ahead of their request, within the limit. The pages are
  /// not held: they may be evicted before the request comes. A request that comes while they are under way waits for
  /// them layer by layer. Returns pressure and throws as prepare does. cache/prefetcher.hpp does this for a queue of
  /// requests.
  [[nodiscard]] result<prefetch_outcome> prefetch(const request& r, const prefetch_limit& limit = {})
  {
    const std::lock_guard lock(mutex_);
    require_open("prefetch");
    const call_scope call(levels_.watcher(), call_name::prefetch);
    token_count left = 0;
    if (const auto why = prefetches_.plan_prefetch(r, limit, batch_, left)) return turn_away(*why);
    prefetch_outcome out;
    if (!batch_.plan.requests.empty()) out = leases_.prefetch(batch_, r);
    out.left = left;
    levels_.proceed();  // not before: what makes room below may be what the plan brings up
    return out;
  }

  /// Takes back what prefetches brought of a user whom no request has read since. Copies under way finish, whoever
  /// takes the pages waits for them, and what was displaced does not come back. Returns the tokens that left the
  /// device: none when a lease holds the user or when the lower tier has lost them meanwhile.
  token_count undo_prefetch(user_id user)
  {
    const std::lock_guard lock(mutex_);
    require_open("undo_prefetch");
    const call_scope call(levels_.watcher(), call_name::prefetch);
    entry_type* const found = levels_.users().find(user);
    return found == nullptr || found->holds != 0 ? 0 : levels_.undo_prefetch(*found);
  }

  /// Has all arrived that prefetches have queued for a user, and that no request has taken over since? True when there
  /// is nothing. Never blocks.
  [[nodiscard]] bool arrived(user_id user)
  {
    const std::lock_guard lock(mutex_);
    require_open("arrived");
    entry_type* const found = levels_.users().find(user);
    return found == nullptr || found->prefetched.arriving.empty() || device().query(found->prefetched.arriving.back());
  }

  /// Blocks until that is so; other threads' calls go on meanwhile.
  void wait_arrived_sync(user_id user)
  {
    event last;
    {
      const std::lock_guard lock(mutex_);
      require_open("wait_arrived_sync");
      entry_type* const found = levels_.users().find(user);
      if (found != nullptr && !found->prefetched.arriving.empty()) last = found->prefetched.arriving.back();
    }
    device().wait_sync(last);
  }

  /// Writes down about so many tokens that only the device has, the coldest users first, partial last pages too: to be
  /// called when the server is idle. Begins no more than `writes` allows to be under way; held users are left out.
  /// Returns the tokens that are on their way. Does not block, unless the transfer policy does.
  std::uint64_t clean(std::uint64_t tokens = (std::numeric_limits<std::uint64_t>::max)())
  {
    const std::lock_guard lock(mutex_);
    require_open("clean");
    const call_scope call(levels_.watcher(), call_name::clean);
    levels_.proceed();
    return levels_.clean(tokens);
  }

  /// Forgets a user in every tier; true when there was something to forget. A user under a lease is forgotten at once
  /// for everybody else, and their memory is given back at its release.
  bool erase(user_id user)
  {
    const std::lock_guard lock(mutex_);
    require_open("erase");
    const call_scope call(levels_.watcher(), call_name::erase);
    entry_type* const found = levels_.users().find(user);
    if (found == nullptr) return false;
    if (found->holds != 0) levels_.doom(*found);
    else levels_.erase(*found);
    return true;
  }

  /// A new model serves from now on: nothing computed under another epoch is served again, and its memory is taken
  /// back first when room is needed. O(1). Throws usage_error unless the epoch is newer, geometry_error when the new
  /// model's KV has another shape.
  void advance_epoch(epoch_id epoch, const geometry& shape)
  {
    const std::lock_guard lock(mutex_);
    require_open("advance_epoch");
    require_geometry(shape);
    if (epoch <= levels_.users().epoch()) {
      throw usage_error("advance_epoch: epoch " + std::to_string(to_number(epoch)) +
                        " is not newer than the cache's, " + std::to_string(to_number(levels_.users().epoch())));
    }
    levels_.advance(epoch);
  }
  void advance_epoch(epoch_id epoch) { advance_epoch(epoch, levels_.shape()); }

  /// Throws geometry_error unless a model's KV has the shape that the cache was built for.
  void require_geometry(const geometry& shape) const
  {
    if (shape == levels_.shape()) return;
    throw geometry_error("the model's KV is " + to_string(shape) + ", but the cache was built for " +
                         to_string(levels_.shape()) + "; build a new cache for it");
  }

  /// Asks the device what is still in flight; throws device_error when that shows that it failed. O(free runs).
  [[nodiscard]] cache_stats stats()
  {
    const std::lock_guard lock(mutex_);
    require_open("stats");
    cache_stats s = levels_.stats();
    s.leases = leases_.open();
    s.forgotten = leases_.forgotten();
    return s;
  }

  /// Blocks until all that is queued on the cache's memory is done. Other threads' calls wait meanwhile.
  void drain_sync()
  {
    const std::lock_guard lock(mutex_);
    require_open("drain_sync");
    levels_.drain_sync();
  }

  /// Drains, and refuses every later call. Throws usage_error while leases are out. Closing twice is fine.
  void close()
  {
    const std::lock_guard lock(mutex_);
    if (leases_.open() != 0) {
      throw usage_error("close: " + std::to_string(leases_.open()) + " leases are not released yet");
    }
    levels_.drain_sync();
    closed_ = true;
  }

  [[nodiscard]] device_type& device() const noexcept { return levels_.device(); }
  [[nodiscard]] const geometry& shape() const noexcept { return levels_.shape(); }
  [[nodiscard]] const Layout& layout() const noexcept { return levels_.layout(); }
  [[nodiscard]] Tracker& watcher() noexcept { return levels_.watcher(); }

 private:
  friend lease;
  using lease_state_type = typename lease_book<levels>::state;

  static const config& checked(const config& c)
  {
    check_pages(c.shape, c.layout);
    check(c.writes);
    check(c.costs, "costs");
    if constexpr (requires { check(c.split); }) check(c.split);
    check_kept_stretches(c.kept_stretches);
    return c;
  }

  void require_open(const char* call) const
  {
    if (closed_) throw usage_error(std::string(call) + ": the cache is closed");
  }

  pressure turn_away(const pressure& why)
  {
    tell(levels_.watcher(), pressure_met{});
    return why;
  }

  // What a lease asks of its cache:
  [[nodiscard]] page_table_view view_of(const lease_state_type& s) noexcept
  {
    const auto& slab = levels_.top().slab();
    return s.table.view(slab.base(), slab.place(), shape(), layout().page_tokens);
  }

  void commit(lease_state_type& s)
  {
    const std::lock_guard lock(mutex_);
    const call_scope call(levels_.watcher(), call_name::commit);
    leases_.commit(s);
  }

  void release(lease_state_type& s)
  {
    const std::lock_guard lock(mutex_);
    const call_scope call(levels_.watcher(), call_name::release);
    leases_.release(s);
  }

  std::mutex mutex_;
  levels levels_;
  room_finder<levels> room_{levels_};
  planner<levels> planner_{levels_, room_};
  prefetch_planner<levels> prefetches_{levels_, room_};
  lease_book<levels> leases_;
  planned_batch<levels> batch_;  // reused
  bool closed_ = false;
};

}  // namespace kvstrata

#include <kvstrata/cache/named_caches.hpp>
