// One level of the hierarchy: what users have there, whose goes first, who may come in.
#pragma once

#include <kvstrata/books/describe.hpp>
#include <kvstrata/books/frames.hpp>
#include <kvstrata/books/stats.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/replacement/concepts.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What goes when a user sheds pages of a level.
struct shed_cut
{
  token_interval lost;  ///< tokens that go
  page_interval keep;   ///< pages that stay
};

/// Keeps the books of its copies; moves nothing. Not synchronised.
template <level_index Level, tiers Tiers, replacement_policy Policy, layout_policy Layout, class Entry>
class level
{
 public:
  static constexpr bool is_slab = Level == 0;
  using device_type = typename Tiers::device_type;
  using recipe = typename Tiers::template tier<Level>;
  using frames_type = frames<Level, Tiers, Layout>;
  static constexpr bool has_codes = frames_type::codes_type::any;  ///< of its pages
  using residence = typename Entry::template residence_at<Level>;
  using shedding = typename recipe::shedding;
  using admission = tier_admission_t<recipe>;
  using writes = tier_writes_t<recipe>;                    ///< what comes down to it; not asked of the slab
  static constexpr bool hears = hears_of_changes<Policy>;  ///< of changes

  level(device_type& d, const typename Tiers::config& sizes, const geometry& shape, const Layout& layout,
        const describer& describe)
      : page_tokens_(layout.page_tokens),
        describe_(&describe),
        frames_(d, std::get<Level>(sizes), shape, layout),
        slack_(slack_of(std::get<Level>(sizes))),
        policy_(make_replacement<Policy>(size())),
        admission_(make_admission<admission>(size()))
  {
  }

  [[nodiscard]] frames_type& memory() noexcept { return frames_; }
  [[nodiscard]] typename frames_type::tier_type& tier() noexcept { return frames_.tier(); }
  [[nodiscard]] const typename frames_type::tier_type& tier() const noexcept { return frames_.tier(); }
  /// Frames that users can have; those that nobody has.
  [[nodiscard]] page_count capacity() const noexcept { return frames_.capacity(); }
  [[nodiscard]] page_count free() const { return frames_.tier().free(); }

  /// Pages to evict beyond the `needed` ones, once room must be made.
  [[nodiscard]] page_count slack(page_count needed) const noexcept
  {
    const double batch = needed / static_cast<double>(capacity());
    return static_cast<page_count>(slack_ * capacity() * (std::max)(0.0, 1 - slack_falls_ * batch));
  }

  /// What goes when the entry sheds so many pages, or all: from the front, or in the slab from the rear. Below the slab at
  /// least so many, in whole extents. An atomic one goes as a whole.
  [[nodiscard]] shed_cut cut(const Entry& e, page_count pages, bool rear) const noexcept
  {
    const residence& mine = e.template at<Level>();
    if (e.atomic) return {mine.tokens, {}};
    const page_interval keep = frames_type::kept(mine.extents, pages, rear);
    if (rear && !keep.empty()) return {intersect(mine.tokens, {keep.end * page_tokens_, mine.tokens.end}), keep};
    const token_count begin = keep.begin * page_tokens_;
    if (keep.empty() || (!is_slab && begin >= mine.tokens.end)) return {mine.tokens, {}};  // the rest is room to grow
    return {intersect(mine.tokens, {0, begin}), keep};
  }

  /// Gives back what lies outside `keep`, which must hold all valid tokens (books/frames.hpp says how much that is).
  /// `evicted`: what the copy was, when it leaves under pressure. `stale`: it is of an older epoch.
  void trim(Entry& e, page_interval keep, bool stale, const object_info* evicted = nullptr) noexcept
  {
    if (is_slab && !e.is_hot()) return;
    residence& mine = e.template at<Level>();
    const page_interval have = mine.covered();
    if (have.empty()) return forget_uses(e);
    if (!keep.empty() && keep.begin <= have.begin && (!is_slab || keep.end >= have.end)) return;
    const bool all = keep.empty() || keep.begin >= have.end || (is_slab && keep.end <= have.begin);
    if (all && mine.listed) {
      mine.listed = false;
      if (evicted != nullptr) notify_evicted(policy_, mine, *evicted);
      else policy_.remove(mine);
    }
    const page_count gone =
        frames_.trim(mine.extents, all ? page_interval{} : keep, std::as_const(e).hot().last_use[Level]);
    if (stale) stale_ -= gone;
    if (all) forget_uses(e);
  }

