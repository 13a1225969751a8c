// The level below the device: users' extents in a lower tier, and whose go first.
#pragma once

#include <kvstrata/cache/describe.hpp>
#include <kvstrata/cache/granules.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/device/last_use.hpp>
#include <kvstrata/layout/copy_run.hpp>
#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/tiers/concepts.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata {

/// Makes room, takes and gives back extents; moves nothing. Not synchronised.
template <class Tier, device Device, replacement_policy Policy, layout_policy Layout, class Entry>
  requires lower_tier<Tier, Device>
class lower_level
{
 public:
  using copy = typename Entry::lower_copy;

  using admission = tier_admission_t<Tier>;

  lower_level(Device& d, const typename Tier::config& sizes, const geometry& shape, const Layout& layout,
              const describer& describe)
      : device_(&d),
        frame_bytes_(page_bytes(shape, layout.page_tokens)),
        layout_(layout),
        describe_(&describe),
        tier_(d, sizes, frame_bytes_),
        unused_(take_remainder(tier_, layout.granule_pages(), "host.bytes")),
        policy_(make_replacement<Policy>({.bytes = capacity() * frame_bytes_, .objects = capacity()})),
        admission_(make_admission<admission>({.bytes = capacity() * frame_bytes_, .objects = capacity()}))
  {
  }

  [[nodiscard]] typename Tier::template on<Device>& tier() noexcept { return tier_; }
  [[nodiscard]] const typename Tier::template on<Device>& tier() const noexcept { return tier_; }
  [[nodiscard]] std::size_t bytes_per_frame() const noexcept { return frame_bytes_; }
  /// Frames that users can have.
  [[nodiscard]] page_count capacity() const noexcept { return tier_.capacity() - unused_; }

  /// Gives the entry extents for `wanted`, which overlaps or touches what it has. Evicts others where room is missing,
  /// telling left(entry, tokens) of each, but none that is held. Returns what of `wanted` there is room for now: all,
  /// or only its beginning (none of it, where it lies before what the entry has). Adds to `after` what must come to
  /// pass before the new extents are written.
  template <class Left>
  [[nodiscard]] page_interval reserve(Entry& e, page_interval wanted, fence& after, Left&& left)
  {
    copy& mine = e.lower;
    page_interval have = mine.covered();
    if (have.empty()) have = {wanted.begin, wanted.begin};
    if (wanted.begin < have.begin) {
      const page_count missing = have.begin - wanted.begin;
      make_room(missing, true, left);
      if (tier_.free() < missing) return {have.begin, (std::max)(have.begin, (std::min)(wanted.end, have.end))};
      fill(mine.extents, 0, wanted.begin, have.begin, have.begin, after);
    }
    if (wanted.end > have.end) {
      make_room(wanted.end - have.end, false, left);
      const page_count reached = fill(mine.extents, mine.extents.size(), have.end, wanted.end, ~page_count{0}, after);
      return {wanted.begin, (std::min)(wanted.end, reached)};
    }
    return wanted;
  }

  /// May an entry of which the tier has nothing come in with so many pages? O(1), but for the policies.
  [[nodiscard]] bool admits(const Entry& e, page_count pages)
  {
    const object_info candidate = as_if_here(e, pages * frame_bytes_);
    const Entry* first = nullptr;
    if (tier_.free() < pages) {
      policy_.victims([&first](typename Policy::hook& hook) {
        const copy& theirs = static_cast<copy&>(hook);
        if (theirs.owner->holds == 0) first = theirs.owner;
        return first == nullptr;
      });
    }
    if (first == nullptr) return admission_.admits(candidate, nullptr);
    const object_info victim = info(*first);
    return admission_.admits(candidate, &victim);
  }

  /// Gives back all extents of the entry; `evicted`: what it was, when it leaves under pressure.
  void drop(Entry& e, const object_info* evicted = nullptr) noexcept
  {
    copy& mine = e.lower;
    mine.tokens = {};
    if (std::exchange(mine.listed, false)) {
      if (evicted != nullptr) notify_evicted(policy_, mine, *evicted);
      else policy_.remove(mine);
    }
    give_back(mine, mine.extents.size());
    mine.last_use.clear();
  }

  /// Gives back the extents before the entry's first token; those behind its last one are room to grow.
  void settle(Entry& e) noexcept
  {
    copy& mine = e.lower;
    if (mine.tokens.empty()) return drop(e);
    const page_count first = mine.tokens.begin / layout_.page_tokens;
    std::size_t before = 0;
    while (mine.extents[before].first_page + mine.extents[before].pages <= first) ++before;
    give_back(mine, before);
  }

  /// The entry was used, or is about to be, whether the tier has it or not.
  void touch(Entry& e, const reuse_hint& hint)
  {
    if constexpr (requires(admission& a, const object_info& o) { a.requested(o); }) {
      admission_.requested(e.lower.listed
                               ? info(e, hint)
                               : as_if_here(e, std::uint64_t{e.device.covered().size()} * frame_bytes_, hint));
    }
    if (e.lower.listed) policy_.touch(e.lower, info(e, hint));
  }

