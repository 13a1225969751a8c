// Users under a lease: nothing of them is evicted while it lives.
#pragma once

#include <kvstrata/cache/executor.hpp>

#include <algorithm>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Residency, class Transfer>
void executor<Residency, Transfer>::hold_whole([[maybe_unused]] const batch& planned, std::span<const request> requests,
                                               state& s)
{
  std::int64_t latest = 0;
  for (entry_type* const e : s.entries) {
    ++e->holds;
    ++s.held;
    if constexpr (Residency::stores != 0) mover_->stores().hold(*e, false, planned.offers.of(s.held - 1));
    taker_.note_uses(*e, s.compute);
  }
  for (const request& r : requests) latest = (std::max)(latest, r.time_ms);
  residency_->note_time(latest);
}

template <class Residency, class Transfer>
void executor<Residency, Transfer>::hold([[maybe_unused]] const batch& planned, std::span<const request> requests,
                                         state& s)
{
  for (std::size_t i = 0; i < requests.size(); ++i) {
    entry_type*& e = s.entries[i];
    [[maybe_unused]] const bool is_new = e == nullptr;
    if (is_new) e = &residency_->users().add(requests[i].user);
    ++e->holds;
    ++s.held;
    if constexpr (Residency::stores != 0) mover_->stores().hold(*e, is_new, planned.offers.of(i));
    residency_->note_time(requests[i].time_ms);
    if (s.plan.requests[i].whole) continue;
    residency_->hot().heat(*e);
    if (requests[i].first_token != 0) e->learn();
    if (has_fingerprint(requests[i])) vouch(requests[i], *e, s.plan.requests[i].kept, s);
  }
}

template <class Residency, class Transfer>
void executor<Residency, Transfer>::vouch(const request& r, entry_type& e, const kept_tokens& kept, state& s)
{
  e.learn();
  if (s.vouched.add(r, e, kept, kept_stretches_) != 0) residency_->users().reserve_stretches(e, kept_stretches_);
}

}  // namespace kvstrata
