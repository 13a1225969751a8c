// A tier's frames in users' hands: extents are taken, cut and given back.
#pragma once

#include <kvstrata/books/extent_list.hpp>
#include <kvstrata/books/level_codes.hpp>
#include <kvstrata/books/make_tier.hpp>
#include <kvstrata/books/taken_pages.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/layout/check_places.hpp>
#include <kvstrata/tiers/tier_stack.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Extents of one user ascend without gaps. In the slab they are runs of pages and are cut anywhere, for all pages lie by
/// one stride; below it an extent has strides of its own and goes as a whole. Moves nothing. Not synchronised.
template <level_index Level, tiers Tiers, layout_policy Layout>
class frames
{
 public:
  static constexpr bool is_slab = Level == 0;
  using device_type = typename Tiers::device_type;
  using recipe = typename Tiers::template tier<Level>;
  using tier_type = typename detail::tier_on<recipe, device_type>::type;
  using codes_type = level_codes<device_type, recipe>;

  frames(device_type& d, const typename recipe::config& sizes, const geometry& shape, const Layout& layout)
      : shape_(stored_shape<recipe>(sizes, shape, layout.page_tokens)),
        bytes_(page_bytes(shape_, layout.page_tokens)),
        layout_(layout),
        tier_(detail::make_tier<recipe>(d, sizes, shape, layout, bytes_)),
        unused_(take_remainder(tier_, layout.granule_pages())),
        codes_(d, sizes, shape, layout.page_tokens, tier_.capacity())
  {
    if constexpr (!is_slab) check_lower_places(shape_, layout_, tier_.capacity());
  }

  /// Where the level keeps a code of its pages.
  [[nodiscard]] codes_type& codes() noexcept { return codes_; }

  [[nodiscard]] tier_type& tier() noexcept { return tier_; }
  [[nodiscard]] const tier_type& tier() const noexcept { return tier_; }
  /// Bytes of a frame.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /// Frames that users can have.
  [[nodiscard]] page_count capacity() const noexcept { return tier_.capacity() - unused_; }
  /// Frames that were taken so far while others still used them, for want of any else.
  [[nodiscard]] std::uint64_t waited_for() const noexcept { return waited_for_; }

  /// Where extents' first pages lie: a value, so that what all have in common is computed once for a loop over them.
  struct ends
  {
    std::byte* base;
    geometry shape;
    Layout layout;
    page_count capacity;
    placement in_slab;

    [[nodiscard]] copy_end operator()(const placed_extent& extent) const
    {
      if constexpr (is_slab) {
        return {base + in_slab.offset(0, extent.frame), in_slab};
      } else {
        const extent_place at = layout.lower_place(shape, extent.frame, extent.pages, capacity);
        return {base + at.offset, at.where};
      }
    }
  };
  [[nodiscard]] ends all_ends()
  {
    ends out{tier_.data(), shape_, layout_, tier_.capacity(), {}};
    if constexpr (is_slab) out.in_slab = tier_.place();
    return out;
  }
  /// Of one of them.
  [[nodiscard]] copy_end end_of(const placed_extent& extent) { return all_ends()(extent); }
  /// Of one of its pages.
  [[nodiscard]] page_end end_of(const placed_extent& extent, page_count page)
  {
    const copy_end first = end_of(extent);
    page_end out{.at = {first.page(0, page - extent.first_page), first.where}};
    if constexpr (codes_type::any) {
      out.code = codes_.code();
      out.elsewhere = codes_.elsewhere(extent.frame + (page - extent.first_page));
    }
    return out;
  }

