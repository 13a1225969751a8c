// A batch in which requests have parts: as any other, on the rows of their parts. What is served whole or not at all is decided
// first: then its row is one of a sequence that is there, or of one of which nothing is.
#pragma once

#include <kvstrata/plan/planner.hpp>

#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Residency, split_policy Split>
std::optional<pressure> planner<Residency, Split>::plan(const part_rows& of, batch& out, const queued_work& queued)
{
  const std::span<const request> rows = of.rows();
  victims_->start(out, rows.size());
  out.parts = &of;
  out.plan.first_rows.assign(of.first_rows().begin(), of.first_rows().end());
  const batch_marks<entry_type> marks(out.entries);
  const auto is_first = [&of](std::size_t i) { return of.same_as(i) == i; };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!is_first(i) || mode_of(rows[i]) == part_mode::scratch) continue;
    entry_type* const found = out.entries[i] = residency_->users().find(key_of(rows[i]));
    if (found != nullptr) found->in_batch = true;
  }
  for (const request& r : rows) checks_.require_right(r);
  if (auto why = checks_.turned_away(rows)) return why;
  std::uint64_t pages = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    checks_.require_goes_on(rows[i], out.entries[of.same_as(i)]);
    checks_.require_countable(rows[i]);
    if (is_first(i)) pages += residency_->pages_to_take(window_of(rows[i])).size();
  }
  checks_.require_fits(out.plan.size(), pages);
  for (std::size_t i = 0; i < rows.size(); ++i) {  // of one sequence, what is there must do for all rows
    entry_type*& found = out.entries[of.same_as(i)];
    if (auto why = is_shared(mode_of(rows[i])) ? choose_reader(rows[i], rows.size(), found) : is_held(rows[i], found))
      return why;
  }
  plan_rows(of, true, out);
  if (victims_->find(out, residency_->slab().slack(out.plan.pages_needed))) return std::nullopt;
  out.plan.clear_all_but_requests();
  out.victims.clear();
  plan_rows(of, false, out);
  if (victims_->find(out, residency_->slab().slack(out.plan.pages_needed))) return std::nullopt;
  static_cast<void>(queued);  // nothing of such requests is computed again: a front there is not all that comes first
  return victims_->too_much_held(out);
}

template <class Residency, split_policy Split>
std::optional<pressure> planner<Residency, Split>::is_held(const request& r, const entry_type* found) const
{
  if (found == nullptr || found->holds == 0) return std::nullopt;
  return victims_->held(key_of(r));
}

/// What is there is read, or `found` becomes null: the request writes beside it, or where somebody does, for itself.
template <class Residency, split_policy Split>
std::optional<pressure> planner<Residency, Split>::choose_reader(const request& r, std::size_t rows,
                                                                 entry_type*& found) const
{
  if (found != nullptr && serves(r, *found)) {
    if (found->holds + rows > entry_type::most_holds) return victims_->held(key_of(r));
    return std::nullopt;
  }
  if (residency_->users().writer(key_of(r)) != nullptr && !computes_own(r)) return victims_->computed(key_of(r));
  if (found != nullptr) found->in_batch = false;  // it may go like any other
  found = nullptr;
  return std::nullopt;
}

template <class Residency, split_policy Split>
bool planner<Residency, Split>::serves(const request& r, const entry_type& e) const
{
  const token_interval all = window_of(r);
  if (e.known().version != version_of(r) || all.empty()) return false;
  if (e.template tokens_in<0, Residency::memories>(all) != all.size()) return false;
  if (has_fingerprint(r) && !contradiction_of(r, e).tokens.empty()) return false;
  if constexpr (exactness) {
    if (!r.exact) return true;
    bool found = false, exact = false;
    each_level<0, Residency::memories>([&](auto i) {
      if (found || !e.template look<i()>().tokens.contains(all)) return;
      found = true;
      exact = inexact_in<tiers_type, i()>(e, all) == all_exact;
    });
    return exact;
  }
  return true;
}

template <class Residency, split_policy Split>
void planner<Residency, Split>::plan_rows(const part_rows& of, bool keep_surplus, batch& out)
{
  for (std::size_t request = 0; request < out.plan.size(); ++request) {
    bool rests_on_inexact = false;
    for (std::size_t part = 0; part < out.plan.parts(request); ++part) {
      const std::size_t i = out.plan.row(request, part);
      request_plan& p = out.plan.requests[i];
      plan_row(of, i, keep_surplus, out);
      p.space = key_of(of.rows()[i]).space;
      p.mode = mode_of(of.rows()[i]);
      p.joined = out.plan.parts(request) > 1;
      const std::span<const token_interval> computed = out.plan.compute_of(p);
      if (rests_on_inexact && p.mode == part_mode::append && !computed.empty())
        p.inexact_from = (std::min)(p.inexact_from, computed.front().begin);
      if (is_shared(p.mode) && out.entries[of.same_as(i)] == nullptr)
        p.own = residency_->users().writer(p.key()) != nullptr;
      if (is_shared(p.mode)) rests_on_inexact = rests_on_inexact || p.inexact_from < p.history;
    }
  }
}

template <class Residency, split_policy Split>
void planner<Residency, Split>::plan_row(const part_rows& of, std::size_t i, bool keep_surplus, batch& out)
{
  const request& r = of.rows()[i];
  request_plan& p = out.plan.requests[i];
  const auto pieces = [&] { return static_cast<std::uint32_t>(out.plan.pieces.size()); };
  const auto computed = static_cast<std::uint32_t>(out.plan.compute.size());
  entry_type* const found = out.entries[i];
  const bool same = of.same_as(i) != i;
  const bool goes_on = found != nullptr && !has_fingerprint(r) && found->known().version == version_of(r);
  const bool whole = same || (keep_surplus && goes_on && is_whole(r, *found, version_of(r)));  // or it may have surplus
  if (!whole) return plan_request(r, found, keep_surplus, p, out);
  p = request_plan{.user = r.user,
                   .history = r.history_tokens,
                   .first_token = r.first_token,
                   .lasting = r.history_tokens,
                   .piece_begin = pieces(),
                   .compute_begin = computed,
                   .compute_end = computed,
                   .in_slab = window_of(r),
                   .whole = true};
  p.inexact_from =
      same ? out.plan.requests[of.same_as(i)].inexact_from : inexact_in<tiers_type, 0>(*found, window_of(r));
  if (!window_of(r).empty()) out.plan.pieces.push_back({window_of(r), 0});
  p.piece_end = pieces();
}

}  // namespace kvstrata
