// The cache: keeps users' attention keys and values in a hierarchy and moves them in time.
//
//   cache<tier_stack<device_slab<Device>, pinned_arena<>>, hybrid_layout, layerwise_transfer<>, lru>
//
// tiers/tier_stack.hpp: where KV lives. layout/concepts.hpp: where a token lies. transfer/concepts.hpp: how it moves.
// replacement/concepts.hpp: who goes first. observe/concepts.hpp: who watches. Well-known points: cache/named_caches.hpp.
#pragma once

#include <kvstrata/books/residency.hpp>
#include <kvstrata/cache/cache_config.hpp>
#include <kvstrata/cache/checks.hpp>
#include <kvstrata/cache/executor.hpp>
#include <kvstrata/cache/health.hpp>
#include <kvstrata/cache/lease_info.hpp>
#include <kvstrata/cache/told_lock.hpp>
#include <kvstrata/cache/waiting_room.hpp>
#include <kvstrata/plan/batch_note.hpp>
#include <kvstrata/plan/planner.hpp>
#include <kvstrata/plan/prefetch_planner.hpp>
#include <kvstrata/tiers/codes.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// All members may be called from several threads; one lock serialises them. No call blocks the host on device work, except
/// drain_sync, close, the destructor, what an immediate transfer waits for, where memory has run out, what the host has no
/// memory to remember, and where the device refuses a copy, the part of it that is queued already. A call that throws or
/// returns pressure has changed nothing (but for copy_refused, after which all is as when a lease was dropped); when memory
/// runs out, the device fails or a type of the user's throws in its midst, users may have lost what they had cached, but what
/// is served afterwards is right and nothing stays held. The device must outlive the cache, the cache its leases.
template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement,
          tracker Tracker = no_tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
class cache
{
  using residency_type = residency<Tiers, Layout, Replacement, Tracker>;

 public:
  using device_type = typename Tiers::device_type;
  using transfer_type = Transfer;
  using entry_type = typename residency_type::entry_type;
  using lease = basic_lease<cache>;
  using config = cache_config<Tiers, Layout, typename Transfer::split>;

  /// Reserves all tiers. Further arguments are those of the tracker, which is constructed in its place: a tracker_ref, to one
  /// that caches share. Throws config_error for sizes that are zero or do not fit, capacity_error when a medium has not the
  /// memory.
  template <class... TrackerArguments>
    requires std::constructible_from<Tracker, TrackerArguments...>
  cache(device_type& d, const config& c, TrackerArguments&&... of_tracker)
      : residency_(d, detail::checked(c).shape, c.layout, c.tiers, c.epoch, detail::costs_from(c),
                   std::forward<TrackerArguments>(of_tracker)...),
        mover_(residency_, c.tiers, c.writes, c.stores, c.copy_lanes, c.overwrite_erased),
        planner_(residency_, victims_, detail::split_from(c)),
        executor_(residency_, mover_, c.kept_stretches),
        epoch_(c.epoch)
  {
    cache_built built{.levels = Tiers::memories + Tiers::stores};
    for (level_index i = 0; i < built.levels; ++i) built.names[i] = Tiers::names[i];
    tell(residency_.tracker(), built);
  }
  cache(const cache&) = delete;
  cache& operator=(const cache&) = delete;

  /// Waits until nothing queued uses the cache's memory. All leases must be gone.
  ~cache()
  {
    if (!closed_) mover_.end_sync();
  }

  /// Brings a batch under a lease: takes pages, evicts where it must, queues the onload of what levels below the slab have,
  /// and makes `compute` wait for the pages' earlier users. The model then queues its work on `compute`: per layer
  /// lease.wait, compute, lease.layer_done; at last lease.commit. Returns pressure when leases hold too much, or one of
  /// these users; when it comes too early, as another lease computes a part (part::if_computed_elsewhere), or what a store has of a
  /// request that is not provisional is on its way; when a request names another epoch than the cache's, as it lost the race with
  /// advance_epoch; or when the device does not take the copies. Throws usage_error (a user twice, a window behind its history, after
  /// close), history_error (a fingerprint contradicts what is cached, and is not to start anew), capacity_error (the batch is larger
  /// than the slab). What a request makes useless leaves every level first (request_plan::kept); a dropped lease brings nothing back.
  [[nodiscard]] result<lease> prepare(std::span<const request> requests, stream_id compute,
                                      const batch_note& note = {});

  /// What prepare would do with this batch now; does nothing, but for marks that a replacement policy ages while it is
  /// asked for victims. Throws as prepare does.
  [[nodiscard]] result<batch_plan> plan(std::span<const request> requests, const batch_note& note = {});

  /// Queues the onload of what levels below the slab have of a user, ahead of their request, within the limit. The pages
  /// are not held: they may be evicted before the request comes. A request that comes while they are under way waits for
  /// them layer by layer. Returns pressure and throws as prepare does. ahead/prefetcher.hpp does this for a queue. Of a request of
  /// parts one after the other is brought up, replace and read parts as a whole or not at all; where leases hold too much for a
  /// later one, those before it are on their way all the same.
  [[nodiscard]] result<prefetch_outcome> prefetch(const request& r, const prefetch_limit& limit = {});