  /// What it has room for.
  [[nodiscard]] tier_size size() const noexcept
  {
    return {.bytes = capacity() * std::uint64_t{frames_.bytes()}, .objects = capacity()};
  }

  /// What an entry would be here of which another level has `tokens`.
  [[nodiscard]] object_info as_if_here(const Entry& e, token_interval tokens, page_count pages,
                                       const reuse_hint& hint = {}) const noexcept
  {
    return (*describe_)(e, {.bytes = std::uint64_t{pages} * frames_.bytes(), .mine = tokens, .clean = tokens.size()},
                        hint);
  }

  /// May an entry of which the tier has nothing come in with `tokens`, in so many pages? O(1), but for the policies.
  [[nodiscard]] bool admits(const Entry& e, token_interval tokens, page_count pages)
  {
    const object_info candidate = as_if_here(e, tokens, pages);
    const Entry* first = nullptr;
    if (free() < pages) {
      victims([&first](Entry& theirs) {
        if (theirs.holds == 0) first = &theirs;
        return first == nullptr;
      });
    }
    if (first == nullptr) return admission_.admits(candidate, nullptr);
    const object_info victim = info(*first);
    return admission_.admits(candidate, &victim);
  }

  /// What the copy is: to be asked before it changes, where the policy remembers who was evicted.
  [[nodiscard]] object_info before_eviction([[maybe_unused]] const Entry& e) const noexcept
  {
    if constexpr (remembers_evicted<Policy>) return info(e);
    else return {};
  }

  /// The entry was used by a batch, or is about to be, whether the tier has it or not.
  void touch(Entry& e, const reuse_hint& hint)
  {
    const residence& mine = e.template look<Level>();
    if constexpr (requires(admission& a, const object_info& o) { a.requested(o); }) {
      const auto& slab = e.template look<0>();
      admission_.requested(mine.listed ? info(e, hint) : as_if_here(e, slab.tokens, slab.covered().size(), hint));
    }
    if (mine.listed) policy_.touch(e.template at<Level>(), told(e, hint));
    else if (is_slab && !mine.extents.empty()) list(e.template at<Level>(), told(e, hint));
  }

  /// The tier has got more of the entry by a write. Not a use: a write that comes late, or ahead of need, tells nothing of
  /// the user; and who was evicted has not returned when nothing but a write brings them back.
  void written(Entry& e)
  {
    residence& mine = e.template at<Level>();
    if (mine.listed || mine.extents.empty()) return changed(e);
    object_info now = told(e);
    now.requested = !mine.left;
    list(mine, now);
  }

  /// The copy's size or dirtiness changed.
  void changed([[maybe_unused]] Entry& e) noexcept
  {
    if constexpr (hears) {
      if (e.template look<Level>().listed) notify_changed(policy_, e.template at<Level>(), info(e));
    }
  }

  /// Calls visit(entry) -> bool, the first to go first, until it returns false.
  template <class Visit>
  void victims(Visit&& visit)
  {
    policy_.victims([&visit](typename Policy::hook& hook) { return visit(static_cast<residence&>(hook).owner()); });
  }
  /// The same, for one user who is to come in here. Of them a policy is told who they are.
  template <class Visit>
  void victims(Visit&& visit, user_id coming)
  {
    visit_victims(
        policy_, [&visit](typename Policy::hook& hook) { return visit(static_cast<residence&>(hook).owner()); },
        object_info{.user = coming});
  }

