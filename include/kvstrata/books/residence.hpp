// A user's copy in one level: which tokens, and where they lie.
#pragma once

#include <kvstrata/books/exactness.hpp>
#include <kvstrata/books/extent_list.hpp>
#include <kvstrata/books/served_tokens.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A user's copy in that level. The replacement policy's hook is a base class, so that a policy hands back the copy it
/// speaks of.
template <level_index Level, class Hook, class Entry>
struct residence : Hook
{
  token_interval tokens;         ///< valid; in the slab it begins at a page, else at an extent
  extent_list extents;           ///< cover `tokens`, and in the slab all of the history while under a lease
  served_tokens read;            ///< of `tokens`: served from here to a request since they came
  bool listed : 1 = false;       ///< known to the replacement policy
  bool left : 1 = false;         ///< the level has evicted the user since their last request
  bool refused : 1 = false;      ///< it has not admitted them since then: it is not asked again before the next
  std::uint8_t commits : 5 = 0;  ///< since something of them was last written here; 31 for more

  void count_commit() noexcept { commits = static_cast<std::uint8_t>(commits + (commits < 31 ? 1 : 0)) & 31U; }

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
    commits = 0;
  }
};

/// What of `part` may come to a level that has `there` of the entry: no copy begins in the midst of a page, unless the user's
/// window does; or a request might have to bring that page from two levels. Whoever has its other tokens keeps these, too.
template <class Entry>
[[nodiscard]] constexpr token_interval from_a_page(const Entry& e, token_interval part, token_interval there,
                                                   token_count page_tokens) noexcept
{
  const token_count within = part.begin % page_tokens;
  if (within == 0 || part.begin == e.known().first_token) return part;
  if (!there.empty() && there.end == part.begin) return part;
  const token_count begin = part.begin + (page_tokens - within);
  return begin < part.end ? token_interval{begin, part.end} : token_interval{};
}

}  // namespace kvstrata
