// The shipped layouts in every page order, and one of a third party.
#include "layout/layout_conformance.hpp"

#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>

using namespace kvstrata;
using kvstrata_test::layout_conformance;

namespace {

// As a third party would write one: short ranges, of which a user may have several, stored page by page backwards
// from the tier's end.
struct short_ranges
{
  token_count page_tokens = 4;

  [[nodiscard]] token_count chunk_tokens() const { return 2 * page_tokens; }
  [[nodiscard]] page_count extent_pages(page_count, page_count wanted) const { return wanted > 3 ? 6 : 3; }
  [[nodiscard]] page_count granule_pages() const noexcept { return 3; }
  [[nodiscard]] token_count longest_history() const { return 300 * page_tokens; }
  [[nodiscard]] placement device_place(const geometry& shape, page_count) const
  {
    return page_first(shape, page_tokens);
  }
  [[nodiscard]] extent_place lower_place(const geometry& shape, page_count frame, page_count pages,
                                         page_count tier_pages) const
  {
    return place_in_frames(page_order::layer_first, shape, page_tokens, tier_pages - frame - pages, pages);
  }

  friend void check(const short_ranges& l) { check_page_tokens(l.page_tokens); }
};

static_assert(layout_policy<short_ranges>);

constexpr page_order orders[] = {page_order::layer_first, page_order::page_first};

}  // namespace

TEST_CASE("paged layout, both page orders: conformance")
{
  const page_order order = GENERATE(from_range(std::begin(orders), std::end(orders)));
  CAPTURE(name_of(order));
  layout_conformance(paged_layout{.host_order = order});
}
TEST_CASE("paged layout, one token a page, both page orders: conformance")
{
  const page_order order = GENERATE(from_range(std::begin(orders), std::end(orders)));
  CAPTURE(name_of(order));
  layout_conformance(paged_layout{.page_tokens = 1, .host_order = order});
}
TEST_CASE("hybrid layout, both page orders: conformance")
{
  const page_order order = GENERATE(from_range(std::begin(orders), std::end(orders)));
  CAPTURE(name_of(order));
  layout_conformance(hybrid_layout{.host_order = order});
}
TEST_CASE("hybrid layout, small chunks, both page orders: conformance")
{
  const page_order order = GENERATE(from_range(std::begin(orders), std::end(orders)));
  CAPTURE(name_of(order));
  layout_conformance(hybrid_layout{.page_tokens = 4, .chunk = 20, .host_order = order});
}
TEST_CASE("hybrid layout, a page a chunk, both page orders: conformance")
{
  const page_order order = GENERATE(from_range(std::begin(orders), std::end(orders)));
  CAPTURE(name_of(order));
  layout_conformance(hybrid_layout{.page_tokens = 7, .chunk = 7, .host_order = order});
}
TEST_CASE("contiguous layout: conformance") { layout_conformance(contiguous_layout{}); }
TEST_CASE("contiguous layout, small ranges: conformance")
{
  layout_conformance(contiguous_layout{.page_tokens = 4, .longest = 60});
}
TEST_CASE("contiguous layout, a page a range: conformance")
{
  layout_conformance(contiguous_layout{.page_tokens = 4, .longest = 4});
}
TEST_CASE("a third party's layout: conformance") { layout_conformance(short_ranges{}); }
