// Who has what in which level, and the books of it. Drops copies; moves no bytes.
#pragma once

#include <kvstrata/cache/accounts.hpp>
#include <kvstrata/cache/directory.hpp>
#include <kvstrata/cache/dirt_book.hpp>
#include <kvstrata/cache/granules.hpp>
#include <kvstrata/cache/levels.hpp>
#include <kvstrata/observe/concepts.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace kvstrata {

/// Not synchronised: the cache holds a lock.
template <class Tiers, layout_policy Layout, replacement_policy Replacement, tracker Tracker>
class residency
{
  using parts = detail::levels<Tiers, Replacement, Layout>;

 public:
  static constexpr bool has_lower = Tiers::has_lower;
  using device_type = typename Tiers::device_type;
  using device_shedding = typename Tiers::slab::shedding;
  using entry_type = typename parts::entry_type;
  using watcher_type = Tracker;

  residency(device_type& d, const geometry& shape, const Layout& layout, const typename Tiers::slab::config& slab,
            const typename Tiers::lower::config& lower, epoch_id epoch, const cost_model& costs)
      : device_(&d),
        shape_(shape),
        layout_(layout),
        users_(epoch),
        describe_{.costs = costs, .token_bytes = shape.token_bytes()},
        top_(d, slab, shape, layout, describe_),
        below_(d, lower, shape, layout, describe_)
  {
  }
  residency(const residency&) = delete;
  residency& operator=(const residency&) = delete;

  [[nodiscard]] device_type& device() const noexcept { return *device_; }
  [[nodiscard]] const geometry& shape() const noexcept { return shape_; }
  [[nodiscard]] const Layout& layout() const noexcept { return layout_; }
  [[nodiscard]] directory<entry_type>& users() noexcept { return users_; }
  [[nodiscard]] typename parts::top& top() noexcept { return top_; }
  [[nodiscard]] typename parts::below& below() noexcept { return below_; }
  [[nodiscard]] Tracker& watcher() noexcept { return tracker_; }

  [[nodiscard]] bool is_stale(const entry_type& e) const noexcept { return e.epoch != users_.epoch(); }

  /// The pages that hold `tokens`.
  [[nodiscard]] page_interval pages(token_interval tokens) const noexcept
  {
    return pages_of(tokens, layout_.page_tokens);
  }
  [[nodiscard]] token_interval tokens_in(page_interval pages) const noexcept
  {
    return {pages.begin * layout_.page_tokens, pages.end * layout_.page_tokens};
  }
  /// The pages to take for `tokens`: whole granules.
  [[nodiscard]] page_interval room(token_interval tokens) const noexcept
  {
    return whole_granules(pages(tokens), layout_.granule_pages());
  }

  /// Of tokens `all` in pages `have`, those that leave the device with the first `pages` pages, or with the last.
  [[nodiscard]] token_interval shed_tokens(token_interval all, page_interval have, page_count pages,
                                           bool rear) const noexcept
  {
    if (pages >= have.size()) return all;
    if (rear) return intersect(all, {(have.end - pages) * layout_.page_tokens, all.end});
    return intersect(all, {0, (have.begin + pages) * layout_.page_tokens});
  }

  void set_device_tokens(entry_type& e, token_interval tokens) noexcept
  {
    if (tokens == e.device.tokens) return;
    if (is_live(e)) device_count_.resident += std::uint64_t{tokens.size()} - e.device.tokens.size();
    e.device.tokens = tokens;
    e.device.read.keep(tokens);
    if (!e.prefetched.had.empty()) e.prefetched.had = intersect(e.prefetched.had, tokens);
    if (tokens.empty()) forget_prefetch(e);
    note(e);
  }

  void set_lower_tokens(entry_type& e, token_interval tokens) noexcept
  {
    if (tokens == e.lower.tokens) return;
    if (is_live(e)) lower_count_.resident += std::uint64_t{tokens.size()} - e.lower.tokens.size();
    e.lower.tokens = tokens;
    e.lower.read.keep(tokens);
    note(e);
  }

  // --- requests ---

  /// What time it is, as far as requests tell.
  void note_time(std::int64_t time_ms) noexcept { describe_.latest_ms = (std::max)(describe_.latest_ms, time_ms); }

  /// Counts a request of the entry's user.
  void count_request(entry_type& e) noexcept
  {
    ++e.uses;
    e.left_below = e.refused_below = false;
    e.asked_at = ++clock_;
  }
  /// Requests served since the entry's last one.
  [[nodiscard]] std::uint64_t age(const entry_type& e) const noexcept { return clock_ - e.asked_at; }

  [[nodiscard]] dirt_book<entry_type>& dirt() noexcept { return dirt_; }

  // --- copies ---

  /// The entry is used by a batch: the policies of both levels learn of it.
  void touch(entry_type& e, const reuse_hint& hint)
  {
    top_.touch(e, hint);
    if constexpr (has_lower) below_.touch(e, hint);
  }

  /// Drops the first `pages` pages of an entry, or the last, under pressure.
  void shed(entry_type& e, page_count pages, bool rear) noexcept
  {
    const object_info before = top_.before_eviction(e);
    const token_interval had = e.device.tokens;
    const page_interval have = e.device.covered();
    const token_interval lost = shed_tokens(had, have, pages, rear);
    if (!lost.empty()) {
      count_evicted(tier_level::device, e, lost, e.lower.tokens, e.device.read);
      set_device_tokens(e, rear ? token_interval{had.begin, lost.begin} : token_interval{lost.end, had.end});
    }
    top_.trim(e, rear ? page_interval{have.begin, have.end - pages} : page_interval{have.begin + pages, have.end},
              &before);
    top_.changed(e);
    if constexpr (has_lower) below_.changed(e);
  }

