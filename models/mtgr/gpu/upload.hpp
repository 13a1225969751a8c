// The arrays of a pass: laid into one stretch of pinned memory, so that one copy brings them all to the device.
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/section.hpp"
#include "mtgr/rows.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace mtgr::gpu {

using hstu::gpu::bf16;
using hstu::gpu::section;

/// A request's pages are those of both parts, one behind the other; in between is a gap of keys.
struct upload_layout : hstu::gpu::sections
{
  section<std::uint32_t> page_ids;              ///< [indptr[requests]]
  section<std::int32_t> indptr;                 ///< [requests + 1]
  section<hstu::gpu::key_gap> gaps;             ///< [requests]
  std::array<section<bf16>, domains> features;  ///< [rows of the domain][features]
  section<std::uint32_t> tokens;                ///< [rows]
  section<std::uint32_t> visible;               ///< [rows]
  section<std::uint32_t> positions;             ///< [page rows]
  section<std::uint64_t> slots;                 ///< [page rows] bytes from page 0 of a layer to a row's key
  section<hstu::query_tile> tiles;
  section<hstu::query_tile> candidate_tiles;
  section<std::uint32_t> tile_rows;

  upload_layout() = default;
  upload_layout(const config& c, const row_plan& plan, std::span<const request> batch, const part_views& views)
  {
    std::size_t pages = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) pages += pages_of(batch[i], plan, views, i);
    add(page_ids, pages);
    add(indptr, batch.size() + 1);
    add(gaps, batch.size());
    for (std::size_t d = 0; d < domains; ++d) {
      add(features[d], (plan.begin[d + 1] - plan.begin[d]) * features_of(c, domain(d)));
    }
    add(tokens, plan.rows);
    add(visible, plan.rows);
    add(positions, plan.page_rows);
    add(slots, plan.page_rows);
    add(tiles, plan.tiles.size());
    add(candidate_tiles, plan.candidate_tiles.size());
    add(tile_rows, plan.tile_rows.size());
  }

  /// Writes all sections; `base` points to `bytes` bytes.
  void fill(std::byte* base, const config& c, const row_plan& plan, std::span<const request> batch,
            const part_views& views) const
  {
    fill_pages(base, plan, batch, views);
    for (std::size_t d = 0; d < domains; ++d) {
      bf16* to = features[d].in(base).data();
      for (std::size_t row = plan.begin[d]; row < plan.begin[d + 1]; ++row) {
        const float* const from = features_of(c, plan, batch, row);
        for (std::size_t i = 0; i < features_of(c, domain(d)); ++i) *to++ = hstu::gpu::to_bf16(from[i]);
      }
    }
    std::copy(plan.tokens.begin(), plan.tokens.end(), tokens.in(base).begin());
    std::copy(plan.visible.begin(), plan.visible.end(), visible.in(base).begin());
    std::copy(plan.positions.begin(), plan.positions.end(), positions.in(base).begin());
    for (std::size_t row = 0; row < plan.page_rows; ++row) {
      const kvstrata::page_table_view& view = plan.is_static(row) ? views.statics : views.recents;
      slots.in(base)[row] = static_cast<std::uint64_t>(view.key(0, plan.requests[row], plan.tokens[row]) - view.base);
    }
    std::copy(plan.tiles.begin(), plan.tiles.end(), tiles.in(base).begin());
    std::copy(plan.candidate_tiles.begin(), plan.candidate_tiles.end(), candidate_tiles.in(base).begin());
    std::copy(plan.tile_rows.begin(), plan.tile_rows.end(), tile_rows.in(base).begin());
  }

 private:
  static std::size_t static_pages(const row_plan& plan, const part_views& views, std::size_t i)
  {
    return plan.recent_begin[i] / views.statics.page_tokens;
  }
  static std::size_t pages_of(const request& r, const row_plan& plan, const part_views& views, std::size_t i)
  {
    const kvstrata::token_count page = views.recents.page_tokens;
    return static_pages(plan, views, i) + (r.recent_tokens + page - 1) / page;
  }

  void fill_pages(std::byte* base, const row_plan& plan, std::span<const request> batch, const part_views& views) const
  {
    std::uint32_t* id = page_ids.in(base).data();
    indptr.in(base)[0] = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::size_t statics = static_pages(plan, views, i);
      const std::size_t recents = pages_of(batch[i], plan, views, i) - statics;
      for (const kvstrata::page_id p : views.statics.pages(i).first(statics)) *id++ = kvstrata::to_number(p);
      for (const kvstrata::page_id p : views.recents.pages(i).first(recents)) *id++ = kvstrata::to_number(p);
      indptr.in(base)[i + 1] = static_cast<std::int32_t>(id - page_ids.in(base).data());
      gaps.in(base)[i] = {batch[i].static_tokens, plan.recent_begin[i]};
    }
  }
};

}  // namespace mtgr::gpu
