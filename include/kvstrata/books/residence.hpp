// A user's copy in one level: which tokens, and where they lie.
#pragma once

#include <kvstrata/books/exactness.hpp>
#include <kvstrata/books/extent_list.hpp>
#include <kvstrata/books/served_tokens.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>

namespace kvstrata {

/// A user's copy in that level. The replacement policy's hook is a base class, so that a policy hands back the copy it
/// speaks of.
template <level_index Level, class Hook, class Entry>
struct residence : Hook
{
  token_interval tokens;     ///< valid; in the slab it begins at a page, else at an extent
  extent_list extents;       ///< cover `tokens`, and in the slab all of the history while under a lease
  served_tokens read;        ///< of `tokens`: served from here to a request since they came
  bool listed : 1 = false;   ///< known to the replacement policy
  bool left : 1 = false;     ///< the level has evicted the user since their last request
  bool refused : 1 = false;  ///< it has not admitted them since then: it is not asked again before the next

  [[nodiscard]] page_interval covered() const noexcept { return extents.covered(); }

  /// Whose copy it is.
  [[nodiscard]] Entry& owner() noexcept
  {
    if constexpr (Level == 0) return *static_cast<typename Entry::hot_record&>(*this).who;
    else return static_cast<Entry&>(*this);
  }

  void renew() noexcept
  {
    tokens = {};
    extents.clear();
    read.clear();
    settle_mark(*this);
    listed = left = refused = false;
  }
};

}  // namespace kvstrata
