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
#include <cstddef>
#include <cstdint>
#include <memory>
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

/// Do pieces of `piece` bytes that begin at these offsets keep clear of each other, and end by `bytes`?
[[nodiscard]] inline bool lie_apart(std::vector<std::uint64_t> begins, std::uint64_t piece, std::uint64_t bytes)
{
  std::sort(begins.begin(), begins.end());
  for (std::size_t i = 1; i < begins.size(); ++i) {
    if (begins[i] - begins[i - 1] < piece) return false;
  }
  return begins.empty() || begins.back() + piece <= bytes;
}

inline void append_begins(std::vector<std::uint64_t>& begins, std::uint64_t offset, kvstrata::placement where,
                          std::uint32_t layers, kvstrata::page_count pages)
{
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    for (kvstrata::page_count page = 0; page < pages; ++page) begins.push_back(offset + where.offset(layer, page));
  }
}

/// The ids [0, count) in runs of random length, the runs in random order: partly consecutive, as a used slab gives
/// them.
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

/// The same, where a layout takes pages in granules: whole granules of consecutive ids.
[[nodiscard]] inline std::vector<kvstrata::page_id> partly_consecutive(random_bits& random, kvstrata::page_count count,
                                                                       kvstrata::page_count longest,
                                                                       kvstrata::page_count granule)
{
  std::vector<kvstrata::page_id> ids;
  for (const kvstrata::page_id group : partly_consecutive(random, count / granule, longest)) {
    for (kvstrata::page_count i = 0; i < granule; ++i) {
      ids.push_back(kvstrata::to_page(kvstrata::to_number(group) * granule + i));
    }
  }
  return ids;
}

