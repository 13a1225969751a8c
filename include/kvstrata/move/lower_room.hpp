// How a level below the slab makes room.
#pragma once

#include <kvstrata/move/demoter.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Residency, class Transfer>
template <level_index Level>
void demoter<Residency, Transfer>::make_room(page_count pages, bool or_none, lane_number lane)
{
  auto& here = residency_->template level<Level>();
  if (here.free() >= pages) return;
  auto& all = leaving_[Level];
  all.clear();
  page_count wanted = pages - here.free();  // as the shedding policy counts
  page_count free = here.free();            // as whole extents come free
  std::size_t stale = 0;
  each_victim<Level>(*residency_, [&](entry_type& e, bool is_stale) {
    const page_count have = e.template at<Level>().covered().size();
    if (is_stale) {
      all.push_back({&e, {}, true});
      ++stale;
      free += have;
      wanted -= (std::min)(wanted, have);
      return wanted != 0;
    }
    using shedding = typename Residency::template level_at<Level>::shedding;
    const page_count missing = pages > free ? pages - free : 1;
    const shed_cut cut = here.cut(e, shedding::pages_to_shed(have, missing), false);
    all.push_back({&e, cut, false});
    free += have - cut.keep.size();
    wanted -= (std::min)(wanted, e.atomic ? have : shedding::pages_to_shed(have, wanted));
    return wanted != 0;
  });
  send_away<Level>(std::span<const leaving>(all).first(or_none && wanted != 0 ? stale : all.size()), lane);
}

}  // namespace kvstrata
