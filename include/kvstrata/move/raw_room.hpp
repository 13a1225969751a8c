// Room for what a level may have to keep as it is: raw frames for the pages that are about to be encoded there.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/device/last_use.hpp>
#include <kvstrata/layout/copy_run.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of `part`, for which the entry has extents in level Level, the tokens that may be written there: all, or where raw frames are
/// short those in front, as far as the level keeps one interval then. Adds to `after` what must come to pass before these are
/// written. Nothing to do where the level keeps pages as they are. O(pages).
template <level_index Level, class Residency, class Entry>
[[nodiscard]] token_interval with_raw_frames(Residency& r, Entry& e, token_interval part, [[maybe_unused]] fence& after)
{
  auto& memory = r.template level<Level>().memory();
  if constexpr (!Residency::template level_at<Level>::has_codes) {
    return part;
  } else {
    if (part.empty()) return part;
    auto& mine = e.template at<Level>();
    const page_interval wanted = r.pages(part);
    page_count next = wanted.begin;
    while (next < wanted.end) {
      const placed_extent holds = *mine.extents.holder_of(next);
      const page_count until = holds.end() < wanted.end ? holds.end() : wanted.end;
      const page_count got = memory.codes().reserve({holds.frame + (next - holds.first_page), until - next}, after);
      next += got;
      if (next != until) break;
    }
    if (next == wanted.end) return part;
    // What was reserved for the rest stays as room to grow, or goes back: whoever writes there next waits for the same.
    remember(r.device(), e.hot().last_use[Level], after);
    const bool in_front = !mine.tokens.empty() && part.begin < mine.tokens.begin;
    const token_interval out = in_front ? token_interval{} : intersect(part, r.tokens_in({wanted.begin, next}));
    if (out.empty() && mine.tokens.empty()) r.template trim<Level>(e);
    return out;
  }
}

}  // namespace kvstrata