/// Extents for pages [first, end) of a history that grew step by step, in frames that lie anywhere; `first` is a
/// multiple of the layout's granule. A tier that is short of consecutive frames gives less than the layout asks for.
template <kvstrata::layout_policy Layout>
std::vector<kvstrata::placed_extent> grown_extents(random_bits& random, const Layout& layout,
                                                   kvstrata::page_count first, kvstrata::page_count end)
{
  const kvstrata::page_count granule = layout.granule_pages();
  std::vector<kvstrata::placed_extent> extents;
  for (kvstrata::page_count page = first; page < end;) {
    const kvstrata::page_count wanted = 1 + draw(random, end - page);
    const kvstrata::page_count asked = layout.extent_pages(page, wanted);
    REQUIRE(asked >= 1);
    REQUIRE(asked % granule == 0);
    const kvstrata::page_count got = draw(random, 4) == 0 ? granule * (1 + draw(random, asked / granule)) : asked;
    extents.push_back({.first_page = page, .pages = got, .frame = 0});
    page += got;
  }
  std::vector<std::size_t> order(extents.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (draw(random, 3) != 0) std::shuffle(order.begin(), order.end(), random);  // or neighbours stay neighbours
  kvstrata::page_count frame = 0;
  for (const std::size_t i : order) {
    if (draw(random, 2) == 0) frame += draw(random, 3);
    extents[i].frame = frame;
    frame += extents[i].pages;
  }
  return extents;
}

/// Frames that a tier must have for these extents.
[[nodiscard]] inline kvstrata::page_count frames_of(std::span<const kvstrata::placed_extent> extents)
{
  kvstrata::page_count frames = 0;
  for (const kvstrata::placed_extent& e : extents) frames = (std::max)(frames, e.frame + e.pages);
  return frames;
}

/// Extents of a user in the slab: ids[i] is page first + i of their history. As long as can be, but for `breaks(i)`: one
/// begins at i even where it would go on.
template <class Breaks>
[[nodiscard]] std::vector<kvstrata::placed_extent> slab_extents(std::span<const kvstrata::page_id> ids,
                                                                kvstrata::page_count first, Breaks&& breaks)
{
  std::vector<kvstrata::placed_extent> extents;
  for (kvstrata::page_count i = 0; i < ids.size(); ++i) {
    const auto id = static_cast<kvstrata::page_count>(kvstrata::to_number(ids[i]));
    if (i != 0 && extents.back().frame + extents.back().pages == id && !breaks(i)) ++extents.back().pages;
    else extents.push_back({.first_page = first + i, .pages = 1, .frame = id});
  }
  return extents;
}
[[nodiscard]] inline std::vector<kvstrata::placed_extent> slab_extents(std::span<const kvstrata::page_id> ids,
                                                                       kvstrata::page_count first = 0)
{
  return slab_extents(ids, first, [](kvstrata::page_count) { return false; });
}

/// Where extents lie in the slab at `base`, and in a memory below it, for append_copy_runs.
struct slab_ends
{
  std::byte* base = nullptr;
  kvstrata::placement where;

  kvstrata::copy_end operator()(const kvstrata::placed_extent& e) const
  {
    return {base + where.offset(0, e.frame), where};
  }
};
template <kvstrata::layout_policy Layout>
struct lower_ends
{
  std::byte* base = nullptr;
  Layout layout;
  kvstrata::geometry shape;
  kvstrata::page_count tier_pages = 0;

  kvstrata::copy_end operator()(const kvstrata::placed_extent& e) const
  {
    const kvstrata::extent_place at = layout.lower_place(shape, e.frame, e.pages, tier_pages);
    return {base + at.offset, at.where};
  }
};

/// Where one page of one layer lies on both sides of a copy.
struct moved_piece
{
  std::byte* device = nullptr;
  std::byte* lower = nullptr;
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
    REQUIRE(layout.granule_pages() >= 1);
    REQUIRE(copy.granule_pages() == layout.granule_pages());
    REQUIRE(layout.longest_history() >= layout.page_tokens);
    REQUIRE(layout.longest_history() <= no_longest(layout.page_tokens));  // or rounding up to a page would wrap around
    REQUIRE(copy.longest_history() == layout.longest_history());
  }

  SECTION("an extent has at least a page, in whole granules, however long the history is")
  {
    const page_count granule = layout.granule_pages();
    for (page_count first = 0; first < 3000; first += granule * (1 + first / granule / 7)) {
      for (page_count wanted = 1; wanted < 3000; wanted += 1 + wanted / 5) {
        REQUIRE(layout.extent_pages(first, wanted) >= 1);
        REQUIRE(layout.extent_pages(first, wanted) % granule == 0);
      }
    }
    REQUIRE(layout.extent_pages((1U << 31U) / granule * granule, 1U << 31U) >= 1);
  }

  SECTION("pieces lie apart and within the slab")
  {
    for (const geometry& shape : shapes) {
      const std::uint64_t piece = page_layer_bytes(shape, layout.page_tokens);
      for (const page_count pages : {1U, 2U, 3U, 7U, 64U, 257U}) {
        CAPTURE(to_string(shape), pages);
        std::vector<std::uint64_t> begins;
        append_begins(begins, 0, layout.device_place(shape, pages), shape.layers, pages);
        REQUIRE(lie_apart(begins, piece, pages * std::uint64_t{page_bytes(shape, layout.page_tokens)}));
      }
    }
  }

  SECTION("pieces of all extents lie apart and within the tier, however its frames are shared out")
  {
    const page_count granule = layout.granule_pages();
    for (const geometry& shape : shapes) {
      for (int round = 0; round < 20; ++round) {
        const page_count tier_pages = granule * (1 + draw(random, 400 / granule + 1));
        std::vector<std::uint64_t> begins;
        for (page_count frame = 0; frame < tier_pages;) {
          const page_count left = (tier_pages - frame) / granule;
          const page_count pages = granule * (1 + draw(random, (std::min)(left, page_count{40})));
          const extent_place at = layout.lower_place(shape, frame, pages, tier_pages);
          append_begins(begins, at.offset, at.where, shape.layers, pages);
          frame += pages;
        }
        CAPTURE(to_string(shape), tier_pages);
        REQUIRE(begins.size() == std::size_t{tier_pages} * shape.layers);
        REQUIRE(lie_apart(begins, page_layer_bytes(shape, layout.page_tokens),
                          tier_pages * std::uint64_t{page_bytes(shape, layout.page_tokens)}));
      }
    }
  }

  SECTION("no offset wraps around in a large slab or tier")
  {
    constexpr page_count pages = 1U << 24U;
    const page_count granule = layout.granule_pages();
    const page_count last = pages / granule * granule - granule;
    std::uint64_t farthest = 0;
    for (const page_count frame : {page_count{0}, last}) {
      const extent_place at = layout.lower_place(shapes[2], frame, granule, pages);
      farthest = (std::max)(farthest, at.offset + at.where.offset(shapes[2].layers - 1, granule - 1));
    }
    REQUIRE(farthest + page_layer_bytes(shapes[2], layout.page_tokens) <=
            pages * std::uint64_t{page_bytes(shapes[2], layout.page_tokens)});
    REQUIRE(farthest > std::uint64_t{last} * layout.page_tokens);
    const placement where = layout.device_place(shapes[2], pages);
    REQUIRE(where.offset(shapes[2].layers - 1, pages - 1) + page_layer_bytes(shapes[2], layout.page_tokens) <=
            pages * std::uint64_t{page_bytes(shapes[2], layout.page_tokens)});
    REQUIRE(where.offset(shapes[2].layers - 1, pages - 1) > std::uint64_t{pages} * layout.page_tokens);
  }

  SECTION("copy lists say what a page-by-page list says, in as few runs as there are breaks")
  {
    const page_count granule = layout.granule_pages();
    const page_count longest = layout.longest_history() / layout.page_tokens;
    for (int round = 0; round < 300; ++round) {
      const geometry& shape = shapes[draw(random, 2)];
      const page_count slab_pages = granule * (1 + draw(random, 120 / granule + 1));
      const placement device_place = layout.device_place(shape, slab_pages);
      std::vector<page_id> pages = partly_consecutive(random, slab_pages, 1 + draw(random, 40), granule);
      pages.resize(1 + draw(random, (std::min)(slab_pages, longest)));

      // The history's pages [first, first + pages) are on the device, and extents cover another part of it.
      const page_count spare = longest - static_cast<page_count>(pages.size());
      const page_count first = granule * draw(random, (std::min)(spare, 50U) / granule + 1);
      const page_count device_end = first + static_cast<page_count>(pages.size());
      const page_count lower_first = draw(random, device_end) / granule * granule;
      const page_count lower_end = (std::min)(longest, lower_first + 1 + draw(random, device_end + 10 - lower_first));
      const std::vector<placed_extent> extents = grown_extents(random, layout, lower_first, lower_end);
      const page_count tier_pages = frames_of(extents) + draw(random, 3);
      page_interval wanted{(std::max)(first, lower_first), (std::min)(device_end, lower_end)};
      if (!wanted.empty()) wanted.begin += draw(random, wanted.size() + 1);
      if (!wanted.empty()) wanted.end -= draw(random, wanted.size());

      // Memory for both, and a page before it.
      const std::size_t margin = page_bytes(shape, layout.page_tokens);
      const auto memory = [margin](page_count frames) {
        return std::unique_ptr<std::byte[]>(new std::byte[(std::size_t{frames} + 1) * margin]);
      };
      const auto slab = memory(slab_pages);
      const auto tier = memory(tier_pages);
      const slab_ends on_device{slab.get() + margin, device_place};
      const lower_ends<Layout> below{tier.get() + margin, layout, shape, tier_pages};

      // Page by page: a page goes on with the run before it when each of its layers lies where the run's strides say.
      std::vector<moved_piece> naive;
      page_count runs = 0;
      moved_piece begin;
      placement begin_place;
      placement first_place;
      page_count begin_page = 0;
      for (page_count page = wanted.begin; page < wanted.end; ++page) {
        const auto holder = std::find_if(extents.begin(), extents.end(), [page](const placed_extent& e) {
          return page >= e.first_page && page < e.first_page + e.pages;
        });
        const extent_place place = layout.lower_place(shape, holder->frame, holder->pages, tier_pages);
        bool follows = page != wanted.begin && place.where == begin_place;
        for (layer_index layer = 0; layer < shape.layers; ++layer) {
          naive.push_back({on_device.base + device_place.offset(layer, to_number(pages[page - first])),
                           below.base + place.offset + place.where.offset(layer, page - holder->first_page)});
          follows = follows && naive.back().device == begin.device + device_place.offset(layer, page - begin_page) &&
                    naive.back().lower == begin.lower + begin_place.offset(layer, page - begin_page);
        }
        if (follows) continue;
        ++runs;
        begin = naive[naive.size() - shape.layers];
        begin_place = place.where;
        if (page == wanted.begin) first_place = begin_place;
        begin_page = page;
      }

      // It appends, and leaves alone what was there, even if that could go on. Up or down is all the same.
      const bool down = round % 2 == 0;
      const std::vector<placed_extent> mine =
          slab_extents(pages, first, [&](page_count) { return draw(random, 3) == 0; });
      std::vector<copy_run> list(1);
      if (!naive.empty()) {
        const copy_end above{naive.front().device - device_place.page_stride, device_place};
        const copy_end under{naive.front().lower - first_place.page_stride, first_place};
        list.front() = down ? copy_run{above, under, 1} : copy_run{under, above, 1};
      }
      if (down) append_copy_runs(list, mine, on_device, extents, below, wanted);
      else append_copy_runs(list, extents, below, mine, on_device, wanted);
      std::vector<moved_piece> listed;
      for (std::size_t r = 1; r < list.size(); ++r) {
        const copy_run& run = list[r];
        const copy_end& above = down ? run.from : run.to;
        const copy_end& under = down ? run.to : run.from;
        for (page_count page = 0; page < run.pages; ++page) {
          for (layer_index layer = 0; layer < shape.layers; ++layer) {
            listed.push_back({above.page(layer, page), under.page(layer, page)});
          }
        }
      }
      CAPTURE(round, wanted.begin, wanted.end, extents.size(), granule);
      REQUIRE(listed == naive);
      REQUIRE(list.front().pages == (naive.empty() ? 0U : 1U));
      REQUIRE(list.size() == 1 + runs);
      copy_list whole{.piece_bytes = page_layer_bytes(shape, layout.page_tokens), .layers = shape.layers, .runs = {}};
      REQUIRE(whole.empty());
      whole.runs.assign(list.begin() + 1, list.end());
      REQUIRE(whole.bytes() == naive.size() * page_layer_bytes(shape, layout.page_tokens));
    }
  }
}

}  // namespace kvstrata_test
