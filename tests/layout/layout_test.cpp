// What the shipped layouts promise beyond the concept, and the page table view.
#include "layout/layout_conformance.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/layout/copy_run.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/page_table.hpp>
#include <kvstrata/layout/paged_layout.hpp>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <ostream>
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

constexpr geometry shape_of_runs{.layers = 3, .kv_heads = 2, .head_dim = 8, .element = element_type::f16};

struct cost
{
  std::size_t runs = 0;
  page_count copies = 0;  ///< of a layer, when what is dense on both sides is one copy

  friend bool operator==(cost, cost) = default;
  friend std::ostream& operator<<(std::ostream& out, cost c)
  {
    return out << c.runs << " runs, " << c.copies << " copies";
  }
};

/// What it costs to move a history of the pages `ids`, whose extents lie in frames one after the other from `frame` on
/// with `gap` frames between them.
template <class Layout>
cost cost_of(const Layout& layout, const std::vector<page_id>& ids, page_count frame = 0, page_count gap = 0)
{
  const auto count = static_cast<page_count>(ids.size());
  std::vector<placed_extent> extents;
  for (page_count from = 0; from < count;) {
    const page_count room = layout.extent_pages(from, count - from);
    extents.push_back({.first_page = from, .pages = room, .frame = frame});
    from += room;
    frame += room + gap;
  }
  const auto slab = std::make_unique<std::byte[]>(1000 * page_bytes(shape_of_runs, layout.page_tokens));
  const auto tier = std::make_unique<std::byte[]>(frame * page_bytes(shape_of_runs, layout.page_tokens));
  std::vector<copy_run> runs;
  append_copy_runs(runs, kvstrata_test::slab_extents(ids),
                   kvstrata_test::slab_ends{slab.get(), layout.device_place(shape_of_runs, 1000)}, extents,
                   kvstrata_test::lower_ends<Layout>{tier.get(), layout, shape_of_runs, frame}, {0, count});
  cost sum{.runs = runs.size()};
  const std::uint64_t piece = page_layer_bytes(shape_of_runs, layout.page_tokens);
  for (const copy_run& run : runs) {
    const bool dense = run.from.where.page_stride == piece && run.to.where.page_stride == piece;
    sum.copies += dense ? 1 : run.pages;
  }
  return sum;
}

std::vector<page_id> ids(std::initializer_list<page_interval> runs)
{
  std::vector<page_id> all;
  for (const page_interval run : runs) {
    for (page_count id = run.begin; id < run.end; ++id) all.push_back(to_page(id));
  }
  return all;
}

}  // namespace

static_assert(std::is_trivially_copyable_v<page_table_view> && std::is_trivially_copyable_v<placement>);
static_assert(std::is_trivially_copyable_v<copy_run> && std::is_trivially_copyable_v<placed_extent>);
static_assert(std::is_trivially_copyable_v<paged_layout> && std::is_trivially_copyable_v<hybrid_layout>);
static_assert(std::is_trivially_copyable_v<contiguous_layout> && std::is_trivially_copyable_v<extent_place>);

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
  constexpr auto no_order = static_cast<page_order>(7);
  REQUIRE(refusal(hybrid_layout{.host_order = no_order}) == "layout.host_order is 7, but there is no such order");
  REQUIRE(refusal(paged_layout{.host_order = no_order}) == "layout.host_order is 7, but there is no such order");
  REQUIRE(refusal(contiguous_layout{.page_tokens = 0}) == "layout.page_tokens is 0, but it must be at least 1");
  REQUIRE(refusal(contiguous_layout{.page_tokens = 32, .longest = 0}) ==
          "layout.longest is 0, but it must be a positive multiple of layout.page_tokens, 32");
  REQUIRE(refusal(contiguous_layout{.page_tokens = 32, .longest = 33}) ==
          "layout.longest is 33, but it must be a positive multiple of layout.page_tokens, 32");
  REQUIRE(refusal(contiguous_layout{.page_tokens = 32, .longest = 4294967264}) ==
          "layout.longest is 4294967264, but it may be at most 4294967263");
  REQUIRE(refusal(contiguous_layout{.page_tokens = 32, .longest = 4294967232}).empty());
}

namespace {

/// A third party's, whose own check lets everything pass.
struct any_ranges : paged_layout
{
  page_count granule = 1;
  token_count longest = 1000;

  [[nodiscard]] page_count granule_pages() const noexcept { return granule; }
  [[nodiscard]] token_count longest_history() const { return longest; }
  friend void check(const any_ranges&) {}
};

template <layout_policy L>
std::string refusal_of_pages(const geometry& shape, const L& layout)
{
  return kvstrata_test::sentence_of<config_error>([&] { check_pages(shape, layout); });
}

}  // namespace

