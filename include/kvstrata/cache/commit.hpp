// Commit: from when on tokens that a lease computed are the cache's. For most that is the call; what rests on a store's answer
// waits for it.
#pragma once

#include <kvstrata/cache/executor.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Residency, class Transfer>
void executor<Residency, Transfer>::commit(state& s)
{
  s.committed = true;
  std::size_t count = 0;
  batch_committed what;
  if (s.whole && !mover_type::heeds_hits) return tell(residency_->tracker(), what);
  committed_.resize(s.held);
  for (std::size_t i = 0; i < s.held; ++i) {
    entry_type& e = *s.entries[i];
    if (!residency_->is_live(e) && !publish(e, s)) continue;
    if (s.late.waits(i) || s.late.lost(i)) continue;
    committed_[count++] = &e;
    if (!s.plan.requests[i].whole) what.tokens += keep_computed(e, i, s);
  }
  s.vouched.commit([&](const entry_type& e) { return residency_->is_live(e) && !s.late.withholds(e); });
  write_through(std::span(committed_).first(count), s);
  tell(residency_->tracker(), what);
}

template <class Residency, class Transfer>
bool executor<Residency, Transfer>::decide()
{
  attempts all;
  bool any = false;
  mover_->stores().ended_reads([&](const ended_read& read) {
    any = true;
    const auto [lease, request] = late_.decide(read.reader, read.came);
    if (read.came) all.make([&, s = lease, i = request] { keep_late(i, *s); });
    if (!lease->late.is_over()) return;
    end_hold(*lease->entries[request], false);
    if (late_.ends(*lease)) states_.take_back(*lease);
  });
  all.finish();
  return any;
}

template <class Residency, class Transfer>
std::uint64_t executor<Residency, Transfer>::keep_computed(entry_type& e, std::size_t request, const state& s) noexcept
{
  const request_plan& r = s.plan.requests[request];
  const token_interval lasting{r.first_token, r.lasting};
  mark_inexact(e.template at<0>(), r.inexact_from);
  residency_->template set_tokens<0>(e,
                                     hull(lasting, e.template at<0>().tokens));  // they touch: the planner sees to it
  std::uint64_t tokens = 0;
  for (const token_interval part : s.plan.compute_of(request)) tokens += intersect(part, lasting).size();
  if constexpr (Residency::stores != 0) {
    if (tokens != 0) residency_->stored().own(e.key());
  }
  return tokens;
}

template <class Residency, class Transfer>
void executor<Residency, Transfer>::keep_late(std::size_t request, state& s)
{
  entry_type* const e = s.entries[request];
  if (!residency_->is_live(*e)) return;
  notes_.note_come(*e, s.plan.requests[request], s.plan);
  if (!s.committed) return residency_->slab().changed(*e);
  const batch_committed what{.tokens = keep_computed(*e, request, s)};
  s.vouched.commit([e](const entry_type& other) { return &other == e; });
  write_through({&e, 1}, s);
  tell(residency_->tracker(), what);
}

}  // namespace kvstrata
