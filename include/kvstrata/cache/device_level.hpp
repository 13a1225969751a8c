// The top level: users' pages in the slab, and whose go first.
#pragma once

#include <kvstrata/cache/describe.hpp>
#include <kvstrata/cache/granules.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/tiers/device_slab.hpp>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata {

/// Takes and gives back pages; moves nothing. Not synchronised.
template <slab_tier Slab, replacement_policy Policy, class Entry>
class device_level
{
 public:
  using device_type = typename Slab::device_type;
  using copy = typename Entry::device_copy;

  template <layout_policy Layout>
  device_level(device_type& d, const typename Slab::config& sizes, const geometry& shape, const Layout& layout,
               const describer& describe)
      : slab_(d, sizes, shape, layout),
        describe_(&describe),
        page_bytes_(page_bytes(shape, layout.page_tokens)),
        unused_(take_remainder(slab_, layout.granule_pages(), "device.bytes")),
        policy_(make_replacement<Policy>({.bytes = capacity() * page_bytes_, .objects = capacity()}))
  {
  }

  [[nodiscard]] typename Slab::bound& slab() noexcept { return slab_; }
  [[nodiscard]] const typename Slab::bound& slab() const noexcept { return slab_; }
  [[nodiscard]] std::size_t bytes_per_page() const noexcept { return page_bytes_; }
  /// Pages that users can have.
  [[nodiscard]] page_count capacity() const noexcept { return slab_.capacity() - unused_; }

  /// Takes pages until the entry has all of `wanted`. Adds to `uses` what must come to pass before they are written, and
  /// tells taken(pages, fence) the same of each run and which pages of the history it holds. There must be enough free
  /// pages. When this throws, pages that were taken may stay with the entry.
  template <class Taken>
  void take(Entry& e, page_interval wanted, fence& uses, Taken&& taken)
  {
    copy& mine = e.device;
    if (wanted.empty()) return;
    if (mine.pages.empty()) mine.first_page = wanted.begin;
    const page_interval have = mine.covered();
    reserve(mine.pages, (std::max)(wanted.end, have.end) - (std::min)(wanted.begin, have.begin));
    if (wanted.begin < have.begin) {
      reserve(scratch_, have.begin - wanted.begin);
      scratch_.clear();
      try {
        append(scratch_, {wanted.begin, have.begin}, uses, taken);
      } catch (...) {  // what lies apart from the entry's pages cannot stay with it
        give_back(scratch_, uses);
        throw;
      }
      mine.pages.insert(mine.pages.begin(), scratch_.begin(), scratch_.end());
      mine.first_page = wanted.begin;
    }
    if (wanted.end > have.end) append(mine.pages, {have.end, wanted.end}, uses, taken);
  }

  /// Gives back all pages outside `keep`, which must hold all valid tokens; `evicted`: what the entry was, when it leaves
  /// under pressure.
  void trim(Entry& e, page_interval keep, const object_info* evicted = nullptr) noexcept
  {
    copy& mine = e.device;
    const page_interval have = mine.covered();
    const page_count from = std::clamp(keep.empty() ? have.end : keep.begin, have.begin, have.end);
    const page_count to = keep.empty() ? from : std::clamp(keep.end, from, have.end);
    if (from == have.begin && to == have.end && !have.empty()) return;
    if (from == to && std::exchange(mine.listed, false)) {
      if (evicted != nullptr) notify_evicted(policy_, mine, *evicted);
      else policy_.remove(mine);
    }
    const auto all = std::span<const page_id>(mine.pages);
    give_back(all.subspan(to - have.begin), mine.last_use);
    give_back(all.first(from - have.begin), mine.last_use);
    mine.pages.erase(mine.pages.begin() + (to - have.begin), mine.pages.end());
    mine.pages.erase(mine.pages.begin(), mine.pages.begin() + (from - have.begin));
    mine.first_page = from;
    if (mine.pages.empty()) mine.last_use.clear();
  }

  /// What a policy that remembers who was evicted is told of an entry that may be: to be asked before it changes.
  [[nodiscard]] object_info before_eviction([[maybe_unused]] const Entry& e) const noexcept
  {
    if constexpr (remembers_evicted<Policy>) return info(e);
    else return {};
  }

  /// The entry was used, or is about to be.
  void touch(Entry& e, const reuse_hint& hint)
  {
    copy& mine = e.device;
    if (mine.listed) {
      policy_.touch(mine, info(e, hint));
    } else if (!mine.pages.empty()) {
      policy_.insert(mine, info(e, hint));
      mine.listed = true;
    }
  }

  /// The entry's size or dirtiness changed.
  void changed(Entry& e) noexcept
  {
    if (e.device.listed) notify_changed(policy_, e.device, info(e));
  }

  /// Calls visit(entry) -> bool, the first to go first, until it returns false.
  template <class Visit>
  void victims(Visit&& visit)
  {
    policy_.victims([&visit](typename Policy::hook& hook) { return visit(*static_cast<copy&>(hook).owner); });
  }

 private:
  [[nodiscard]] object_info info(const Entry& e, const reuse_hint& hint = {}) const noexcept
  {
    return (*describe_)(e, e.device.pages.size() * page_bytes_, e.device.tokens, e.lower.tokens, true, hint);
  }

  /// Room for so many pages, so that taking them cannot fail half-way. Grows as push_back does.
  static void reserve(std::vector<page_id>& out, std::size_t pages)
  {
    if (out.capacity() < pages) out.reserve((std::max)(pages, out.capacity() * 2));
  }

  template <class Taken>
  void append(std::vector<page_id>& out, page_interval wanted, fence& uses, Taken& taken)
  {
    while (!wanted.empty()) {
      const auto run = slab_.try_take(wanted.size());
      if (!run) throw error("the slab ran out of pages that the plan had counted on");
      const page_count count = run->run.count;
      try {
        uses.add(run->last_use);
        taken(page_interval{wanted.begin, wanted.begin + count}, run->last_use);
      } catch (...) {
        slab_.give_back(run->run, run->last_use);
        throw;
      }
      for (page_count i = 0; i < count; ++i) out.push_back(to_page(run->run.first + i));
      wanted.begin += count;
    }
  }

  /// Gives pages back, run by run.
  void give_back(std::span<const page_id> pages, const fence& last_use) noexcept
  {
    while (!pages.empty()) {
      frame_run run{to_number(pages.front()), 1};
      while (run.count < pages.size() && to_number(pages[run.count]) == run.first + run.count) ++run.count;
      slab_.give_back(run, last_use);
      pages = pages.subspan(run.count);
    }
  }

  typename Slab::bound slab_;
  const describer* describe_;
  std::size_t page_bytes_;
  page_count unused_;  // what no whole granule is left of
  Policy policy_;
  std::vector<page_id> scratch_;
};

}  // namespace kvstrata
