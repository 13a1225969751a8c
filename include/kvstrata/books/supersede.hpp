// A version takes the place of another, and what stood on that one goes.
#pragma once

#include <kvstrata/books/residency.hpp>

#include <limits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <tiers Tiers, layout_policy Layout, replacement_policy Replacement, tracker Tracker>
auto residency<Tiers, Layout, Replacement, Tracker>::publish(entry_type& writer) -> entry_type*
{
  entry_type* const before = users_.find(writer.key());
  dependants_.reserve_for(writer.key());
  users_.publish(writer);
  dependants_.supersede(writer.key(), writer.known().version);
  if (before == nullptr) return nullptr;
  const std::uint64_t tokens = before->template tokens_in<0, memories>(any_token);
  superseded_versions_ += tokens;
  note_superseded(tokens);
  if (before->holds == 0) return before;
  doom(*before);
  return nullptr;
}

template <tiers Tiers, layout_policy Layout, replacement_policy Replacement, tracker Tracker>
void residency<Tiers, Layout, Replacement, Tracker>::stand(entry_type& e, const sequence_key& on, std::uint64_t version)
{
  dependants_.add(on, {e.number, e.known().version, version}, [this](const dependant& d) { return is_meant(d); });
}

template <tiers Tiers, layout_policy Layout, replacement_policy Replacement, tracker Tracker>
void residency<Tiers, Layout, Replacement, Tracker>::settle_superseded() noexcept
{
  dependants_.settle([this](const dependant& d) {
    if (!is_meant(d)) return false;
    entry_type& e = users_.at(d.number);
    if (e.holds != 0) return true;
    note_superseded(e.template tokens_in<0, memories>(any_token));
    uncount(e);
    each_level<0, memories>([&](auto i) { level<i()>().turn_stale(e); });
    users_.turn_stale(e);
    return false;
  });
}

// Whose number an entry of another key has by now is told by the version, which is no count: part_rows mixes it of all that the part
// stands on. An entry that has the same stands on the same, and falls with it; a caller who made the same number of anything else
// would lose its tokens before their time, and get no wrong ones.
template <tiers Tiers, layout_policy Layout, replacement_policy Replacement, tracker Tracker>
bool residency<Tiers, Layout, Replacement, Tracker>::is_meant(const dependant& d) const noexcept
{
  const entry_type& e = users_.at(d.number);
  return d.version != 0 && is_live(e) && e.known().version == d.version && (e.counted || e.holds != 0);
}

template <tiers Tiers, layout_policy Layout, replacement_policy Replacement, tracker Tracker>
void residency<Tiers, Layout, Replacement, Tracker>::note_superseded(std::uint64_t tokens) noexcept
{
  if (tokens == 0) return;
  superseded_ += tokens;
  tell(tracker_, tokens_forgotten{.superseded = tokens});
}

}  // namespace kvstrata
