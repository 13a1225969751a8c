// Copy lists: what must move from one level to another, as arithmetic on addresses.
#pragma once

#include <kvstrata/codec/page_code.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/layout/concepts.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Room for `pages` pages of one user's history, from page `first_page` on, in consecutive frames of a level. In the slab
/// a frame is a page, its number the page id.
struct placed_extent
{
  page_count first_page = 0;  ///< page of the history
  page_count pages = 0;
  page_count frame = 0;  ///< the first of its frames in the level

  [[nodiscard]] constexpr page_count end() const noexcept { return first_page + pages; }
};

/// One side of a copy: its first page in layer 0, and the strides from there to the others.
struct copy_end
{
  std::byte* at = nullptr;
  placement where;

  [[nodiscard]] constexpr std::byte* page(layer_index layer, std::uint64_t number) const noexcept
  {
    return at + where.offset(layer, number);
  }
};

/// Pages that follow each other by one stride, on both sides: in one extent or in several. One list serves all layers: a
/// layer only adds its strides.
struct copy_run
{
  copy_end from;
  copy_end to;
  page_count pages = 0;
};

/// One page of which a level keeps a code: the pieces of an encoded end are as long as its code.
struct coded_page
{
  copy_end from;
  copy_end to;
  coding how;
  const std::byte* from_elsewhere =
      nullptr;  ///< the raw bytes of what has no code: layer 0, then those behind it, dense
  std::byte* to_elsewhere = nullptr;
  bool whole = true;        ///< false: a history fills it in part, and it goes as it is
  page_count to_frame = 0;  ///< of the level that it goes to

  [[nodiscard]] coded_piece piece(layer_index layer, std::size_t raw_bytes) const noexcept
  {
    const std::size_t apart = layer * raw_bytes;
    return {.dst = to.page(layer, 0),
            .src = from.page(layer, 0),
            .dst_elsewhere = to_elsewhere == nullptr ? nullptr : to_elsewhere + apart,
            .src_elsewhere = from_elsewhere == nullptr ? nullptr : from_elsewhere + apart,
            .whole = whole};
  }
};

/// Everything an engine needs to carry a copy list out. No byte is both read and written, and none is written twice.
struct copy_list
{
  std::size_t piece_bytes = 0;  ///< bytes of one page in one layer, as they are
  std::uint32_t layers = 0;
  std::vector<copy_run> runs;       ///< of pages that both levels keep as they are
  std::vector<coded_page> coded{};  ///< of the others

  [[nodiscard]] bool empty() const noexcept { return runs.empty() && coded.empty(); }
  /// That travel; of an encoded page its code's.
  [[nodiscard]] std::uint64_t bytes() const noexcept
  {
    std::uint64_t bytes = 0;
    for (const copy_run& run : runs) bytes += run.pages * piece_bytes;
    for (const coded_page& page : coded) bytes += travelling_bytes(page.how, piece_bytes);
    return bytes * layers;
  }
};

/// Do the pages that begin at `next` follow so many that begin at `before`, by the same strides?
[[nodiscard]] constexpr bool goes_on(const copy_end& before, page_count pages, const copy_end& next) noexcept
{
  return next.at == before.page(0, pages) && next.where == before.where;
}

namespace detail {

/// The extent that holds that page, of those that ascend without gaps, or of what has holder_of(page). O(log extents).
template <class Extents>
[[nodiscard]] auto holder_of(const Extents& all, page_count number)
{
  if constexpr (requires { all.holder_of(number); }) {
    return all.holder_of(number);
  } else {
    return std::partition_point(all.begin(), all.end(), [&](const placed_extent& x) { return x.end() <= number; });
  }
}

}  // namespace detail

/// Appends the runs that move `wanted` (pages of the history) from one list of extents to another; both ascend without
/// gaps, have none that is empty and cover `wanted`: ranges of extents, or what has holder_of(page). from_end(extent) and
/// to_end(extent) say where an extent's first page lies; they are copied. Runs are as long as they can be; what `out` had
/// before stays as it is. O(log extents + extents that hold `wanted`).
template <class From, class FromEnd, class To, class ToEnd>
void append_copy_runs(std::vector<copy_run>& out, const From& from, FromEnd&& from_end, const To& to, ToEnd&& to_end,
                      page_interval wanted)
{
  if (wanted.empty()) return;
  auto source = detail::holder_of(from, wanted.begin);
  auto target = detail::holder_of(to, wanted.begin);
  const auto read_at = from_end;  // copies, so that what is the same for all extents is worked out once
  const auto write_at = to_end;
  copy_end source_end = read_at(*source);
  copy_end target_end = write_at(*target);
  const std::size_t before = out.size();
  std::size_t count = before;
  copy_run* next = nullptr;  // where the next one goes, and how many have room from there on
  std::size_t room = 0;
  copy_run* last = nullptr;
  for (page_count page = wanted.begin;;) {
    const page_count shorter = source->end() < target->end() ? source->end() : target->end();
    const page_count until = shorter < wanted.end ? shorter : wanted.end;
    const copy_end read{source_end.page(0, page - source->first_page), source_end.where};
    const copy_end written{target_end.page(0, page - target->first_page), target_end.where};
    if (last != nullptr && goes_on(last->from, last->pages, read) && goes_on(last->to, last->pages, written)) {
      last->pages += until - page;
    } else {
      if (room == 0) {
        room = count - before + 2;
        out.resize(count + room);
        next = out.data() + count;
      }
      *next = {read, written, until - page};
      last = next++;
      --room;
      ++count;
    }
    page = until;
    if (page == wanted.end) break;
    if (source->end() == page) source_end = read_at(*++source);
    if (target->end() == page) target_end = write_at(*++target);
  }
  out.resize(count);
}

}  // namespace kvstrata
