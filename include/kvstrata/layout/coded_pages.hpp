// Copy lists of pages of which a level keeps a code: page by page, for each has a place of its own for what has none.
#pragma once

#include <kvstrata/layout/copy_run.hpp>

#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// As append_copy_runs, where an end is encoded: from_page(extent, page) and to_page(extent, page) say where a page lies
/// (`at`), how it is kept (`code`, or null) and where its raw bytes are if that has none (`elsewhere`, or null); whole(page)
/// whether the source has all of it. O(log extents + pages).
template <class From, class FromPage, class To, class ToPage, class Whole>
void append_coded_pages(std::vector<coded_page>& out, const From& from, FromPage&& from_page, const To& to,
                        ToPage&& to_page, page_interval wanted, Whole&& whole)
{
  if (wanted.empty()) return;
  auto source = detail::holder_of(from, wanted.begin);
  auto target = detail::holder_of(to, wanted.begin);
  out.reserve(out.size() + wanted.size());
  for (page_count page = wanted.begin; page < wanted.end; ++page) {
    if (source->end() == page) ++source;
    if (target->end() == page) ++target;
    const auto read = from_page(*source, page);
    const auto written = to_page(*target, page);
    out.push_back({.from = read.at,
                   .to = written.at,
                   .how = {read.code, written.code},
                   .from_elsewhere = read.elsewhere,
                   .to_elsewhere = written.elsewhere,
                   .whole = whole(page),
                   .to_frame = target->frame + (page - target->first_page)});
  }
}

/// Where a page lies that is kept as it is, or encoded.
struct page_end
{
  copy_end at;
  const page_code* code = nullptr;
  std::byte* elsewhere = nullptr;
};

}  // namespace kvstrata
