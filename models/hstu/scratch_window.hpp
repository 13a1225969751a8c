// Page tables over memory in which windows lie one behind the other: what a pass without a cache goes by.
#pragma once

#include <kvstrata/layout/page_table.hpp>

#include <vector>

namespace hstu {

/// Adds a request whose window has the pages from `next` on. Returns the first behind them. `pages`: room for their numbers.
inline kvstrata::page_count add_window(kvstrata::page_table& to, kvstrata::token_interval window,
                                       kvstrata::token_count page_tokens, kvstrata::page_count next,
                                       std::vector<kvstrata::page_id>& pages)
{
  pages.resize(kvstrata::pages_of(window, page_tokens).size());
  for (kvstrata::page_id& page : pages) page = kvstrata::to_page(next++);
  to.add(pages, window.begin, window.end, page_tokens);
  return next;
}

}  // namespace hstu
