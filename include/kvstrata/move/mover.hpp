// What moves bytes between the levels of one cache. The planner decides; this acts.
#pragma once

#include <kvstrata/core/attempts.hpp>
#include <kvstrata/move/copy_lanes.hpp>
#include <kvstrata/move/demoter.hpp>
#include <kvstrata/move/eraser.hpp>
#include <kvstrata/move/fetcher.hpp>
#include <kvstrata/move/writer.hpp>

#include <array>
#include <limits>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Not synchronised: the cache holds a lock. Nothing here blocks, unless the transfer policy does.
template <class Residency, class Transfer>
class mover
{
 public:
  using entry_type = typename Residency::entry_type;
  using device_type = typename Residency::device_type;
  static constexpr level_index memories = Residency::memories;
  using lanes_type = copy_lanes<Transfer, device_type, (memories > 2 || Residency::stores != 0)>;

  /// Throws config_error where the transfer cannot move such pages, or lands in a window that is not there.
  mover(Residency& r, const typename Residency::tiers_type::config& sizes, const write_limits& writes,
        const store_limits& stores, std::uint32_t most_lanes, bool overwrites_erased = false)
      : residency_(&checked(r)),
        lanes_(r.device(), most_lanes),
        up_(r, lanes_),
        down_(r, lanes_),
        writes_(r, down_, writes),
        stores_(r, sizes, stores),
        eraser_(r, overwrites_erased)
  {
    if constexpr (Residency::stores != 0) down_.stores_ = &stores_;
  }
  mover(const mover&) = delete;
  mover& operator=(const mover&) = delete;

  /// Whose copies run behind whose: leases, and what else is queued here, say in which lane they are.
  [[nodiscard]] lanes_type& lanes() noexcept { return lanes_; }

  /// Where a stack has any.
  [[nodiscard]] store_lines_of<Residency>& stores() noexcept { return stores_; }

  /// When what is on its way for a user has come: to the last memory, from a store, and to the slab, by prefetches that no
  /// request has taken over. The event of nothing where nothing is.
  [[nodiscard]] std::array<event, 2> arrivals(const sequence_key& key)
  {
    std::array<event, 2> out;
    if constexpr (Residency::stores != 0) out[0] = stores_.arrival(key).value_or(event{});
    const entry_type* const found = residency_->users().find(key);
    if (found != nullptr && !found->hot().prefetched().arriving.empty())
      out[1] = found->hot().prefetched().arriving.back();
    return out;
  }
  /// Stores forget a user, and where bytes are overwritten so does what older epochs have left. True when a store may have
  /// known them. O(1); O(entries of older epochs) where bytes are overwritten.
  bool erase_stored([[maybe_unused]] const sequence_key& key)
  {
    if (eraser_.is_wanted()) erase_stale(key);
    if constexpr (Residency::stores == 0) return false;
    else return stores_.erase(key);
  }
  /// Erases an entry that nobody holds. What it had is overwritten before, if that is wanted.
  void erase(entry_type& e) noexcept
  {
    eraser_.overwrite(e);
    residency_->erase(e);
  }
  /// Adds what stores do, and what was not overwritten.
  void describe_stores(cache_stats& s)
  {
    s.not_overwritten_bytes = eraser_.refused_bytes();
    if constexpr (Residency::stores != 0) stores_.add_to(s);
  }

  /// Makes room in the slab: the victims shed what they are to shed, after what only the slab has went down, if a write
  /// policy says so.
  void make_room(std::span<const victim<entry_type>> victims, lane_number lane) { down_.make_room(victims, lane); }

  /// As fetcher's.
  void fetch(const batch_plan& plan, std::span<entry_type* const> users, const fence& after, std::span<fence> arrives,
             lease_pages* pages, lane_number lane)
  {
    if constexpr (memories > 1) up_.fetch(plan, users, after, arrives, pages, lane);
  }

  /// Gives back the pages of a lease, and its place in a lane; `last_use`: what has read them.
  void give_back(lease_pages& pages, lane_number lane, event last_use) noexcept
  {
    lanes_.close(lane, last_use);
    if (!pages.runs.empty()) remember(residency_->device(), pages.uses, last_use);
    for (const lease_pages::run& r : pages.runs) residency_->slab().tier().give_back_window(r.where, pages.uses);
    pages.runs.clear();
    pages.uses.clear();
  }

  /// Is there anything to do after a commit of users whose tokens have not changed?
  static constexpr bool heeds_hits = memories > 1 || Residency::stores != 0 || Residency::template level_at<0>::hears;

  /// Queues the copies that the write policies want after a commit of these users; layer l after ready[l].
  void write_through(std::span<entry_type* const> committed, std::span<const event> ready, lane_number lane)
  {
    if constexpr (memories > 1) writes_.write_through(committed, ready, lane);
    if constexpr (Residency::stores != 0) stores_.write_through(committed, lanes_.way_down(lane));
    if constexpr (Residency::template level_at<0>::hears) {
      for (entry_type* e : committed) residency_->slab().changed(*e);
    }
  }

