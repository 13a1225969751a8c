// Whose frames make room in a level, and why there is none. One order for all levels: entries of old epochs first, then in
// the policy's order, held ones passed over.
#pragma once

#include <kvstrata/books/level.hpp>
#include <kvstrata/core/result.hpp>
#include <kvstrata/plan/lease_tag.hpp>
#include <kvstrata/plan/part_rows.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/store_offers.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Somebody who makes room in a level.
template <class Entry>
struct victim
{
  Entry* who = nullptr;
  page_count pages = 0;  ///< to shed
  bool rear = false;     ///< from the rear; else from the front
};

/// A plan and whom it concerns. Reused from batch to batch, so that planning does not allocate in steady state.
template <class Residency>
struct planned_batch
{
  batch_plan plan;
  std::vector<typename Residency::entry_type*> entries;  ///< of the requests; null for users without one
  std::vector<victim<typename Residency::entry_type>> victims;
  lease_tag tag;                                                 ///< of the lease that it becomes
  bool whole = false;                                            ///< all requests are (request_plan)
  const part_rows* parts = nullptr;                              ///< whose rows they are; null where none has parts
  [[no_unique_address]] store_offers<Residency::stores> offers;  ///< to the requests
};

/// Takes the marks of a batch's users away when it is planned, or could not be.
template <class Entry>
class batch_marks
{
 public:
  explicit batch_marks(std::vector<Entry*>& of_batch) : users_(&of_batch) {}
  batch_marks(const batch_marks&) = delete;
  batch_marks& operator=(const batch_marks&) = delete;
  ~batch_marks()
  {
    for (Entry* e : *users_) {
      if (e != nullptr) e->in_batch = false;
    }
  }

 private:
  std::vector<Entry*>* users_;
};

/// Calls take(entry, stale) -> bool for those who may go from that level, the first to go first, until it returns false. An
/// entry of an old epoch goes as a whole, from all levels, and may have nothing in this one.
/// `coming`: for one user who is to come in there; null where others do as well.
template <level_index Level, class Residency, class Take>
void each_victim(Residency& residency, Take&& take, const user_id* coming = nullptr)
{
  bool more = true;
  residency.users().stale([&](auto& e) {
    if (e.holds == 0) more = take(e, true);
    return more;
  });
  if (!more) return;
  const auto visit = [&](auto& e) {
    if (e.holds == 0 && !residency.is_stale(e)) more = take(e, false);
    return more;
  };
  if (coming != nullptr) residency.template level<Level>().victims(visit, *coming);
  else residency.template level<Level>().victims(visit);
}

/// Of a victim with `resident` pages in that level, how many go when `wanted` are missing: whole granules.
template <level_index Level, class Residency>
[[nodiscard]] page_count pages_to_shed(const Residency& residency, page_count resident, page_count wanted)
{
  using shedding = typename Residency::template level_at<Level>::shedding;
  return whole_granules({0, shedding::pages_to_shed(resident, wanted)}, residency.layout().granule_pages()).size();
}

/// Plans the victims of a batch: those of the slab. Changes nothing in the residency, but for marks that a replacement
/// policy ages while it is asked for victims. Not synchronised.
template <class Residency>
class victim_finder
{
 public:
  using entry_type = typename Residency::entry_type;
  using batch = planned_batch<Residency>;

  explicit victim_finder(Residency& r) : residency_(&r) {}

  /// Makes `out` empty, but for the rows of so many requests, which are as they were.
  void start(batch& out, std::size_t requests = 0)
  {
    out.plan.clear_all_but_requests();
    out.plan.requests.resize(requests);
    out.entries.clear();
    out.entries.resize(requests);
    out.victims.clear();
    out.whole = false;
    out.parts = nullptr;
    out.plan.first_rows.clear();
    out.plan.pages_free = residency_->slab().free();
  }

  /// Chooses victims until there is room, none that is in the batch: these entries are marked. When
  /// somebody must go, for `slack` pages more. False when there is not enough.
  [[nodiscard]] bool find(batch& out, page_count slack = 0)
  {
    const page_count needed = out.plan.pages_needed;
    page_count found = out.plan.pages_free + out.plan.pages_forgotten;
    for (const auto& v : out.victims) found += v.pages;
    if (needed <= found) return true;
    const page_count wanted = needed + slack;
    const auto take = [&](entry_type& e, bool stale) {
      if (e.in_batch) return true;
      const auto& mine = e.template look<0>();
      const page_interval have = mine.covered();
      const page_count pages =
          stale || e.atomic ? have.size() : pages_to_shed<0>(*residency_, have.size(), wanted - found);
      add(out, e, {.pages = pages}, have, mine.tokens);
      found += pages;
      return found < wanted;
    };
    each_victim<0>(*residency_, take, alone(out));
    return found >= needed;
  }

  [[nodiscard]] static pressure held(const sequence_key& key) noexcept
  {
    return {.why = pressure::reason::user_held, .user = key.id, .space = key.space};
  }

  /// By another lease, which has not committed it yet.
  [[nodiscard]] static pressure computed(const sequence_key& key) noexcept
  {
    return {.why = pressure::reason::arriving, .by_commit = true, .user = key.id, .space = key.space};
  }

  [[nodiscard]] pressure too_much_held(const batch& out) const
  {
    pressure why{
        .why = pressure::reason::held, .pages_needed = out.plan.pages_needed, .pages_free = out.plan.pages_free};
    why.pages_evictable = out.plan.pages_forgotten;  // of users under no lease, too
    for (const auto& v : out.victims) why.pages_evictable += v.pages;
    residency_->users().all([&why](const entry_type& e) {
      if (e.holds != 0) why.pages_held += e.template at<0>().covered().size();
    });
    return why;
  }

  struct share
  {
    page_count pages = 0;
    bool rear = false;
  };

  /// Adds a victim who sheds pages of the slab, and who will have `have` and `tokens` there when their turn comes.
  void add(batch& out, entry_type& e, share goes, page_interval have, token_interval tokens)
  {
    const bool stale = residency_->is_stale(e);
    const token_count page_tokens = residency_->layout().page_tokens;
    token_interval lost = tokens;
    if (goes.pages < have.size()) {
      lost = goes.rear ? intersect(tokens, {(have.end - goes.pages) * page_tokens, tokens.end})
                       : intersect(tokens, {0, (have.begin + goes.pages) * page_tokens});
    }
    out.victims.push_back({&e, goes.pages, goes.rear});
    out.plan.victims.push_back(
        {.user = e.user,
         .space = e.space,
         .pages = goes.pages,
         .rear = goes.rear,
         .tokens = lost.size(),
         .dirty_tokens = stale ? 0 : lost.size() - e.template tokens_in<1, Residency::memories>(lost),
         .stale = stale});
  }

 private:
  /// The user of a batch of one request, who is not in the slab yet.
  [[nodiscard]] static const user_id* alone(const batch& out) noexcept
  {
    if (out.plan.requests.size() != 1) return nullptr;
    const entry_type* const known = out.entries.front();
    if (out.parts != nullptr) return nullptr;
    return known != nullptr && known->template look<0>().listed ? nullptr : &out.plan.requests.front().user;
  }

  Residency* residency_;
};

}  // namespace kvstrata
