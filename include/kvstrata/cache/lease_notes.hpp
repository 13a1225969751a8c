// What the books, the page table and the tracker learn of a batch that is under a lease.
#pragma once

#include <kvstrata/books/hot_record.hpp>
#include <kvstrata/cache/lease.hpp>
#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/request.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Moves nothing. Not synchronised.
template <class Residency>
class lease_notes
{
 public:
  using entry_type = typename Residency::entry_type;
  using tracker_type = typename Residency::tracker_type;
  using state = lease_state<entry_type, Residency::stores>;
  static constexpr level_index memories = Residency::memories;

  explicit lease_notes(Residency& r) : residency_(&r) {}

  // The first two are inlined, as every batch takes them for each request.

  /// Counts a request and tells what it found.
  [[gnu::always_inline]] void note_hit(entry_type& e, const request_plan& r, state& s)
  {
    if constexpr (tracks<tracker_type, user_hit>) {
      const std::uint64_t age = residency_->age(e);
      const token_sources from = sources_of(s.plan.pieces_of(r));
      for (level_index level = 0; level < memories + Residency::stores; ++level) {
        if (from.from[level] != 0)
          residency_->tracker().on(user_hit{level, from.from[level], age, e.user, s.tag.number, e.space});
      }
    }
    if (prefetch_state* const ahead = e.hot().if_prefetched(); ahead != nullptr && ahead->unread) {
      s.prefetched += r.in_slab.size() - intersect(r.in_slab, ahead->had).size();
      ahead->unread = false;
    }
    residency_->count_request(e);
  }

  /// What is fetched is on its way to the slab. `read`: for a request; else ahead of one.
  [[gnu::always_inline]] void note_arrival(entry_type& e, const request_plan& r, const batch_plan& plan,
                                           const reuse_hint& hint, bool read)
  {
    if (r.fetched != 0) {
      if (read) note_read_below(e, plan.pieces_of(r));
      note_valid(e, r, plan);
    }
    if (read) note_read(e, r);
    residency_->touch(e, hint);
  }
  /// The same of a request that is late: the slab has nothing of it before it has come.
  void note_late(entry_type& e, const request_plan& r, const batch_plan& plan, const reuse_hint& hint)
  {
    note_read_below(e, plan.pieces_of(r));
    note_read(e, r);
    residency_->touch(e, hint);
  }
  /// Now it has.
  void note_come(entry_type& e, const request_plan& r, const batch_plan& plan) noexcept
  {
    note_valid(e, r, plan);
    note_read(e, r);
  }

  void tell_prepared([[maybe_unused]] const state& s) const noexcept
  {
    if constexpr (tracks<tracker_type, batch_prepared>) {
      batch_prepared what{.requests = s.plan.size(), .prefetched_tokens = s.prefetched};
      what.lease = s.tag.number;
      what.label = s.tag.label;
      for (const piece& p : s.plan.pieces) {
        if (p.is_computed()) what.computed_tokens += p.tokens.size();
        else what.from[p.source] += p.tokens.size();
      }
      for (const request_plan& r : s.plan.requests) {
        what.recomputed_tokens += r.recomputed.size();
        if (r.mode == part_mode::scratch) what.scratch_tokens += r.history;
      }
      what.computed_tokens -= what.scratch_tokens;
      residency_->tracker().on(what);
    }
  }
  /// `last_use`: of the lease's compute stream.
  void tell_released([[maybe_unused]] const state& s, [[maybe_unused]] event last_use) const noexcept
  {
    if constexpr (tracks<tracker_type, lease_released>) {
      const auto is_done = [](event layer) { return layer.sequence != 0; };
      const bool computed = std::any_of(s.done.begin(), s.done.end(), is_done);
      residency_->tracker().on(lease_released{.lease = s.tag.number,
                                              .label = s.tag.label,
                                              .stream = static_cast<std::uint32_t>(s.compute),
                                              .point = computed ? last_use.sequence : 0});
    }
  }

 private:
  static void note_read_below(entry_type& e, std::span<const piece> pieces) noexcept
  {
    for (const piece& p : pieces) {
      if (!p.is_fetched()) continue;
      each_level<1, memories>([&](auto from) {
        if (from() == p.source) e.template at<from()>().read.add(p.tokens);
      });
    }
  }

  /// The slab has the fetched pieces, and what is side by side with them, on either side; pieces ascend.
  void note_valid(entry_type& e, const request_plan& r, const batch_plan& plan) noexcept
  {
    const std::span<const piece> pieces = plan.pieces_of(r);
    token_interval valid = e.template at<0>().tokens;
    for (auto p = pieces.rbegin(); p != pieces.rend(); ++p) {
      if (p->is_fetched() && (valid.empty() || p->tokens.end == valid.begin)) valid = hull(valid, p->tokens);
    }
    for (const piece& p : pieces) {
      if (p.is_fetched() && p.tokens.begin == valid.end) valid.end = p.tokens.end;
    }
    mark_inexact(e.template at<0>(), r.inexact_from);
    residency_->template set_tokens<0>(e, valid);
  }

  static void note_read(entry_type& e, const request_plan& r) noexcept
  {
    auto& slab = e.template at<0>();
    slab.read.add(intersect(slab.tokens, {0, r.history}));
  }

  Residency* residency_;
};

}  // namespace kvstrata