  /// Takes frames for the pages from `begin` to where the extents begin. There must be enough free. Appends to `taken`.
  /// When it throws, nothing is taken. `others`: whose points are not to be waited for while there are other frames.
  template <class Others = no_others>
  void take_front(extent_list& mine, page_count begin, std::vector<taken_pages>& taken, const Others& others = {})
  {
    const page_count end = mine.covered().begin;
    const std::size_t before = taken.size();
    const page_count reached = fill(begin, end, end, taken, others);
    try {
      if (reached != end) {
        throw error("the " + std::string(Tiers::names[Level]) + " ran out of pages that the plan had counted on");
      }
      mine.push_front(fresh_.data(), fresh_.size());
    } catch (...) {
      undo(taken, before);
      throw;
    }
  }

  /// Takes frames for the pages from where the extents end, or from wanted.begin where there is none, to wanted.end, as
  /// far as there are free ones. Returns how far that is; below the slab it may be further than asked for: room to grow.
  /// Appends to `taken`. When it throws, nothing is taken. `others` as above.
  template <class Others = no_others>
  [[nodiscard]] page_count take_rear(extent_list& mine, page_interval wanted, std::vector<taken_pages>& taken,
                                     const Others& others = {})
  {
    page_count from = mine.empty() ? wanted.begin : mine.covered().end;
    if constexpr (is_slab) {
      if (!mine.empty() && from < wanted.end) from = lengthen(mine, wanted.end, taken, others);
    }
    const std::size_t lengthened = taken.size();
    const page_count reached = fill(from, wanted.end, no_limit, taken, others);
    try {
      const std::size_t more = runs_of_fresh(mine);
      mine.reserve(mine.runs() + more, !is_slab && more != fresh_.size());
    } catch (...) {
      undo(taken, lengthened);
      throw;
    }
    for (const placed_extent& next : fresh_) {
      if (is_slab && !mine.empty() && follows(mine.back(), next)) mine.lengthen_back(next.pages);
      else mine.push_back(next, !is_slab);
    }
    return reached;
  }

  /// The pages that stay when so many go, or all: from the front, or in the slab from the rear. Below the slab at least so
  /// many go, in whole extents.
  [[nodiscard]] static page_interval kept(const extent_list& mine, page_count pages, bool rear) noexcept
  {
    if (mine.empty()) return {};
    const page_interval have = mine.covered();
    if (pages >= have.size()) return {};
    if (rear) return {have.begin, have.end - pages};
    page_count begin = have.begin + pages;
    if constexpr (!is_slab) {
      const placed_extent holds = *mine.holder_of(begin);
      if (holds.first_page < begin) begin = holds.end();
    }
    return {begin, have.end};
  }

  /// Gives back what lies outside `keep`: below the slab the extents before it, and all when it is empty. `last_use`: what
  /// still uses them. Returns how many pages that are.
  page_count trim(extent_list& mine, page_interval keep, const fence& last_use) noexcept
  {
    const page_count had = mine.covered().size();
    if (is_slab && !keep.empty()) cut_rear(mine, keep.end, last_use);
    mine.drop_front(keep.empty() ? no_limit : keep.begin, [&](const placed_extent& x) { give_back(x, last_use); });
    if (is_slab && !mine.empty() && mine.covered().begin < keep.begin) {
      const placed_extent first = mine.front();
      const page_count pages = keep.begin - first.first_page;
      give_back({first.first_page, pages, first.frame}, last_use);
      mine.shorten_front(pages);
    }
    return had - mine.covered().size();
  }

 private:
  /// Takes the frames that go on from the last run, where they are free, so that runs stay few. Returns how far.
  template <class Others>
  page_count lengthen(extent_list& mine, page_count end, std::vector<taken_pages>& taken, const Others& others)
  {
    const placed_extent last = mine.back();
    const page_count from = last.end();
    taken.emplace_back();
    const page_count first = last.frame + last.pages;
    auto run = others.any() ? tier_.try_take_at(first, end - from, others) : tier_.try_take_at(first, end - from);
    if (!run) {
      taken.pop_back();
      return from;
    }
    const page_count reached = from + run->run.count;
    mine.lengthen_back(run->run.count);
    taken.back() = {{from, reached}, std::move(run->last_use)};
    return reached;
  }