  struct token_counts
  {
    std::uint64_t resident = 0;  ///< of live users
    std::uint64_t evicted = 0;
    std::uint64_t dropped = 0;
  };
  [[nodiscard]] token_counts& counts() noexcept { return counts_; }

  /// Frames that users have.
  [[nodiscard]] page_count taken() const { return capacity() - free(); }
  /// All that they have here, `taken` frames, is of an older epoch from now on. Returns the committed tokens that they held.
  std::uint64_t turn_stale(page_count taken) noexcept
  {
    stale_ = taken;
    return std::exchange(counts_.resident, 0);
  }

  /// What the entry has here is of no use from now on, as if it were of an older epoch.
  void turn_stale(const Entry& e) noexcept { stale_ += e.template look<Level>().covered().size(); }

  /// O(free runs).
  [[nodiscard]] tier_stats stats()
  {
    const std::uint64_t frame = frames_.bytes();
    const std::uint64_t in_flight = tier().in_flight();
    tier_stats out{.name = Tiers::names[Level],
                   .capacity_bytes = capacity() * frame,
                   .free_bytes = (free() - in_flight) * frame,
                   .resident_bytes = (capacity() - free()) * frame,
                   .stale_bytes = stale_ * frame,
                   .in_flight_bytes = in_flight * frame,
                   .resident_tokens = counts_.resident,
                   .evicted_tokens = counts_.evicted,
                   .dropped_tokens = counts_.dropped,
                   .waited_pages = frames_.waited_for()};
    if constexpr (has_codes) frames_.codes().add_to(out);
    return out;
  }

  /// Of the onload window behind the slab's pages.
  [[nodiscard]] tier_stats window_stats(device_type& d)
    requires(is_slab)
  {
    auto& window = tier().window();
    const std::uint64_t page = frames_.bytes();
    const std::uint64_t in_flight = window.in_flight([&d](event point) { return d.query(point); });
    return {.name = "window",
            .capacity_bytes = window.capacity() * page,
            .free_bytes = (window.free() - in_flight) * page,
            .resident_bytes = (window.capacity() - window.free()) * page,
            .in_flight_bytes = in_flight * page};
  }

 private:
  static constexpr double slack_falls_ = 8;

  template <class Config>
  [[nodiscard]] static double slack_of([[maybe_unused]] const Config& sizes)
  {
    if constexpr (requires { sizes.slack; }) {
      if (sizes.slack >= 0 && sizes.slack <= 1) return sizes.slack;
      throw config_error(std::string(Tiers::names[Level]) + ".slack", std::to_string(sizes.slack),
                         "it must be a share of it, from 0 to 1");
    } else {
      return 0;
    }
  }

  [[nodiscard]] object_info info(const Entry& e, const reuse_hint& hint = {}) const noexcept
  {
    const residence& mine = e.template at<Level>();
    return (*describe_)(e,
                        {.bytes = std::uint64_t{mine.covered().size()} * frames_.bytes(),
                         .mine = mine.tokens,
                         .clean = e.template tokens_in<0, Entry::memories, Level>(mine.tokens),
                         .fetchable = e.template tokens_in<Level + 1, Entry::memories>(mine.tokens)},
                        hint);
  }

  /// What the policy is told of it.
  [[nodiscard]] object_info told([[maybe_unused]] const Entry& e,
                                 [[maybe_unused]] const reuse_hint& hint = {}) const noexcept
  {
    if constexpr (looks_at_objects<Policy>) return info(e, hint);
    else return {};
  }

  static void forget_uses(Entry& e) noexcept
  {
    if (e.is_hot()) e.hot().last_use[Level].clear();
  }

  void list(residence& mine, const object_info& now)
  {
    policy_.insert(mine, now);
    mine.listed = true;
  }

  token_count page_tokens_;
  const describer* describe_;
  frames_type frames_;
  double slack_;
  Policy policy_;
  [[no_unique_address]] admission admission_;
  token_counts counts_;
  page_count stale_ = 0;  // users have them, and they are of an older epoch
};

}  // namespace kvstrata
