// Who has what in which level, and the books of it. Drops copies; moves no bytes.
#pragma once

#include <kvstrata/books/dependants.hpp>
#include <kvstrata/books/directory.hpp>
#include <kvstrata/books/dirty_line.hpp>
#include <kvstrata/books/hot_records.hpp>
#include <kvstrata/books/level_set.hpp>
#include <kvstrata/books/stored_book.hpp>
#include <kvstrata/observe/behalf.hpp>
#include <kvstrata/observe/concepts.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Not synchronised: the cache holds a lock.
template <tiers Tiers, layout_policy Layout, replacement_policy Replacement, tracker Tracker>
class residency
{
  using levels = level_set<Tiers, Replacement, Layout>;

 public:
  using tiers_type = Tiers;
  static constexpr level_index memories = Tiers::memories, stores = Tiers::stores;
  using device_type = typename Tiers::device_type;
  using entry_type = typename levels::entry_type;
  template <level_index Level>
  using level_at = typename levels::template level_at<Level>;
  using layout_type = Layout;
  using tracker_type = Tracker;

  template <class... TrackerArguments>
  residency(device_type& d, const geometry& shape, const Layout& layout, const typename Tiers::config& sizes,
            epoch_id epoch, const cost_model& costs, TrackerArguments&&... of_tracker)
      : device_(&d),
        shape_(shape),
        layout_(layout),
        users_(epoch),
        hot_(d),
        describe_{.costs = costs, .token_bytes = shape.token_bytes()},
        levels_(d, sizes, shape, layout, describe_),
        tracker_(std::forward<TrackerArguments>(of_tracker)...)
  {
  }
  residency(const residency&) = delete;
  residency& operator=(const residency&) = delete;

  [[nodiscard]] device_type& device() const noexcept { return *device_; }
  [[nodiscard]] const geometry& shape() const noexcept { return shape_; }
  [[nodiscard]] const Layout& layout() const noexcept { return layout_; }
  [[nodiscard]] const cost_model& costs() const noexcept { return describe_.costs; }
  [[nodiscard]] directory<entry_type>& users() noexcept { return users_; }
  [[nodiscard]] dirty_line<entry_type>& dirty() noexcept { return dirty_; }
  [[nodiscard]] hot_records<entry_type, device_type>& hot() noexcept { return hot_; }
  [[nodiscard]] Tracker& tracker() noexcept { return tracker_; }
  [[nodiscard]] auto& acting() noexcept { return acting_; }  ///< on whose behalf what follows happens
  [[nodiscard]] stored_book<Tiers::stores>& stored() noexcept { return stored_; }
  template <level_index Level>
  [[nodiscard]] auto& level() noexcept
  {
    return levels_.template at<Level>();
  }
  [[nodiscard]] auto& slab() noexcept { return level<0>(); }
  [[nodiscard]] bool is_stale(const entry_type& e) const noexcept { return users_.is_stale(e); }
  /// Of this epoch, and not erased.
  [[nodiscard]] bool is_live(const entry_type& e) const noexcept { return !e.doomed && !is_stale(e); }

  [[nodiscard]] page_interval pages(token_interval t) const noexcept { return pages_of(t, layout_.page_tokens); }
  [[nodiscard]] token_interval tokens_in(page_interval pages) const noexcept
  {
    return {pages.begin * layout_.page_tokens, pages.end * layout_.page_tokens};
  }
  /// The pages to take for `tokens`: whole granules.
  [[nodiscard]] page_interval pages_to_take(token_interval tokens) const noexcept
  {
    return whole_granules(pages(tokens), layout_.granule_pages());
  }

  /// What time it is, as far as requests tell.
  void note_time(std::int64_t time_ms) noexcept { describe_.latest_ms = (std::max)(describe_.latest_ms, time_ms); }

  /// Counts a request of the entry's user.
  void count_request(entry_type& e) noexcept
  {
    if (e.uses != entry_type::most_uses) ++e.uses;
    each_level<0, memories>([&](auto i) {
      if (i() != 0 || e.is_hot()) e.template at<i()>().left = e.template at<i()>().refused = false;
    });
    e.asked_at = ++clock_;
  }
  [[nodiscard]] std::uint32_t served() const noexcept { return clock_; }
  /// Requests served since the entry's last one, up to 2^32.
  [[nodiscard]] std::uint64_t age(const entry_type& e) const noexcept { return clock_ - e.asked_at; }

