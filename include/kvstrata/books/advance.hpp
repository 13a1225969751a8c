// A new model serves: all that is cached turns stale at once.
#pragma once

#include <kvstrata/books/residency.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <tiers Tiers, layout_policy Layout, replacement_policy Replacement, tracker Tracker>
void residency<Tiers, Layout, Replacement, Tracker>::advance(epoch_id epoch)
{
  epoch_advanced what{.epoch = epoch, .users = cached_users_};
  by_level<page_count> taken{};
  each_level<0, memories>([&](auto i) { taken[i()] = level<i()>().taken(); });
  users_.advance(epoch);
  each_level<0, memories>([&](auto i) { what.tokens[i()] = level<i()>().turn_stale(taken[i()]); });
  cached_users_ = 0;
  dirty_.forget_all();
  tell(tracker_, what);
}

}  // namespace kvstrata
