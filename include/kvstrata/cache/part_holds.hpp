// Parts under a lease: who is held, what it stands on, and how what was written beside takes its place.
#pragma once

#include <kvstrata/cache/executor.hpp>

#include <algorithm>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of rows: a sequence that has no entry gets one; a scratch part, and a replace or read part that is not served, one that
/// nobody finds, which is to be published unless another lease's is.
template <class Residency, class Transfer>
void executor<Residency, Transfer>::hold_parts(const part_rows& of, state& s)
{
  const std::span<const request> rows = of.rows();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const request& r = rows[i];
    const part_mode mode = mode_of(r);
    entry_type*& e = s.entries[i];
    if (of.same_as(i) != i) e = s.entries[of.same_as(i)];
    const bool is_new = e == nullptr;
    if (is_new) {
      e = mode == part_mode::append
              ? &residency_->users().add(key_of(r))
              : &residency_->users().add_unseen(key_of(r), is_shared(mode) && !s.plan.requests[i].own);
      e->atomic = is_shared(mode);
    }
    ++e->holds;
    ++s.held;
    if constexpr (Residency::stores != 0) {
      if (!e->doomed) mover_->stores().hold(*e, is_new, {});
    }
    residency_->note_time(r.time_ms);
    if (s.plan.requests[i].whole) continue;
    residency_->hot().heat(*e);
    if (version_of(r) != 0 && mode != part_mode::scratch) {
      known_history& known = e->learn();
      if (is_new) known.version = version_of(r);
    }
    if (r.first_token != 0) e->learn();
    if (!has_fingerprint(r)) continue;
    vouch(r, *e, s.plan.requests[i].kept, s);
  }
}

/// After what was forgotten: append parts have the versions now that they are asked for with.
template <class Residency, class Transfer>
void executor<Residency, Transfer>::stand(const part_rows& of, const state& s)
{
  for (std::size_t i = 0; i < s.held; ++i) {
    for (const part_ground& ground : of.grounds_of(i)) residency_->stand(*s.entries[i], ground.key, ground.version);
  }
}

template <class Residency, class Transfer>
void executor<Residency, Transfer>::note_parts(const part_rows& of, state& s)
{
  const token_count page_tokens = residency_->layout().page_tokens;
  for (std::size_t i = 0; i < s.held; ++i) {
    entry_type& e = *s.entries[i];
    request_plan& p = s.plan.requests[i];
    p.whole = false;  // another row may be of the same sequence: what ends last settles it
    if (p.mode == part_mode::scratch) continue;
    notes_.note_hit(e, p, s);
    notes_.note_arrival(e, p, s.plan, of.rows()[i].hint, true);
    if constexpr (Residency::stores != 0) mover_->stores().touch(e, of.rows()[i].hint);
  }
  s.parts.write(s.plan, page_tokens, s.table,
                [&s](std::size_t row) -> const auto& { return s.entries[row]->hot().extents; });
  s.parts.read_window(s.pages, s.plan, page_tokens, s.table, [&of](std::size_t row) { return of.same_as(row); });
}

/// True when it is found by its key from now on.
template <class Residency, class Transfer>
bool executor<Residency, Transfer>::publish(entry_type& e, const state& s)
{
  if (!e.beside || residency_->is_stale(e)) return false;
  if constexpr (Residency::stores != 0) mover_->stores().begin(e);
  // Whoever leases it before this lease is released reads what the model has queued by now.
  const auto last = std::max_element(s.done.begin(), s.done.end(),
                                     [](event a, event b) { return a.sequence < b.sequence; });  // of one stream
  if (last != s.done.end()) remember(residency_->device(), e.hot().last_use[0], *last);
  if (entry_type* const before = residency_->publish(e)) residency_->erase(*before);
  return true;
}

}  // namespace kvstrata
