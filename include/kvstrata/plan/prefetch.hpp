// What is asked of a prefetch, and what came of it.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/plan/plan.hpp>

#include <cstdint>
#include <limits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// How far a prefetch may go. What lies beyond stays where it is: the rear of the history comes first. What finds room in pages that
/// the user has already, takes none of these.
struct prefetch_limit
{
  page_count pages = (std::numeric_limits<page_count>::max)();            ///< pages to bring up, at most
  page_count displaced_pages = (std::numeric_limits<page_count>::max)();  ///< of others of this epoch, to push off
};

struct prefetch_outcome
{
  token_count tokens = 0;              ///< on their way to the device now
  token_count left = 0;                ///< that levels below have and the slab still lacks
  page_count pages = 0;                ///< taken for them
  page_count displaced_pages = 0;      ///< of others of this epoch, that were pushed off
  std::uint64_t displaced_tokens = 0;  ///< in these pages
};

/// Of the parts of one request together.
constexpr prefetch_outcome& operator+=(prefetch_outcome& all, const prefetch_outcome& one) noexcept
{
  all.tokens += one.tokens;
  all.left += one.left;
  all.pages += one.pages;
  all.displaced_pages += one.displaced_pages;
  all.displaced_tokens += one.displaced_tokens;
  return all;
}

/// What of a limit is left then.
[[nodiscard]] constexpr prefetch_limit operator-(prefetch_limit limit, const prefetch_outcome& used) noexcept
{
  limit.pages -= used.pages < limit.pages ? used.pages : limit.pages;
  limit.displaced_pages -= used.displaced_pages < limit.displaced_pages ? used.displaced_pages : limit.displaced_pages;
  return limit;
}

/// What carrying a prefetch's plan out queues.
[[nodiscard]] inline prefetch_outcome queued_by(const batch_plan& plan)
{
  prefetch_outcome out;
  out.tokens = plan.requests.front().fetched;
  out.pages = plan.requests.front().pages_taken;
  for (const victim_plan& v : plan.victims) {
    if (v.stale) continue;
    out.displaced_pages += v.pages;
    out.displaced_tokens += v.tokens;
  }
  return out;
}

}  // namespace kvstrata
