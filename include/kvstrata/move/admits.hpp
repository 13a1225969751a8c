// The door of a level below the slab.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// May the user come into the level, of which it has nothing? `tokens`: of whom there is so much above; `part`: of which so
/// much would come. The level's policy is asked once a request.
template <level_index To, class Residency, class Entry>
[[nodiscard]] bool admits(Residency& residency, Entry& e, token_interval tokens, token_interval part)
{
  auto& there = e.template at<To>();
  if (!there.refused) {
    there.refused = !residency.template level<To>().admits(e, tokens, residency.pages_to_take(part).size());
  }
  return !there.refused;
}

}  // namespace kvstrata
