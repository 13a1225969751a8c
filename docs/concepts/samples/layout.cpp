// A sample of docs/concepts/layout.md.
#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/layout/paged_layout.hpp>

// Pages as paged_layout has them, for models whose context ends at 4,096 tokens.
struct short_context : kvstrata::paged_layout
{
  kvstrata::token_count longest_history() const { return 4096; }
};
static_assert(kvstrata::layout_policy<short_context>);

#ifndef KVSTRATA_RIGHT
// says: a layout's granule_pages() must be noexcept
struct may_throw : kvstrata::paged_layout
{
  kvstrata::page_count granule_pages() const { return 2; }
};
static_assert(kvstrata::layout_policy<may_throw>);
#endif
