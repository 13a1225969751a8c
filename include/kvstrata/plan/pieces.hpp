// Which level serves which tokens of a request.
#pragma once

#include <kvstrata/core/levels.hpp>
#include <kvstrata/plan/plan.hpp>

#include <algorithm>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// Pages are copied whole, and nothing orders two copies of one fetch: so what a level has of a page that another has more of
/// is left to that one, which has all of it, as copies begin with a page or with the window.
template <level_index Levels>
void share_no_page(token_interval (&levels)[Levels], token_count page_tokens) noexcept
{
  for (level_index i = 1; i < Levels; ++i) {
    token_interval& mine = levels[i];
    const token_count page = (std::max)(mine.end - mine.end % page_tokens, mine.begin);
    for (level_index other = 1; other < Levels; ++other) {
      if (levels[other].end > mine.end && levels[other].begin <= page) mine.end = page;
    }
  }
}

}  // namespace detail

/// Appends the pieces of `all`, ascending and without gaps: each token comes from the uppermost level that has it, as far
/// as `kept` reaches, or is computed. `has(level)` -> what that level has. From levels below the slab nothing before
/// `fetch_from` is taken, and no page from two of them. At most 2 * Levels + 1 pieces. O(Levels^2).
template <level_index Levels, class Has>
void append_pieces(std::vector<piece>& out, token_interval all, token_interval kept, token_count fetch_from,
                   token_count page_tokens, Has&& has)
{
  token_interval levels[Levels];
  each_level<0, Levels>([&](auto i) {
    levels[i()] =
        intersect(intersect(has(i), kept), {i() == 0 ? all.begin : (std::max)(all.begin, fetch_from), all.end});
  });
  if constexpr (Levels > 2) detail::share_no_page<Levels>(levels, page_tokens);
  const std::size_t first = out.size();
  for (token_count at = all.begin; at < all.end;) {
    piece next{{at, all.end}, piece::computed};
    for (level_index i = 0; i < Levels; ++i) {
      if (levels[i].contains(at)) {
        next.source = i;
        next.tokens.end = (std::min)(next.tokens.end, levels[i].end);
        break;
      }
      if (levels[i].begin > at && !levels[i].empty()) next.tokens.end = (std::min)(next.tokens.end, levels[i].begin);
    }
    at = next.tokens.end;
    if (out.size() > first && out.back().source == next.source) out.back().tokens.end = at;
    else out.push_back(next);
  }
}

}  // namespace kvstrata
