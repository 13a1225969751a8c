// What a cache's books say in figures.
#pragma once

#include <kvstrata/books/residency.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <tiers Tiers, layout_policy Layout, replacement_policy Replacement, tracker Tracker>
cache_stats residency<Tiers, Layout, Replacement, Tracker>::stats()
{
  cache_stats s;
  s.depth = memories;
  each_level<0, memories>([&](auto i) { s.levels[i()] = level<i()>().stats(); });
  s.window = slab().window_stats(*device_);
  s.users = cached_users_;
  s.epoch = users_.epoch();
  s.refused_writes = dropped_writes_;
  s.dirty_tokens = dirty_.tokens();
  s.stretch_bytes = users_.stretch_bytes();
  return s;
}

template <tiers Tiers, layout_policy Layout, replacement_policy Replacement, tracker Tracker>
template <level_index Level>
void residency<Tiers, Layout, Replacement, Tracker>::count_evicted(const entry_type& e, token_interval lost) noexcept
{
  if (!is_live(e)) return;
  const token_count dropped = gone_with<Level, memories>(stored_, e, lost);
  auto& count = level<Level>().counts();
  count.evicted += lost.size();
  count.dropped += dropped;
  tell(tracker_, tokens_evicted{.from = Level,
                                .tokens = lost.size(),
                                .dropped = dropped,
                                .unread = lost.size() - e.template at<Level>().read.among(lost),
                                .age = age(e),
                                .user = e.user,
                                .cause = acting_.whom(),
                                .space = e.space});
}

}  // namespace kvstrata