  /// Begins writes that have waited for their turn, in this lane or in that of the stream that they wait for, and books what
  /// stores have answered. no_lane: for nobody in particular.
  void settle(lane_number lane)
  {
    if (lane == no_lane) lane = lanes_.unattended();
    if constexpr (Residency::stores != 0) stores_.settle(reserve());
    each_code([](auto& codes) { codes.settle(); });  // or what waits for raw frames would wait for the next call
    if constexpr (memories > 1) writes_.settle(lane);
  }

  /// Writes down up to about `budget` dirty tokens ahead of need, the coldest first. Returns how many.
  std::uint64_t clean(std::uint64_t budget)
  {
    if constexpr (memories > 1) return writes_.clean(budget, lanes_.unattended());
    else return 0;
  }

  /// Begins to put in stores what only memories have, after what only the slab has went down; what the last memory lacks goes
  /// there once nothing waits there for its turn. False: there is nothing, or no room at all.
  [[nodiscard]] bool save()
  {
    static_cast<void>(clean((std::numeric_limits<std::uint64_t>::max)()));
    const saving last = stores_.save(lanes_.way_down(lanes_.unattended()));
    return last == saving::begun || (last == saving::nothing && sink() != 0);
  }

  /// Users whose write waits for its turn. O(them).
  [[nodiscard]] std::uint64_t waiting_writes() const noexcept { return writes_.waiting(); }

  /// As drain_sync, for a cache that ends: a failed device runs nothing any more. But a store may be silent, and leases have
  /// waited for it.
  void end_sync() noexcept
  {
    try {
      drain_sync();
    } catch (...) {
      if constexpr (Residency::stores != 0) {
        stores_.give_up_sync();
        detail::insist([this] { drain_sync(); });
      }
    }
  }

  /// Blocks until nothing queued uses any frame. Whatever throws, all are waited for before it is passed on.
  void drain_sync()
  {
    attempts all;
    if constexpr (Residency::stores != 0) all.make([&] { stores_.drain_sync(reserve()); });
    residency_->users().all([&](const entry_type& e) {
      each_level<0, memories>(
          [&](auto i) { all.make([&] { wait_for_sync(residency_->device(), e.hot().last_use[i()]); }); });
    });
    each_level<0, memories>([&](auto i) { all.make([&] { residency_->template level<i()>().tier().drain_sync(); }); });
    each_code([&](auto& codes) { all.make([&] { codes.drain_sync(); }); });
    all.finish();
  }

 private:
  /// Of the levels that keep a code of their pages.
  template <class Visit>
  void each_code([[maybe_unused]] Visit&& visit)
  {
    each_level<1, memories>([&](auto i) {
      if constexpr (Residency::template level_at<i()>::has_codes)
        visit(residency_->template level<i()>().memory().codes());
    });
  }

  /// Room in the last memory for what comes from a store.
  [[nodiscard]] auto reserve()
  {
    return [this](entry_type& e, token_interval part, fence& after) {
      return down_.template reserve<memories - 1>(e, part, after, lanes_.unattended());
    };
  }

  void erase_stale(const sequence_key& key) noexcept
  {
    residency_->users().stale([&](entry_type& e) {
      if (e.key() != key) return true;
      if (e.holds != 0) residency_->doom(e);
      else erase(e);
      return true;
    });
  }

  /// What memories above the last one have, and stores lack, goes to that one, of whom nobody holds. Returns the tokens.
  [[nodiscard]] std::uint64_t sink()
  {
    std::uint64_t tokens = 0;
    each_level<1, memories - 1>([&](auto from) {
      std::vector<entry_type*> all;  // whoever makes room has something in the last memory alone
      residency_->users().all([&](entry_type& e) {
        const bool has_more = !e.template look<memories - 1>().tokens.contains(e.template look<from()>().tokens);
        if (e.holds == 0 && residency_->is_live(e) && has_more && stores_.lacks(e)) all.push_back(&e);
      });
      for (entry_type* e : all) tokens += down_.template sink<from()>(*e, lanes_.unattended());
    });
    return tokens;
  }
  static Residency& checked(Residency& r)
  {
    if constexpr (requires { Transfer::check_piece(std::size_t{}); }) {
      Transfer::check_piece(page_layer_bytes(r.shape(), r.layout().page_tokens));
    }
    if constexpr (Transfer::lands_in_window) {
      if (r.slab().tier().window().capacity() == 0) {
        throw config_error("slab.window_bytes", std::uint64_t{0},
                           "a transfer that lands in the onload window needs one");
      }
    }
    return r;
  }

  Residency* residency_;
  lanes_type lanes_;
  fetcher<Residency, Transfer> up_;
  demoter<Residency, Transfer> down_;
  writer<Residency, Transfer> writes_;
  [[no_unique_address]] store_lines_of<Residency> stores_;
  eraser<Residency> eraser_;
};

}  // namespace kvstrata