  /// The lower level has dropped `lost` of an entry, under pressure.
  void left_lower(entry_type& e, token_interval lost) noexcept
  {
    if (is_live(e)) {
      lower_count_.resident -= lost.size();
      count_evicted(tier_level::lower, e, lost, e.device.tokens, e.lower.read);
    }
    e.lower.read.keep(e.lower.tokens);
    if (e.lower.tokens.empty()) e.left_below = true;
    note(e);
    top_.changed(e);
    discard_if_empty(e);
  }

  /// Gives back the pages that hold no valid token; all of them where the policy does not know the entry, as it threw:
  /// nobody would ever choose it.
  void settle(entry_type& e) noexcept
  {
    if (!e.device.listed && !e.device.pages.empty()) {
      shed(e, static_cast<page_count>(e.device.pages.size()), false);
    }
    top_.trim(e, room(e.device.tokens));
    top_.changed(e);
    discard_if_empty(e);
  }

  /// Takes an unread prefetch back, unless the lower tier has lost its tokens since. Returns how many it took.
  token_count undo_prefetch(entry_type& e) noexcept
  {
    const token_interval all = e.device.tokens;
    const token_interval keep = intersect(all, e.prefetched.had);
    const token_count gone = all.size() - keep.size();
    const token_interval front{all.begin, keep.empty() ? all.end : keep.begin};
    const token_interval rear{keep.empty() ? all.end : keep.end, all.end};
    if (!e.prefetched.unread || gone == 0) return 0;
    if (!e.lower.tokens.contains(front) || !e.lower.tokens.contains(rear)) return 0;
    forget_prefetch(e);
    set_device_tokens(e, keep);
    settle(e);
    tell(tracker_, prefetch_undone{gone});
    return gone;
  }

  /// Drops all copies of an entry.
  void drop_copies(entry_type& e) noexcept
  {
    uncount(e);
    e.device.tokens = {};
    e.device.read.clear();
    e.lower.read.clear();
    forget_prefetch(e);
    top_.trim(e, {});
    if constexpr (has_lower) below_.drop(e);
  }

  /// Drops all copies of an entry that is not held, and the entry.
  void erase(entry_type& e) noexcept
  {
    drop_copies(e);
    users_.discard(e);
  }

  /// Takes a held entry out of sight; whoever ends its last hold erases it.
  void doom(entry_type& e) noexcept
  {
    uncount(e);
    users_.doom(e);
  }

  void discard_if_empty(entry_type& e) noexcept
  {
    if (e.holds == 0 && e.device.pages.empty() && e.lower.extents.empty()) users_.discard(e);
  }

  void advance(epoch_id epoch) noexcept
  {
    users_.advance(epoch);
    device_count_.resident = lower_count_.resident = cached_users_ = 0;
    dirt_.forget_all();
  }

  [[nodiscard]] cache_stats stats()
  {
    cache_stats s;
    const auto complete = [this](event point) { return device_->query(point); };
    s.device = account(top_.slab(), top_.capacity(), top_.bytes_per_page(), complete, device_count_);
    s.window = account(top_.slab().window(), top_.slab().window().capacity(), top_.bytes_per_page(), complete);
    if constexpr (has_lower) {
      s.lower = account(below_.tier(), below_.capacity(), below_.bytes_per_frame(), complete, lower_count_);
    }
    s.users = cached_users_;
    s.dirty_tokens = dirt_.tokens();
    s.stretch_bytes = users_.stretch_bytes();
    return s;
  }

 private:
  [[nodiscard]] bool is_live(const entry_type& e) const noexcept { return !e.doomed && !is_stale(e); }

  static void forget_prefetch(entry_type& e) noexcept
  {
    e.prefetched.unread = false;
    e.prefetched.arriving.clear();
  }

  /// The entry's intervals have changed.
  void note(entry_type& e) noexcept
  {
    const bool live = is_live(e);
    dirt_.note(e, live);
    const bool counts = live && !(e.device.tokens.empty() && e.lower.tokens.empty());
    if (std::exchange(e.counted, counts) == counts || !live) return;
    if (counts) ++cached_users_;
    else --cached_users_;
  }

  void uncount(entry_type& e) noexcept
  {
    if (!is_live(e)) return;
    device_count_.resident -= e.device.tokens.size();
    lower_count_.resident -= e.lower.tokens.size();
    dirt_.forget(e);
    if (std::exchange(e.counted, false)) --cached_users_;
  }

  /// `elsewhere`: what the other tier has; `read`: what of the tier was served before.
  void count_evicted(tier_level from, const entry_type& e, token_interval lost, token_interval elsewhere,
                     const served_tokens& read) noexcept
  {
    token_counts& count = from == tier_level::device ? device_count_ : lower_count_;
    const token_count dropped = lost.size() - intersect(lost, elsewhere).size();
    count.evicted += lost.size();
    count.dropped += dropped;
    tell(tracker_, tokens_evicted{.from = from,
                                  .tokens = lost.size(),
                                  .dropped = dropped,
                                  .unread = lost.size() - read.among(lost),
                                  .age = age(e)});
  }

  device_type* device_;
  geometry shape_;
  Layout layout_;
  directory<entry_type> users_;
  describer describe_;
  typename parts::top top_;
  [[no_unique_address]] typename parts::below below_;
  [[no_unique_address]] Tracker tracker_;
  token_counts device_count_, lower_count_;
  std::uint64_t cached_users_ = 0;  // live, with tokens in a tier
  dirt_book<entry_type> dirt_;
  std::uint64_t clock_ = 0;  // requests
};

}  // namespace kvstrata