  /// The entry is used by a batch: the policies of all levels learn of it.
  void touch(entry_type& e, const reuse_hint& hint)
  {
    each_level<0, memories>([&](auto i) { level<i()>().touch(e, hint); });
  }

  /// What that level has of the entry from now on. Gives no frames back.
  template <level_index Level>
  void set_tokens(entry_type& e, token_interval tokens) noexcept
  {
    if (tokens == e.template look<Level>().tokens) return;
    auto& mine = e.template at<Level>();
    if (is_live(e)) level<Level>().counts().resident += std::uint64_t{tokens.size()} - mine.tokens.size();
    mine.tokens = tokens;
    settle_mark(mine);
    mine.read.keep(tokens);
    if constexpr (Level == 0) {
      if (prefetch_state* const ahead = e.hot().if_prefetched()) ahead->had = intersect(ahead->had, tokens);
      if (tokens.empty()) forget_prefetch(e);
    }
    note(e);
  }

  /// Drops what `cut` says of the entry's copy in that level, under pressure.
  template <level_index Level>
  void shed(entry_type& e, const shed_cut& cut) noexcept
  {
    auto& here = level<Level>();
    auto& mine = e.template at<Level>();
    const object_info before = here.before_eviction(e);
    const token_interval had = mine.tokens;
    if (!cut.lost.empty()) {
      count_evicted<Level>(e, cut.lost);
      set_tokens<Level>(e, cut.lost.begin > had.begin ? token_interval{had.begin, cut.lost.begin}
                                                      : token_interval{cut.lost.end, had.end});
      if (mine.tokens.empty()) mine.left = true;
    }
    here.trim(e, cut.keep, is_stale(e), &before);
    changed(e);
  }

  /// The size or dirtiness of the entry's copies has changed: the policies that know them hear of it.
  void changed(entry_type& e) noexcept
  {
    each_level<0, memories>([&](auto i) { level<i()>().changed(e); });
  }

  /// Gives back the frames of that level that hold no valid token, but for room to grow; in the slab all where the policy does
  /// not know the entry, as it threw: nobody would ever choose it.
  template <level_index Level>
  void trim(entry_type& e) noexcept
  {
    const auto& mine = e.template look<Level>();
    if constexpr (Level == 0) {
      if (!mine.listed && !mine.extents.empty()) shed<0>(e, {mine.tokens, {}});
    }
    const page_interval needed = Level == 0 ? pages_to_take(mine.tokens) : pages(mine.tokens);
    level<Level>().trim(e, needed, is_stale(e));
  }

  /// Ends a change of the entry: frames without a valid token go back, and the entry, when it has none and nobody holds it.
  void settle(entry_type& e) noexcept
  {
    trim<0>(e);
    slab().changed(e);
    discard_if_empty(e);
  }

  /// Takes an unread prefetch back, unless the levels below have lost its tokens since. Returns how many it took.
  token_count undo_prefetch(entry_type& e) noexcept;

  /// Drops all copies of an entry.
  void drop_copies(entry_type& e) noexcept
  {
    uncount(e);
    forget_prefetch(e);
    each_level<0, memories>([&](auto i) {
      if (i() == 0 && !e.is_hot()) return;
      auto& mine = e.template at<i()>();
      mine.tokens = {};
      mine.read.clear();
      level<i()>().trim(e, {}, is_stale(e));
    });
  }

  /// Drops all copies of an entry that is not held, and the entry.
  void erase(entry_type& e) noexcept
  {
    drop_copies(e);
    discard(e);
  }

  /// Takes a held entry out of sight; whoever ends its last hold erases it.
  void doom(entry_type& e) noexcept
  {
    uncount(e);
    users_.doom(e);
  }

  /// Of an entry that nobody holds any more: it goes when nothing of it is anywhere, else it cools.
  void discard_if_empty(entry_type& e) noexcept
  {
    if (e.holds == 0 && e.has_no_extents()) return discard(e);
    hot_.cool(e);
  }