  /// Takes back what prefetches brought of a user whom no request has read since. Copies under way finish, whoever
  /// takes the pages waits for them, and what was displaced does not come back. Returns the tokens that left the
  /// slab: none when a lease holds the user or when the levels below have lost them meanwhile.
  token_count undo_prefetch(const sequence_key& key);
  token_count undo_prefetch(user_id user) { return undo_prefetch(key_of(user)); }

  /// Blocks until what `why` tells of has passed, at most so long; other threads' calls go on. True when it has, and the call
  /// that was turned away is worth another try: held: so many pages can be had; user_held: no lease has the user; early_epoch:
  /// the epoch has begun; copy_refused: at once; arriving: no lease computes the part (comes_by_commit; in vain where it is the
  /// thread's own), or arrival_of(why) has come to pass, which is looked after every tenth of a millisecond (in virtual time nothing
  /// comes meanwhile), as are stores that released leases wait for. Asked about and not waited for: stale_epoch, which never
  /// passes. Others who wait may be quicker. False when the time is over. Throws usage_error after close, and when the cache is
  /// closed meanwhile. Nobody waits: a release costs a comparison more; each that waits for pages costs it O(requests under leases).
  bool wait_sync(const pressure& why, std::chrono::nanoseconds at_most);

  /// The same of all parts of a request, or of the history of one without.
  token_count undo_prefetch(const request& r);
  /// Has all arrived that prefetches have queued for a user, and that no request has taken over since? True when there
  /// is nothing. Never blocks.
  [[nodiscard]] bool arrived(user_id user) { return arrived(key_of(user)); }
  [[nodiscard]] bool arrived(const sequence_key& key);

  /// Of all parts of a request, or of the history of one without.
  [[nodiscard]] bool arrived(const request& r);
  /// Blocks until that is so; other threads' calls go on meanwhile.
  void wait_arrived_sync(user_id user) { wait_arrived_sync(key_of(user)); }
  void wait_arrived_sync(const sequence_key& key);

  void wait_arrived_sync(const request& r);

  /// Books what stores have answered and begins what has waited, as every call here does: for servers that make none.
  void poll()
  {
    const std::lock_guard lock(mutex_);
    require_open("poll");
    const wake_at_end others(room_);
    book_answers();
  }

  /// What became of a request of a provisional lease; prepare, poll and release hear what stores have answered. Kept or lost
  /// it stays, whatever becomes of the user, but that all older than the last 4,096 lost count as lost. O(tickets pending).
  [[nodiscard]] lease_outcome outcome(lease_ticket ticket)
  {
    const std::lock_guard lock(mutex_);
    return executor_.outcome_of(ticket);
  }

  /// Writes down about so many tokens that only the slab has, the coldest users first, partial last pages too: to be
  /// called when the server is idle. Begins no more than `writes` allows to be under way; held users are left out.
  /// Returns the tokens that are on their way. Does not block, unless the transfer policy does.
  std::uint64_t clean(std::uint64_t tokens = (std::numeric_limits<std::uint64_t>::max)());

  /// For a server that ends: puts in the stores what only memories have, makes it durable, and returns how many tokens were
  /// left out when `at_most` was over, under leases, or because the last memory or a store would not have them. Blocks; others'
  /// calls go on meanwhile. Throws usage_error after close, and what a device throws.
  std::uint64_t save_sync(std::chrono::nanoseconds at_most)
    requires(Tiers::stores != 0);

  /// Forgets a user in every tier; true when there was something to forget. A user under a lease is forgotten at once for
  /// everybody else, and their memory is given back at its release (overwritten before, where the config says so).
  bool erase(user_id user) { return erase(key_of(user)); }
  /// The same of a sequence of any space. What parts of other spaces a user has only the caller knows: each is erased by its key.
  bool erase(const sequence_key& key);

  /// A new model serves from now on: nothing computed under another epoch is served again, and its memory is taken
  /// back first when room is needed (stats().levels[i].stale_bytes). Requests that were stamped before and come after get
  /// pressure::stale_epoch, those that are stamped ahead of this call pressure::early_epoch; the tokens of leases that are out
  /// are not kept. O(1). Throws usage_error unless the epoch is newer, geometry_error when the new model's KV has another shape.
  void advance_epoch(epoch_id epoch, const geometry& shape)
  {
    const std::lock_guard lock(mutex_);
    require_open("advance_epoch");
    require_geometry(shape);
    detail::require_newer(epoch, residency_.users().epoch());
    residency_.advance(epoch);
    room_.wake();
    epoch_.store(epoch, std::memory_order_release);
  }
  void advance_epoch(epoch_id epoch) { advance_epoch(epoch, residency_.shape()); }
  /// Level Level encodes what it gets from now on as `told` says; belongs beside advance_epoch, as tables are counted on pages of
  /// the weights that serve. What is there stays readable: a configuration with which it would not be (exp4's with another
  /// escape_share, int8's with a minimum where there was none) is a config_error, and changes nothing. Throws usage_error after close.
  template <level_index Level>
  void recode(const typename tier_codec_t<typename Tiers::template tier<Level>>::config& told)
    requires(keeps_codes<typename Tiers::template tier<Level>>)
  {
    const std::lock_guard lock(mutex_);
    require_open("recode");
    residency_.template level<Level>().memory().codes().use(told);
  }