TEST_CASE("what is made of a shape and a layout can be counted, or is refused")
{
  constexpr geometry wide{.layers = 4096, .kv_heads = 4096, .head_dim = 65536, .element = element_type::f32};
  const std::string fine = "nothing was thrown";
  const auto ranges = [](token_count page_tokens, page_count granule, token_count longest) {
    any_ranges l;
    l.page_tokens = page_tokens;
    l.granule = granule;
    l.longest = longest;
    return l;
  };
  CHECK(refusal_of_pages(wide, paged_layout{.page_tokens = 65536}) == fine);
  CHECK(refusal_of_pages(wide, contiguous_layout{.page_tokens = 1, .longest = (1U << 21U) - 1}) == fine);
  CHECK(refusal_of_pages(wide, contiguous_layout{.page_tokens = 1, .longest = 1U << 21U}) ==
        "a granule of the layout in bytes is 8796093022208 x 2097152, but it may be at most 18446744073709551615");
  CHECK(refusal_of_pages(wide, ranges(1U << 21U, 1, 5)) ==
        "a page in bytes is 8796093022208 x 2097152, but it may be at most 18446744073709551615");
  CHECK(refusal_of_pages(wide, ranges(0, 1, 5)) == "layout.page_tokens is 0, but it must be at least 1");
  CHECK(refusal_of_pages(wide, ranges(4, 0, 5)) == "layout.granule_pages() is 0, but it must be at least 1");
  CHECK(refusal_of_pages(wide, ranges(4, 4, no_longest(16))) == fine);
  CHECK(refusal_of_pages(wide, ranges(4, 4, no_longest(4))) ==
        "layout.longest_history() is 4294967291, but in whole granules of 16 tokens it may be at most 4294967295");
  CHECK(refusal_of_pages({.layers = 0, .kv_heads = 1, .head_dim = 1}, paged_layout{}) ==
        "geometry.layers is 0, but it must be at least 1");
  CHECK(refusal_of_pages(wide, paged_layout{.page_tokens = 65537}) ==
        "layout.page_tokens is 65537, but it may be at most 65536");
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

TEST_CASE("the contiguous layout reserves the longest history at once, on both sides")
{
  const contiguous_layout layout{.page_tokens = 16, .longest = 1600};
  REQUIRE(layout.granule_pages() == 100);
  REQUIRE(layout.extent_pages(0, 1) == 100);
  REQUIRE(layout.extent_pages(0, 100) == 100);
  REQUIRE(layout.longest_history() == 1600);
  REQUIRE(layout.chunk_tokens() == 16);
}

TEST_CASE("only the contiguous layout takes pages by the range and limits a history")
{
  for (const page_order order : {page_order::layer_first, page_order::page_first}) {
    REQUIRE(paged_layout{.host_order = order}.granule_pages() == 1);
    REQUIRE(hybrid_layout{.host_order = order}.granule_pages() == 1);
    REQUIRE(paged_layout{.page_tokens = 32, .host_order = order}.longest_history() == 4294967263);
    REQUIRE(hybrid_layout{.page_tokens = 16, .host_order = order}.longest_history() == 4294967279);
  }
}

TEST_CASE("page orders say where a tier keeps its pages")
{
  // 3 layers; a page of 4 tokens is 2 * 4 * 2 * 8 * 2 = 256 bytes a layer, 768 in all. A tier of 10 frames.
  const geometry& shape = shape_of_runs;
  const page_order layer_outermost = page_order::layer_first;
  const page_order page_outermost = page_order::page_first;
  const hybrid_layout chunks{.page_tokens = 4, .chunk = 16, .host_order = layer_outermost};
  REQUIRE(chunks.lower_place(shape, 5, 2, 10) == extent_place{5 * 768, {.layer_stride = 512, .page_stride = 256}});
  const hybrid_layout whole_pages{.page_tokens = 4, .chunk = 16, .host_order = page_outermost};
  REQUIRE(whole_pages.lower_place(shape, 5, 2, 10) == extent_place{5 * 768, {.layer_stride = 256, .page_stride = 768}});
  const paged_layout one_by_one{.page_tokens = 4, .host_order = page_outermost};
  REQUIRE(one_by_one.lower_place(shape, 5, 1, 10) == extent_place{5 * 768, {.layer_stride = 256, .page_stride = 768}});
  const paged_layout like_the_slab{.page_tokens = 4, .host_order = layer_outermost};
  REQUIRE(like_the_slab.lower_place(shape, 5, 1, 10) == extent_place{5 * 256, like_the_slab.device_place(shape, 10)});
  const contiguous_layout range{.page_tokens = 4, .longest = 20};
  REQUIRE(range.lower_place(shape, 5, 5, 10) == extent_place{5 * 768, {.layer_stride = 1280, .page_stride = 256}});

  REQUIRE(paged_layout{}.host_order == page_outermost);
  REQUIRE(hybrid_layout{}.host_order == layer_outermost);
  REQUIRE(name_of(layer_outermost) == "layer_first");
  REQUIRE(name_of(page_outermost) == "page_first");
}

TEST_CASE("what it costs to move one user's layer, by layout and page order")
{
  const std::vector<page_id> whole = ids({{100, 140}});
  const std::vector<page_id> broken = ids({{100, 120}, {300, 320}});
  const std::vector<page_id> scattered = ids({{7, 8}, {3, 4}, {9, 10}, {1, 2}});
  const paged_layout paged_by_page;
  const paged_layout paged_by_layer{.host_order = page_order::layer_first};
  const hybrid_layout hybrid_by_page{.host_order = page_order::page_first};  // chunks of 32 pages
  const hybrid_layout hybrid_by_layer;
  const contiguous_layout contiguous;

  // Page by page a copy each; runs are joined over the ends of extents as long as frames follow each other.
  REQUIRE(cost_of(paged_by_page, whole) == cost{1, 40});
  REQUIRE(cost_of(paged_by_page, broken) == cost{2, 40});
  REQUIRE(cost_of(paged_by_page, broken, 3, 1) == cost{40, 40});
  REQUIRE(cost_of(paged_by_page, scattered) == cost{4, 4});

  // The tier is one array like the slab: what follows on both sides is one copy.
  REQUIRE(cost_of(paged_by_layer, whole) == cost{1, 1});
  REQUIRE(cost_of(paged_by_layer, broken) == cost{2, 2});
  REQUIRE(cost_of(paged_by_layer, broken, 3, 1) == cost{40, 40});
  REQUIRE(cost_of(paged_by_layer, scattered) == cost{4, 4});

  // Chunks of 32 and 8 pages have layer strides of their own: a run ends with its chunk, wherever the next one lies.
  REQUIRE(cost_of(hybrid_by_layer, whole) == cost{2, 2});
  REQUIRE(cost_of(hybrid_by_layer, broken) == cost{3, 3});
  REQUIRE(cost_of(hybrid_by_layer, broken, 3, 1) == cost{3, 3});
  REQUIRE(cost_of(hybrid_by_layer, scattered) == cost{4, 4});

  // Page by page all strides are the same: chunks that follow each other are one run, yet each page is a copy.
  REQUIRE(cost_of(hybrid_by_page, whole) == cost{1, 40});
  REQUIRE(cost_of(hybrid_by_page, broken) == cost{2, 40});
  REQUIRE(cost_of(hybrid_by_page, broken, 3, 1) == cost{3, 40});

  // A user's pages follow each other on both sides.
  REQUIRE(cost_of(contiguous, whole) == cost{1, 1});
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

TEST_CASE("a page table is filled request by request, and windows begin inside their first page")
{
  const geometry shape{.layers = 2, .kv_heads = 1, .head_dim = 4, .element = element_type::bf16};
  const paged_layout layout{.page_tokens = 4};
  std::vector<std::byte> slab(9 * page_bytes(shape, 4));
  page_table table;
  const auto fill = [&] {
    table.clear();
    const page_id first[] = {to_page(4), to_page(0), to_page(2)};
    const page_id second[] = {to_page(7), to_page(8)};
    table.add(first, 0, 12, 4);
    table.add({}, 6, 6, 4);          // an empty window
    table.add(second, 101, 107, 4);  // pages 25 and 26 of the history
    return table.view(slab.data(), layout.device_place(shape, 9), shape, 4);
  };
  for (int again = 0; again < 2; ++again) {
    const page_table_view view = fill();
    REQUIRE(view.size() == 3);
    REQUIRE(std::vector(view.indptr.begin(), view.indptr.end()) == std::vector<std::int32_t>{0, 3, 3, 5});
    REQUIRE(std::vector(view.last_page_len.begin(), view.last_page_len.end()) == std::vector<std::int32_t>{4, 0, 3});
    REQUIRE((view.first_token(0) == 0 && view.first_token(1) == 6 && view.first_token(2) == 101));
    REQUIRE((view.first_token_offset(0) == 0 && view.first_token_offset(2) == 1));
    REQUIRE((view.tokens(0) == 12 && view.tokens(1) == 6 && view.tokens(2) == 107));
    REQUIRE((view.origin(0) == 0 && view.origin(2) == 3 - 25));
    REQUIRE(view.key(1, 2, 101) == view.page(1, to_page(7)) + shape.key_bytes());
    REQUIRE(view.key(0, 2, 106) == view.page(0, to_page(8)) + 2 * shape.key_bytes());
    REQUIRE(view.key(0, 0, 11) == view.page(0, to_page(2)) + 3 * shape.key_bytes());
  }
}
