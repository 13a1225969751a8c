// Whose pages make room for a batch, and why there is none.
#pragma once

#include <kvstrata/cache/granules.hpp>
#include <kvstrata/cache/plan.hpp>
#include <kvstrata/core/result.hpp>

#include <cstdint>
#include <vector>

namespace kvstrata {

/// A plan and whom it concerns. Reused from batch to batch, so that planning does not allocate in steady state.
template <class Hierarchy>
struct planned_batch
{
  batch_plan plan;
  std::vector<typename Hierarchy::entry_type*> entries;  ///< of the requests; null for users without one
  std::vector<typename Hierarchy::victim> victims;
};

/// Changes nothing in the hierarchy, but for marks that a replacement policy ages while it is asked for victims. Not
/// synchronised.
template <class Hierarchy>
class room_finder
{
 public:
  using entry_type = typename Hierarchy::entry_type;
  using batch = planned_batch<Hierarchy>;

  explicit room_finder(Hierarchy& h) : levels_(&h) {}

  /// Makes `out` empty.
  void start(batch& out) const
  {
    out.plan.clear();
    out.entries.clear();
    out.victims.clear();
    out.plan.pages_free = levels_->top().slab().free();
  }

  /// Chooses victims until there is room: entries of old epochs first, then in the policy's order, none that is held
  /// or in the batch. False when there is not enough.
  [[nodiscard]] bool find_room(batch& out)
  {
    const page_count needed = out.plan.pages_needed;
    page_count found = out.plan.pages_free + out.plan.pages_forgotten;
    for (const auto& v : out.victims) found += v.pages;
    if (needed <= found) return true;
    ++plans_;
    for (entry_type* e : out.entries) {
      if (e != nullptr) e->planned_in = plans_;
    }
    levels_->users().stale([&](entry_type& e) {
      if (e.holds == 0) found += add_victim(out, e, e.device.covered().size());
      return found < needed;
    });
    if (found < needed) {
      levels_->top().victims([&](entry_type& e) {
        if (e.holds == 0 && e.planned_in != plans_ && !levels_->is_stale(e)) {
          using shedding = typename Hierarchy::device_shedding;
          found += add_victim(out, e, pages_to_shed<shedding>(e.device.covered().size(), needed - found));
        }
        return found < needed;
      });
    }
    return found >= needed;
  }

  [[nodiscard]] static pressure held(user_id user) noexcept
  {
    return {.why = pressure::reason::user_held, .user = to_number(user)};
  }

  [[nodiscard]] pressure too_much_held(const batch& out) const
  {
    pressure why{
        .why = pressure::reason::held, .pages_needed = out.plan.pages_needed, .pages_free = out.plan.pages_free};
    why.pages_evictable = out.plan.pages_forgotten;  // of users under no lease, too
    for (const auto& v : out.victims) why.pages_evictable += v.pages;
    levels_->users().all([&why](const entry_type& e) {
      if (e.holds != 0) why.pages_held += e.device.pages.size();
    });
    return why;
  }

  /// Adds a victim who sheds so many pages from the front, or from the rear. Returns how many.
  page_count add_victim(batch& out, entry_type& e, page_count shed, bool rear = false)
  {
    return add_victim(out, e, shed, rear, e.device.covered(), e.device.tokens);
  }
  /// The same of a user who will have these pages and tokens when their turn comes.
  page_count add_victim(batch& out, entry_type& e, page_count shed, bool rear, page_interval pages,
                        token_interval tokens)
  {
    const bool stale = levels_->is_stale(e);
    const token_interval lost = levels_->shed_tokens(tokens, pages, shed, rear);
    out.victims.push_back({&e, shed, rear});
    out.plan.victims.push_back({.user = e.user,
                                .pages = shed,
                                .rear = rear,
                                .tokens = lost.size(),
                                .dirty_tokens = stale ? 0 : uncovered_tokens(lost, e.lower.tokens),
                                .stale = stale});
    return shed;
  }

 private:
  /// In whole granules.
  template <class Shedding>
  [[nodiscard]] page_count pages_to_shed(page_count resident, page_count wanted) const noexcept
  {
    return whole_granules({0, Shedding::pages_to_shed(resident, wanted)}, levels_->layout().granule_pages()).size();
  }

  Hierarchy* levels_;
  std::uint64_t plans_ = 0;
};

}  // namespace kvstrata
