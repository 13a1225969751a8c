// What the shipped layouts promise beyond the concept, and the page table view.
#include "support/catch.hpp"

#include <kvstrata/layout/copy_run.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/page_table_view.hpp>
#include <kvstrata/layout/paged_layout.hpp>

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace {

using namespace kvstrata;

template <class Layout>
std::string refusal(const Layout& layout)
{
  try {
    check(layout);
  } catch (const config_error& e) {
    return e.what();
  }
  return {};
}

}  // namespace

static_assert(std::is_trivially_copyable_v<page_table_view> && std::is_trivially_copyable_v<placement>);
static_assert(std::is_trivially_copyable_v<copy_run> && std::is_trivially_copyable_v<placed_extent>);
static_assert(std::is_trivially_copyable_v<paged_layout> && std::is_trivially_copyable_v<hybrid_layout>);

TEST_CASE("layouts refuse sizes that contradict each other, with field, value and limit")
{
  REQUIRE(refusal(paged_layout{.page_tokens = 0}) == "layout.page_tokens is 0, but it must be at least 1");
  REQUIRE(refusal(paged_layout{.page_tokens = 65537}) == "layout.page_tokens is 65537, but it may be at most 65536");
  REQUIRE(refusal(hybrid_layout{.page_tokens = 0}) == "layout.page_tokens is 0, but it must be at least 1");
  REQUIRE(refusal(hybrid_layout{.page_tokens = 32, .chunk = 100}) ==
          "layout.chunk is 100, but it must be a positive multiple of layout.page_tokens, 32");
  REQUIRE(refusal(hybrid_layout{.page_tokens = 32, .chunk = 0}) ==
          "layout.chunk is 0, but it must be a positive multiple of layout.page_tokens, 32");
  REQUIRE(refusal(hybrid_layout{.page_tokens = 32, .chunk = 32}).empty());
}

TEST_CASE("the paged layout has extents of one page")
{
  REQUIRE(paged_layout{}.extent_pages(0, 1) == 1);
  REQUIRE(paged_layout{}.extent_pages(500, 500) == 1);
  REQUIRE(paged_layout{.page_tokens = 16}.chunk_tokens() == 16);
}

TEST_CASE("the hybrid layout stores a new history in chunks")
{
  const hybrid_layout layout;
  REQUIRE(layout.extent_pages(0, 1) == 1);
  REQUIRE(layout.extent_pages(0, 20) == 20);
  REQUIRE(layout.extent_pages(0, 32) == 32);
  REQUIRE(layout.extent_pages(0, 1000) == 32);
}

TEST_CASE("a history that grows page by page gets few extents and wastes no more than a quarter")
{
  const hybrid_layout layout;
  page_count reserved = 0;
  page_count extents = 0;
  for (page_count used = 1; used <= 1250; ++used) {  // 40,000 tokens
    if (used > reserved) {
      reserved += layout.extent_pages(reserved, used - reserved);
      ++extents;
    }
    REQUIRE(reserved >= used);
    REQUIRE(4 * (reserved - used) <= used);
    REQUIRE(reserved - used < 32);
  }
  REQUIRE(extents == 57);  // it would be 1,250 with extents of a page, and 40 with whole chunks
}

TEST_CASE("a page is where the arithmetic of the documentation puts it")
{
  // [layer][page][K, V][token][head][dim], in 3 layers, 5 pages of 4 tokens, 2 heads of 8 f16
  const geometry shape{.layers = 3, .kv_heads = 2, .head_dim = 8, .element = element_type::f16};
  const paged_layout layout{.page_tokens = 4};
  std::vector<std::byte> slab(5 * page_bytes(shape, 4));
  const page_id ids[] = {to_page(4), to_page(0), to_page(2), to_page(3)};
  const std::int32_t indptr[] = {0, 3, 3, 4};
  const std::int32_t last_page_len[] = {2, 0, 4};
  const page_table_view view{.page_ids = ids,
                             .indptr = indptr,
                             .last_page_len = last_page_len,
                             .base = slab.data(),
                             .where = layout.device_place(shape, 5),
                             .shape = shape,
                             .page_tokens = 4};

  REQUIRE(view.size() == 3);
  REQUIRE(view.tokens(0) == 10);
  REQUIRE(view.tokens(1) == 0);
  REQUIRE(view.tokens(2) == 4);
  REQUIRE(view.pages(0).size() == 3);
  REQUIRE(view.pages(1).empty());
  REQUIRE(view.pages(2)[0] == to_page(3));

  constexpr std::size_t row = 2 * 8 * 2;     // bytes of a token's K in a layer
  constexpr std::size_t page = 2 * 4 * row;  // K and V of 4 tokens
  REQUIRE(view.value_offset() == 4 * row);
  for (layer_index layer = 0; layer < 3; ++layer) {
    for (token_count token = 0; token < 10; ++token) {
      const std::size_t id = to_number(ids[token / 4]);
      const std::size_t expected = (layer * 5 + id) * page + (token % 4) * row;
      REQUIRE(view.key(layer, 0, token) == slab.data() + expected);
    }
    REQUIRE(view.page(layer, to_page(3)) == slab.data() + (layer * 5 + 3) * page);
    REQUIRE(view.key(layer, 2, 0) == view.page(layer, to_page(3)));
  }
  REQUIRE(view.key(2, 2, 3) + view.value_offset() + row == slab.data() + (2 * 5 + 4) * page);
}
