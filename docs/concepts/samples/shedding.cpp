// A sample of docs/concepts/shedding.md.
#include <kvstrata/replacement/shedding.hpp>

#include <algorithm>

// Half of what a victim has, where that is enough: the next one who needs room finds some.
struct evict_half
{
  using option_kind = kvstrata::shedding_option;
  static constexpr kvstrata::page_count pages_to_shed(kvstrata::page_count resident, kvstrata::page_count wanted)
  {
    return std::min(resident, std::max(wanted, resident / 2));
  }
};
static_assert(kvstrata::shedding_policy<evict_half>);
static_assert(evict_half::pages_to_shed(10, 2) == 5);

#ifndef KVSTRATA_RIGHT
// says: option_kind
struct evict_nothing  // says no option_kind: it would be taken for whatever stands at its place
{
  static kvstrata::page_count pages_to_shed(kvstrata::page_count, kvstrata::page_count wanted) { return wanted; }
};
static_assert(kvstrata::shedding_policy<evict_nothing>);
#endif
