// What every layout must do, whatever its arithmetic: run it on your own with a file of a few lines,
//
//   TEST_CASE("my layout") { kvstrata_test::layout_conformance(my_layout{.page_tokens = 16}); }
//
// A layout moves nothing, so all of it is checked by arithmetic: pieces of a tier lie apart and within it, and the copy
// lists made over it say, page by page and layer by layer, what a naive list says.
#pragma once

#include "support/catch.hpp"

#include <kvstrata/layout/copy_run.hpp>

#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata_test {

using random_bits = std::mt19937;

/// A number in [0, n).
inline kvstrata::page_count draw(random_bits& random, kvstrata::page_count n)
{
  return static_cast<kvstrata::page_count>(random() % n);
}

/// Does every (layer, page) have `piece` bytes of its own within `bytes`?
[[nodiscard]] inline bool lie_apart(kvstrata::placement where, std::uint32_t layers, kvstrata::page_count pages,
                                    std::uint64_t piece, std::uint64_t bytes)
{
  std::vector<std::uint64_t> begins;
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    for (kvstrata::page_count page = 0; page < pages; ++page) begins.push_back(where.offset(layer, page));
  }
  std::sort(begins.begin(), begins.end());
  for (std::size_t i = 1; i < begins.size(); ++i) {
    if (begins[i] - begins[i - 1] < piece) return false;
  }
  return begins.back() + piece <= bytes;
}

/// The ids [0, count) in runs of random length, the runs in random order: partly consecutive, as a used slab gives them.
[[nodiscard]] inline std::vector<kvstrata::page_id> partly_consecutive(random_bits& random, kvstrata::page_count count,
                                                                       kvstrata::page_count longest)
{
  std::vector<std::vector<kvstrata::page_id>> runs;
  for (kvstrata::page_count next = 0; next < count;) {
    runs.emplace_back();
    const kvstrata::page_count end = (std::min)(count, next + 1 + draw(random, longest));
    for (; next < end; ++next) runs.back().push_back(kvstrata::to_page(next));
  }
  std::shuffle(runs.begin(), runs.end(), random);
  std::vector<kvstrata::page_id> ids;
  for (const auto& run : runs) ids.insert(ids.end(), run.begin(), run.end());
  return ids;
}