  [[nodiscard]] static bool follows(const placed_extent& before, const placed_extent& next) noexcept
  {
    return before.frame + before.pages == next.frame;
  }
  /// In how many runs fresh_ goes behind `mine`, at most.
  [[nodiscard]] std::size_t runs_of_fresh(const extent_list& mine) const noexcept
  {
    std::size_t count = 0;
    placed_extent before = mine.empty() ? placed_extent{} : mine.back();
    for (const placed_extent& next : fresh_) {
      if (before.pages == 0 || !follows(before, next) || (!is_slab && before.pages != next.pages)) ++count;
      before = next;
    }
    return count;
  }

  static constexpr page_count no_limit = ~page_count{0};

  /// Takes for good what is left of the tier beyond whole granules, so that all it hands out are whole ones. Returns how
  /// many frames that are. Throws config_error when there is not one granule.
  static page_count take_remainder(tier_type& tier, page_count granule)
  {
    if (tier.capacity() < granule) {
      throw config_error(std::string(Tiers::names[Level]) + ".bytes", std::to_string(tier.capacity()) + " pages",
                         "one user's range takes " + std::to_string(granule));
    }
    const auto rest = tier.try_take(tier.capacity() % granule);
    return rest ? rest->run.count : 0;
  }

  /// Takes frames for the pages [from, to) into fresh_, no extent past `limit`. Returns how far it came. When it throws,
  /// nothing is taken.
  template <class Others>
  page_count fill(page_count from, page_count to, page_count limit, std::vector<taken_pages>& taken,
                  const Others& others)
  {
    const std::size_t before = taken.size();
    fresh_.clear();
    try {
      while (from < to) {
        page_count most = to - from;
        if constexpr (!is_slab) most = (std::min)(layout_.extent_pages(from, most), limit - from);
        fresh_.push_back({.first_page = from});
        taken.emplace_back();
        auto run = detail::take_run(tier_, most, others, waited_for_);
        if (!run) {
          fresh_.pop_back();
          taken.pop_back();
          break;
        }
        fresh_.back().pages = run->run.count;
        fresh_.back().frame = run->run.first;
        taken.back() = {{from, from + run->run.count}, std::move(run->last_use)};
        from += run->run.count;
      }
    } catch (...) {
      undo(taken, before);
      throw;
    }
    return from;
  }

  /// Gives fresh_ back, which `taken` tells of from `before` on.
  void undo(std::vector<taken_pages>& taken, std::size_t before) noexcept
  {
    for (std::size_t i = 0; i < fresh_.size() && before + i < taken.size(); ++i) {
      if (fresh_[i].pages != 0) give_back(fresh_[i], taken[before + i].last_use);
    }
    fresh_.clear();
    taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(before), taken.end());
  }

  void cut_rear(extent_list& mine, page_count end, const fence& last_use) noexcept
  {
    while (!mine.empty() && mine.back().first_page >= end) {
      give_back(mine.back(), last_use);
      mine.pop_back();
    }
    if (mine.empty() || mine.covered().end <= end) return;
    const placed_extent last = mine.back();
    const page_count pages = last.end() - end;
    give_back({end, pages, last.frame + last.pages - pages}, last_use);
    mine.shorten_back(pages);
  }

  void give_back(const placed_extent& gone, const fence& last_use) noexcept
  {
    codes_.released({gone.frame, gone.pages}, last_use);
    tier_.give_back({gone.frame, gone.pages}, last_use);
  }

  geometry shape_;  // of what is stored
  std::size_t bytes_;
  Layout layout_;
  tier_type tier_;
  page_count unused_;  // what no whole granule is left of
  [[no_unique_address]] codes_type codes_;
  std::uint64_t waited_for_ = 0;
  std::vector<placed_extent> fresh_;
};

}  // namespace kvstrata
