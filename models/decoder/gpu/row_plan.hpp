// Which rows a pass has, and how kernels are told: all arrays in one stretch of pinned memory, so that one copy brings them up.
#pragma once

#include "decoder/config.hpp"
#include "decoder/gpu/stages.hpp"

#include "hstu/gpu/section.hpp"

#include <kvstrata/core/ids.hpp>
#include <kvstrata/layout/page_table_view.hpp>
#include <kvstrata/position/rotary.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace decoder::gpu {

using hstu::gpu::section;

/// Tokens of prompts, or beams; each request's lie one behind the other.
struct row_plan
{
  std::vector<std::uint32_t> tokens;     ///< [rows] rows of model::tokens
  std::vector<std::uint32_t> positions;  ///< [rows]
  std::vector<std::uint32_t> requests;   ///< [rows]
  std::vector<std::uint64_t> slots;      ///< [rows] bytes from page 0 of a layer to where the row's key goes
  std::vector<std::uint32_t> seen;       ///< [rows] of prompts' tokens: where what they see ends; empty of beams
  std::vector<std::uint32_t> own_rows;   ///< [rows][own] of beams
  std::uint32_t own = 0;                 ///< tokens of its own that a beam has; 0 of prompts' tokens
  std::vector<stage_tile> tiles;
  std::vector<std::uint32_t> turns;  ///< the positions that there are, once each, ascending

  void clear()
  {
    for (auto* all : {&tokens, &positions, &requests, &seen, &own_rows, &turns}) all->clear();
    slots.clear();
    tiles.clear();
    own = 0;
  }
  [[nodiscard]] std::uint32_t rows() const noexcept { return static_cast<std::uint32_t>(tokens.size()); }

  void add(std::uint32_t token, std::uint32_t position, std::size_t request, std::uint64_t slot)
  {
    tokens.push_back(token);
    positions.push_back(position);
    requests.push_back(static_cast<std::uint32_t>(request));
    slots.push_back(slot);
  }
  /// Behind the rows of a request, of which `first` is the first: they see its prompt from `first_token` on, up to where `seen` says,
  /// else to `tokens_of_prompt`.
  void add_tiles(std::size_t request, std::uint32_t first, std::uint32_t first_token, std::uint32_t tokens_of_prompt)
  {
    for (std::uint32_t row = first; row < rows(); row += rows_of_tile) {
      const std::uint32_t count = (std::min)(rows_of_tile, rows() - row);
      tiles.push_back({static_cast<std::uint32_t>(request), row, count, first_token,
                       seen.empty() ? tokens_of_prompt : seen[row + count - 1]});
    }
  }
  /// When all rows are there.
  void close()
  {
    turns = positions;
    std::sort(turns.begin(), turns.end());
    turns.erase(std::unique(turns.begin(), turns.end()), turns.end());
  }
};

/// `scratch` is unused by passes over prompts.
struct upload_layout : hstu::gpu::sections
{
  section<kvstrata::page_id> prompt_pages;   ///< the view's
  section<std::int32_t> prompt_origins;      ///< [requests]
  section<kvstrata::page_id> scratch_pages;  ///< likewise
  section<std::int32_t> scratch_origins;
  section<float> cosines;  ///< [turns][head_dim / 2]
  section<float> sines;
  section<std::uint32_t> angles;  ///< [rows] which of the turns
  section<std::uint32_t> tokens, requests, seen, own_rows;
  section<std::uint64_t> slots;
  section<stage_tile> tiles;

  upload_layout() = default;
  upload_layout(const config& c, const row_plan& plan, const kvstrata::page_table_view& prompts,
                const kvstrata::page_table_view& scratch)
  {
    add(prompt_pages, prompts.page_ids.size());
    add(prompt_origins, prompts.size());
    add(scratch_pages, scratch.page_ids.size());
    add(scratch_origins, scratch.size());
    add(cosines, plan.turns.size() * (c.head_dim / 2));
    add(sines, plan.turns.size() * (c.head_dim / 2));
    add(angles, plan.rows());
    add(tokens, plan.rows());
    add(requests, plan.rows());
    add(seen, plan.seen.size());
    add(own_rows, plan.own_rows.size());
    add(slots, plan.rows());
    add(tiles, plan.tiles.size());
  }

  /// Writes all sections; `base` points to `bytes` bytes.
  void fill(std::byte* base, const config& c, const row_plan& plan, const kvstrata::page_table_view& prompts,
            const kvstrata::page_table_view& scratch) const
  {
    const auto write = [base](const auto& to, const auto& from) {
      std::copy(from.begin(), from.end(), to.in(base).begin());
    };
    write(prompt_pages, prompts.page_ids);
    for (std::size_t r = 0; r < prompts.size(); ++r) prompt_origins.in(base)[r] = prompts.origin(r);
    write(scratch_pages, scratch.page_ids);
    for (std::size_t r = 0; r < scratch.size(); ++r) scratch_origins.in(base)[r] = scratch.origin(r);
    const kvstrata::rotary by(c.head_dim, c.rotary_base);
    for (std::size_t i = 0; i < plan.turns.size(); ++i) {
      by.angles(plan.turns[i], cosines.in(base).data() + i * by.pairs(), sines.in(base).data() + i * by.pairs());
    }
    for (std::size_t row = 0; row < plan.rows(); ++row) {
      const auto at = std::lower_bound(plan.turns.begin(), plan.turns.end(), plan.positions[row]);
      angles.in(base)[row] = static_cast<std::uint32_t>(at - plan.turns.begin());
    }
    write(tokens, plan.tokens);
    write(requests, plan.requests);
    write(seen, plan.seen);
    write(own_rows, plan.own_rows);
    write(slots, plan.slots);
    write(tiles, plan.tiles);
  }
};

}  // namespace decoder::gpu
