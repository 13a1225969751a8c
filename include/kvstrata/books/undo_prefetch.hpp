// Taking a prefetch back that no request has read.
#pragma once

#include <kvstrata/books/residency.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <tiers Tiers, layout_policy Layout, replacement_policy Replacement, tracker Tracker>
token_count residency<Tiers, Layout, Replacement, Tracker>::undo_prefetch(entry_type& e) noexcept
{
  const prefetch_state& ahead = std::as_const(e).hot().prefetched();
  const token_interval all = e.template look<0>().tokens;
  const token_interval keep = intersect(all, ahead.had);
  const token_count gone = all.size() - keep.size();
  const token_interval front{all.begin, keep.empty() ? all.end : keep.begin};
  const token_interval rear{keep.empty() ? all.end : keep.end, all.end};
  if (!ahead.unread || gone == 0) return 0;
  if (e.template tokens_in<1, memories>(front) + e.template tokens_in<1, memories>(rear) != gone) return 0;
  forget_prefetch(e);
  set_tokens<0>(e, keep);
  settle(e);
  tell(tracker_, prefetch_undone{gone});
  return gone;
}

}  // namespace kvstrata
