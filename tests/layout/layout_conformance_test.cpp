// The shipped layouts, and one of a third party.
#include "layout/layout_conformance.hpp"
#include "layout/page_first_layout.hpp"

#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>

using namespace kvstrata;
using kvstrata_test::layout_conformance;

TEST_CASE("paged layout: conformance") { layout_conformance(paged_layout{}); }
TEST_CASE("paged layout, one token a page: conformance") { layout_conformance(paged_layout{.page_tokens = 1}); }
TEST_CASE("hybrid layout: conformance") { layout_conformance(hybrid_layout{}); }
TEST_CASE("hybrid layout, small chunks: conformance")
{
  layout_conformance(hybrid_layout{.page_tokens = 4, .chunk = 20});
}
TEST_CASE("hybrid layout, a page a chunk: conformance")
{
  layout_conformance(hybrid_layout{.page_tokens = 7, .chunk = 7});
}
TEST_CASE("a third party's layout: conformance") { layout_conformance(kvstrata_test::page_first_layout{}); }