  /// What requests are to be stamped with; by the time they come it may be another. Takes no lock.
  [[nodiscard]] epoch_id epoch() const noexcept { return epoch_.load(std::memory_order_acquire); }

  /// Throws geometry_error unless a model's KV has the shape that the cache was built for.
  void require_geometry(const geometry& shape) const { detail::require_same(shape, residency_.shape()); }

  /// The leases that are out, the oldest first: who holds the pages that others want. O(requests under leases).
  [[nodiscard]] std::vector<lease_info> leases();

  /// Asks the device what is still in flight; throws device_error when it has failed. O(free runs).
  [[nodiscard]] cache_stats stats();

  /// How the cache is, after a close, too: failed, when the device has failed as far as it can be told by asking; degraded,
  /// when it has had to do without something since `before`, an earlier answer. Throws nothing for it. As stats otherwise.
  [[nodiscard]] cache_health health(const cache_health& before = {});

  /// Blocks until all that is queued on the cache's memory is done. Other threads' calls wait meanwhile.
  void drain_sync();

  /// Drains, and refuses every later call. Throws usage_error while leases are out. Closing twice is fine.
  void close();

  [[nodiscard]] device_type& device() const noexcept { return residency_.device(); }
  [[nodiscard]] const geometry& shape() const noexcept { return residency_.shape(); }
  [[nodiscard]] const Layout& layout() const noexcept { return residency_.layout(); }
  [[nodiscard]] Tracker& tracker() noexcept { return residency_.tracker(); }

 private:
  friend lease;
  using executor_type = executor<residency_type, Transfer>;
  using lease_state_type = typename executor_type::state;

  void require_open(const char* call) const
  {
    if (closed_) throw usage_error(std::string(call) + ": the cache is closed");
  }

  [[nodiscard]] cache_stats figures();  // locked
  /// What is planned: the requests, or the rows of their parts, where any has some. Throws usage_error.
  [[nodiscard]] std::span<const request> rows_of(std::span<const request> requests)
  {
    if (residency_.any_superseded()) residency_.settle_superseded();
    return !any_parts(requests) && rows_.rows().empty() ? requests : make_rows(requests);
  }
  [[nodiscard]] std::span<const request> make_rows(std::span<const request> requests);
  [[nodiscard]] std::optional<pressure> plan_into_batch(std::span<const request> rows, const queued_work& queued)
  {
    return rows_.rows().empty() ? planner_.plan(rows, batch_, queued) : planner_.plan(rows_, batch_, queued);
  }

  /// What stores have answered, and what has waited. Locked.
  void book_answers()
  {
    residency_.acting().begin({call_name::prefetch});
    executor_.settle();
  }
  pressure no_copy(std::span<const request> requests, std::uint64_t label);
  pressure turn_away(const pressure& why, std::uint64_t label);

  // What a lease asks of its cache:
  [[nodiscard]] auto view_of(const lease_state_type& s, std::size_t part) noexcept
  {
    return executor_.view_of(s, part);
  }

  [[nodiscard]] auto locked(call_name call) { return detail::told_lock(mutex_, residency_.tracker(), call); }

  void commit(lease_state_type& s)  // locked
  {
    const call_scope call(residency_.tracker(), call_name::commit);
    residency_.acting().begin({call_name::commit, s.tag.number, s.tag.label});
    executor_.commit(s);
    if (!s.plan.first_rows.empty()) room_.wake();  // others may wait for a version
  }

  void release(lease_state_type& s)  // locked
  {
    const call_scope call(residency_.tracker(), call_name::release);
    residency_.acting().begin({call_name::release, s.tag.number, s.tag.label});
    const wake_at_end others(room_);
    executor_.release(s);
  }

  std::mutex mutex_;
  residency_type residency_;
  mover<residency_type, Transfer> mover_;
  victim_finder<residency_type> victims_{residency_};
  planner<residency_type, typename Transfer::split> planner_;
  prefetch_planner<residency_type> prefetches_{residency_, victims_};
  executor_type executor_;
  planned_batch<residency_type> batch_;  // reused
  part_rows rows_;                       // reused, by batches of parts
  bool closed_ = false;
  std::uint64_t leases_ = 0;  // so far
  std::uint64_t refused_fetches_ = 0;
  std::array<std::uint64_t, pressure_reasons> turned_away_{};
  waiting_room room_;
  std::atomic<epoch_id> epoch_;  // the directory's, for whoever has no lock
};

}  // namespace kvstrata

#include <kvstrata/cache/calls.hpp>
#include <kvstrata/cache/named_caches.hpp>
#include <kvstrata/cache/prefetch_calls.hpp>