  /// An entry that was written beside what its key has takes its place. What was there is superseded, and so is what stands on
  /// it where the versions differ: it goes with its last hold, or is what this returns: nobody holds it, and it is to be
  /// erased. When this throws nothing has changed. O(those who stand on it).
  [[nodiscard]] entry_type* publish(entry_type& writer);
  /// What an entry has rests on that version of `on`. O(those who stand on it), but for O(all) now and then.
  void stand(entry_type& e, const sequence_key& on, std::uint64_t version);
  /// What stood on a version that is gone is stale from now on, and counted; but for what is held, which is looked at again. To
  /// be called before anybody looks for an entry, a victim or a figure. O(1) where no version has gone since.
  void settle_superseded() noexcept;
  [[nodiscard]] bool any_superseded() const noexcept { return dependants_.any_superseded(); }
  /// Tokens so far.
  [[nodiscard]] std::uint64_t superseded() const noexcept { return superseded_; }
  /// Of these, those of the versions themselves.
  [[nodiscard]] std::uint64_t superseded_versions() const noexcept { return superseded_versions_; }

  /// A new epoch begins; when this throws, it does not. O(levels).
  void advance(epoch_id epoch);

  /// The device did not take a transfer from one level to another, further down.
  void note_dropped([[maybe_unused]] level_index from, [[maybe_unused]] level_index to,
                    [[maybe_unused]] std::uint64_t tokens) noexcept
  {
    ++dropped_writes_;
    tell(tracker_, write_dropped{from, to, tokens});
  }

  [[nodiscard]] std::uint64_t dropped_writes() const noexcept { return dropped_writes_; }
  [[nodiscard]] cache_stats stats();

 private:
  static constexpr token_interval any_token{0, (std::numeric_limits<token_count>::max)()};

  [[nodiscard]] bool is_meant(const dependant& d) const noexcept;
  void note_superseded(std::uint64_t tokens) noexcept;

  static void forget_prefetch(entry_type& e) noexcept
  {
    if (e.is_hot() && e.hot().if_prefetched() != nullptr) e.hot().prefetch().forget();
  }

  void discard(entry_type& e) noexcept
  {
    hot_.drop(e);
    users_.discard(e);
  }

  /// The entry's intervals have changed.
  void note(entry_type& e) noexcept
  {
    const bool live = is_live(e);
    dirty_.note(e, live);
    const bool counts = live && !e.has_no_tokens();
    const bool counted = e.counted;
    e.counted = counts;
    if (counted == counts || !live) return;
    if (counts) ++cached_users_;
    else --cached_users_;
  }

  void uncount(entry_type& e) noexcept
  {
    if (!is_live(e)) return;
    each_level<0, memories>([&](auto i) { level<i()>().counts().resident -= e.template look<i()>().tokens.size(); });
    dirty_.forget(e);
    if (e.counted) --cached_users_;
    e.counted = false;
  }

  /// Before the entry loses the tokens.
  template <level_index Level>
  void count_evicted(const entry_type& e, token_interval lost) noexcept;

  device_type* device_;
  geometry shape_;
  Layout layout_;
  directory<entry_type> users_;
  hot_records<entry_type, device_type> hot_;
  describer describe_;
  levels levels_;
  [[no_unique_address]] Tracker tracker_;
  [[no_unique_address]] behalf_for<Tracker> acting_;
  std::uint64_t cached_users_ = 0;    // live, with tokens in a level
  std::uint64_t dropped_writes_ = 0;  // transfers
  dirty_line<entry_type> dirty_;
  [[no_unique_address]] stored_book<Tiers::stores> stored_;
  std::uint32_t clock_ = 0;  // requests
  dependants dependants_;
  std::uint64_t superseded_ = 0, superseded_versions_ = 0;  // tokens
};

}  // namespace kvstrata

#include <kvstrata/books/advance.hpp>
#include <kvstrata/books/residency_figures.hpp>
#include <kvstrata/books/supersede.hpp>
#include <kvstrata/books/undo_prefetch.hpp>