  /// The tier has got more of the entry. Not a use: a write that comes late, or ahead of need, tells nothing of the user;
  /// and who was evicted has not returned when nothing but a write brings them back.
  void written(Entry& e)
  {
    if (e.lower.listed || e.lower.extents.empty()) return changed(e);
    object_info now = info(e);
    now.requested = !e.left_below;
    policy_.insert(e.lower, now);
    e.lower.listed = true;
  }

  void changed(Entry& e) noexcept
  {
    if (e.lower.listed) notify_changed(policy_, e.lower, info(e));
  }

 private:
  using extents = std::vector<placed_extent>;

  [[nodiscard]] object_info info(const Entry& e, const reuse_hint& hint = {}) const noexcept
  {
    const std::uint64_t bytes = std::uint64_t{e.lower.covered().size()} * frame_bytes_;
    return (*describe_)(e, bytes, e.lower.tokens, e.device.tokens, false, hint);
  }

  /// What an entry would be here that the device has.
  [[nodiscard]] object_info as_if_here(const Entry& e, std::uint64_t bytes, const reuse_hint& hint = {}) const noexcept
  {
    return (*describe_)(e, bytes, e.device.tokens, e.device.tokens, false, hint);
  }

  /// The first `count` extents go.
  void give_back(copy& mine, std::size_t count) noexcept
  {
    for (const placed_extent& gone : std::span(mine.extents).first(count)) {
      tier_.give_back({gone.frame, gone.pages}, mine.last_use);
    }
    mine.extents.erase(mine.extents.begin(), mine.extents.begin() + static_cast<std::ptrdiff_t>(count));
  }

  /// Inserts extents for the pages [from, to) before extent `at`, none of them past `limit`. Returns how far it came.
  page_count fill(extents& into, std::size_t at, page_count from, page_count to, page_count limit, fence& after)
  {
    fresh_.clear();
    try {
      while (from < to) {
        const page_count most = (std::min)(layout_.extent_pages(from, to - from), limit - from);
        fresh_.push_back({.first_page = from});
        const auto taken = tier_.try_take(most);
        if (!taken) {
          fresh_.pop_back();
          break;
        }
        fresh_.back().pages = taken->run.count;
        fresh_.back().frame = taken->run.first;
        remember(*device_, after, taken->last_use);
        from += taken->run.count;
      }
      into.insert(into.begin() + static_cast<std::ptrdiff_t>(at), fresh_.begin(), fresh_.end());
    } catch (...) {
      for (const placed_extent& extent : fresh_) {
        if (extent.pages != 0) tier_.give_back({extent.frame, extent.pages}, after);
      }
      throw;
    }
    return from;
  }

  /// Evicts until `pages` frames are free or nobody is left to evict; `or_none`: nobody goes when all would not do.
  /// O(victims).
  template <class Left>
  void make_room(page_count pages, bool or_none, Left& left)
  {
    if (tier_.free() >= pages) return;
    chosen_.clear();
    page_count wanted = pages - tier_.free();
    policy_.victims([&](typename Policy::hook& hook) {
      copy& theirs = static_cast<copy&>(hook);
      if (theirs.owner->holds != 0) return true;
      chosen_.push_back(&theirs);
      const page_count all = theirs.covered().size();
      wanted -= (std::min)(wanted, Tier::shedding::pages_to_shed(all, wanted));
      return wanted != 0;
    });
    if (or_none && wanted != 0) return;
    for (copy* theirs : chosen_) {
      const page_count missing = pages > tier_.free() ? pages - tier_.free() : 1;
      shed(*theirs, Tier::shedding::pages_to_shed(theirs->covered().size(), missing), left);
    }
  }

  /// Gives back at least `pages` pages from the front, in whole extents, and says what tokens went with them.
  template <class Left>
  void shed(copy& theirs, page_count pages, Left& left) noexcept
  {
    [[maybe_unused]] object_info before;
    if constexpr (remembers_evicted<Policy>) before = info(*theirs.owner);
    page_count gone = 0;
    std::size_t count = 0;
    while (count != theirs.extents.size() && gone < pages) gone += theirs.extents[count++].pages;
    const token_interval had = theirs.tokens;
    const token_count until = count == theirs.extents.size()
                                  ? had.end
                                  : (std::min)(had.end, theirs.extents[count].first_page * layout_.page_tokens);
    theirs.tokens.begin = until;
    if (until == had.end) drop(*theirs.owner, &before);  // extents may be left that only had room to grow
    else give_back(theirs, count);
    changed(*theirs.owner);
    left(*theirs.owner, token_interval{had.begin, until});
  }

  Device* device_;
  std::size_t frame_bytes_;
  Layout layout_;
  const describer* describe_;
  typename Tier::template on<Device> tier_;
  page_count unused_;  // what no whole granule is left of
  Policy policy_;
  [[no_unique_address]] admission admission_;
  std::vector<copy*> chosen_;
  extents fresh_;
};

}  // namespace kvstrata
