// What a lease's page table says of its requests.
#pragma once

#include <kvstrata/books/extent_list.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/layout/page_table.hpp>
#include <kvstrata/move/lease_pages.hpp>
#include <kvstrata/plan/plan.hpp>

#include <algorithm>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The ids of those pages of several runs, of which they have all, from `next` on.
inline void write_ids(const extent_list& runs, page_interval wanted, page_id* next) noexcept
{
  runs.each_run([&](const placed_extent& x) {
    const page_count from = (std::max)(x.first_page, wanted.begin);
    const page_count to = (std::min)(x.end(), wanted.end);
    if (from < to) next = page_table::fill(next, x.frame + (from - x.first_page), to - from);
  });
}

/// The next request's row: its window, in the pages of its user, who has them. Inlined, as every batch takes it for each request.
[[gnu::always_inline]] inline void write_row(const request_plan& r, const extent_list& extents, token_count page_tokens,
                                             page_table& table)
{
  const page_interval wanted = pages_of({r.first_token, r.history}, page_tokens);
  page_id* const next = table.extend(wanted.size());
  const placed_extent* const one = extents.only_one();
  if (one == nullptr) write_ids(extents, wanted, next);
  else if (!wanted.empty()) page_table::fill(next, one->frame + (wanted.begin - one->first_page), wanted.size());
  table.finish_request(r.first_token, r.history, page_tokens);
}

/// What landed in the window is read there.
inline void read_window(const lease_pages& pages, const batch_plan& plan, token_count page_tokens,
                        page_table& table) noexcept
{
  for (const lease_pages::run& r : pages.runs) {
    const page_count first_page = plan.requests[r.request].first_token / page_tokens;
    table.replace(r.request, r.page - first_page, r.where.first, r.where.count);
  }
}

}  // namespace kvstrata