/// Extents for pages [first, end) of a history that grew step by step, in frames that lie anywhere. A tier that is
/// short of consecutive frames gives less than the layout asks for.
template <kvstrata::layout_policy Layout>
std::vector<kvstrata::placed_extent> grown_extents(random_bits& random, const Layout& layout,
                                                   kvstrata::page_count first, kvstrata::page_count end)
{
  std::vector<kvstrata::placed_extent> extents;
  for (kvstrata::page_count page = first; page < end;) {
    const kvstrata::page_count wanted = 1 + draw(random, end - page);
    const kvstrata::page_count asked = layout.extent_pages(page, wanted);
    REQUIRE(asked >= 1);
    const kvstrata::page_count got = draw(random, 4) == 0 ? 1 + draw(random, asked) : asked;
    extents.push_back({.first_page = page, .pages = got, .frame = 0});
    page += got;
  }
  std::vector<std::size_t> order(extents.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  kvstrata::page_count frame = 0;
  for (const std::size_t i : order) {
    frame += draw(random, 3);
    extents[i].frame = frame;
    frame += extents[i].pages;
  }
  return extents;
}

/// Where one page of one layer lies on both sides of a copy.
struct moved_piece
{
  std::uint64_t device = 0;
  std::uint64_t lower = 0;
  friend bool operator==(moved_piece, moved_piece) = default;
};

template <kvstrata::layout_policy Layout>
void layout_conformance(const Layout& layout)
{
  using namespace kvstrata;
  const geometry shapes[] = {{.layers = 1, .kv_heads = 1, .head_dim = 1, .element = element_type::int8},
                             {.layers = 3, .kv_heads = 2, .head_dim = 5, .element = element_type::bf16},
                             {.layers = 8, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16}};
  random_bits random(1);

  SECTION("its sizes agree")
  {
    REQUIRE_NOTHROW(check(layout));
    REQUIRE(layout.page_tokens >= 1);
    REQUIRE(layout.chunk_tokens() >= layout.page_tokens);
    REQUIRE(layout.chunk_tokens() % layout.page_tokens == 0);
    const Layout copy = layout;
    REQUIRE(copy.page_tokens == layout.page_tokens);
    REQUIRE(copy.chunk_tokens() == layout.chunk_tokens());
  }

  SECTION("an extent has at least a page, however long the history is")
  {
    for (page_count first = 0; first < 3000; first += 1 + first / 7) {
      for (page_count wanted = 1; wanted < 3000; wanted += 1 + wanted / 5) {
        REQUIRE(layout.extent_pages(first, wanted) >= 1);
      }
    }
    REQUIRE(layout.extent_pages(1U << 31U, 1U << 31U) >= 1);
  }

  SECTION("pieces lie apart and within their tier")
  {
    for (const geometry& shape : shapes) {
      const std::uint64_t piece = page_layer_bytes(shape, layout.page_tokens);
      for (const page_count pages : {1U, 2U, 3U, 7U, 64U, 257U}) {
        CAPTURE(to_string(shape), pages);
        const std::uint64_t bytes = pages * std::uint64_t{page_bytes(shape, layout.page_tokens)};
        REQUIRE(lie_apart(layout.device_place(shape, pages), shape.layers, pages, piece, bytes));
        REQUIRE(lie_apart(layout.lower_place(shape, pages), shape.layers, pages, piece, bytes));
      }
    }
  }

  SECTION("no offset wraps around in a large slab")
  {
    constexpr page_count pages = 1U << 24U;
    const placement where = layout.device_place(shapes[2], pages);
    REQUIRE(where.offset(shapes[2].layers - 1, pages - 1) + page_layer_bytes(shapes[2], layout.page_tokens) <=
            pages * std::uint64_t{page_bytes(shapes[2], layout.page_tokens)});
    REQUIRE(where.offset(shapes[2].layers - 1, pages - 1) > std::uint64_t{pages} * layout.page_tokens);
  }

  SECTION("copy lists say what a page-by-page list says, in as few runs as there are breaks")
  {
    for (int round = 0; round < 300; ++round) {
      const geometry& shape = shapes[draw(random, 2)];
      const page_count slab_pages = 1 + draw(random, 120);
      const placement device_place = layout.device_place(shape, slab_pages);
      std::vector<page_id> pages = partly_consecutive(random, slab_pages, 1 + draw(random, 40));
      pages.resize(1 + draw(random, slab_pages));

      // The history's pages [first, first + pages) are on the device, and extents cover another part of it.
      const page_count first = draw(random, 50);
      const page_count device_end = first + static_cast<page_count>(pages.size());
      const page_count lower_first = draw(random, device_end);
      const page_count lower_end = lower_first + 1 + draw(random, device_end + 10 - lower_first);
      const std::vector<placed_extent> extents = grown_extents(random, layout, lower_first, lower_end);
      page_interval wanted{(std::max)(first, lower_first), (std::min)(device_end, lower_end)};
      if (!wanted.empty()) wanted.begin += draw(random, wanted.size() + 1);
      if (!wanted.empty()) wanted.end -= draw(random, wanted.size());

      std::vector<moved_piece> naive;
      page_count runs = 0;
      const std::uint64_t frame_bytes = page_bytes(shape, layout.page_tokens);
      for (page_count page = wanted.begin; page < wanted.end; ++page) {
        const auto holder = std::find_if(extents.begin(), extents.end(), [page](const placed_extent& e) {
          return page >= e.first_page && page < e.first_page + e.pages;
        });
        const placement lower_place = layout.lower_place(shape, holder->pages);
        const page_id id = pages[page - first];
        for (layer_index layer = 0; layer < shape.layers; ++layer) {
          naive.push_back({device_place.offset(layer, to_number(id)),
                           holder->frame * frame_bytes + lower_place.offset(layer, page - holder->first_page)});
        }
        const bool follows = page != wanted.begin && page != holder->first_page &&
                             to_number(pages[page - 1 - first]) + 1 == to_number(id);
        if (!follows) ++runs;
      }

      std::vector<copy_run> list(1);  // it appends
      append_copy_runs(list, layout, shape, device_place, std::span<const page_id>(pages), first,
                       std::span<const placed_extent>(extents), wanted);
      std::vector<moved_piece> listed;
      for (std::size_t r = 1; r < list.size(); ++r) {
        const copy_run& run = list[r];
        for (page_count page = 0; page < run.pages; ++page) {
          for (layer_index layer = 0; layer < shape.layers; ++layer) {
            listed.push_back({run.device_offset + run.device_place.offset(layer, page),
                              run.lower_offset + run.lower_place.offset(layer, page)});
          }
        }
      }
      CAPTURE(round, wanted.begin, wanted.end, extents.size());
      REQUIRE(listed == naive);
      REQUIRE(list.size() == 1 + runs);
      copy_list whole{.piece_bytes = page_layer_bytes(shape, layout.page_tokens), .layers = shape.layers, .runs = {}};
      REQUIRE(whole.empty());
      whole.runs.assign(list.begin() + 1, list.end());
      REQUIRE(whole.bytes() == naive.size() * page_layer_bytes(shape, layout.page_tokens));
    }
  }
}

}  // namespace kvstrata_test
