// From where on what a request is served is not exact.
#pragma once

#include <kvstrata/books/exactness.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/store_offers.hpp>

#include <algorithm>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The first token that is not exact once these pieces are where a request wants them: in a memory's copy of `found`, which is
/// null where only a store is counted on, or in what a store offers. Pages are fetched whole. O(pieces).
template <class Residency, class Entry, class Offer>
[[nodiscard]] token_count first_inexact_piece(std::span<const piece> pieces, const Entry* found, const Offer& offer,
                                              token_count page_tokens)
{
  using tiers_type = typename Residency::tiers_type;
  if constexpr (tracks_exactness<tiers_type>) {
    for (const piece& next : pieces) {
      if (next.is_computed()) continue;
      token_count first = all_exact;
      if (next.source >= Residency::memories) {
        const token_interval with = copied_with(next.tokens, {0, next.tokens.end}, page_tokens);
        if (offer.inexact_from < with.end) first = (std::max)(offer.inexact_from, with.begin);
      } else {
        each_level<0, Residency::memories>([&](auto level) {
          if (level() != next.source) return;
          const token_interval has = found->template look<level()>().tokens;
          first = inexact_in<tiers_type, level()>(
              *found, level() == 0 ? next.tokens : copied_with(next.tokens, has, page_tokens));
        });
      }
      if (first != all_exact) return first;
    }
  }
  return all_exact;
}

}  // namespace kvstrata
