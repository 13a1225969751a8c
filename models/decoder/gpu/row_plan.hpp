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
#include <span>
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
  /// Behind the rows of a request, of which `first` is the first: they see the last part of its prompt from `first_token` on, up to where
  /// `seen` says, else to `tokens_of_prompt`.
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

/// `prompts` are the parts of prompts, of which the last one's tokens or the beams behind it are the rows. `scratch` is unused by passes
/// over prompts.
struct upload_layout : hstu::gpu::sections
{
  section<kvstrata::page_id> prompt_pages;   ///< the views', one behind the other
  section<std::int32_t> prompt_origins;      ///< [parts][requests]
  section<kvstrata::page_id> scratch_pages;  ///< the view's
  section<std::int32_t> scratch_origins;     ///< [requests]
  section<float> cosines;                    ///< [turns][head_dim / 2]
  section<float> sines;
  section<std::uint32_t> angles;  ///< [rows] which of the turns
  section<std::uint32_t> tokens, requests, seen, own_rows;
  section<std::uint64_t> slots;
  section<stage_tile> tiles;  ///< [parts][the plan's tiles]

  upload_layout() = default;
  upload_layout(const config& c, const row_plan& plan, std::span<const kvstrata::page_table_view> prompts,
                const kvstrata::page_table_view& scratch)
  {
    std::size_t pages = 0;
    for (const kvstrata::page_table_view& part : prompts) pages += part.page_ids.size();
    add(prompt_pages, pages);
    add(prompt_origins, prompts.size() * prompts.front().size());
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
    add(tiles, prompts.size() * plan.tiles.size());
  }

  /// Writes all sections; `base` points to `bytes` bytes.
  void fill(std::byte* base, const config& c, const row_plan& plan, std::span<const kvstrata::page_table_view> prompts,
            const kvstrata::page_table_view& scratch) const
  {
    const auto write = [base](const auto& to, const auto& from) {
      std::copy(from.begin(), from.end(), to.in(base).begin());
    };
    fill_prompts(base, plan, prompts);
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
  }

 private:
  void fill_prompts(std::byte* base, const row_plan& plan, std::span<const kvstrata::page_table_view> prompts) const
  {
    kvstrata::page_id* id = prompt_pages.in(base).data();
    std::int32_t* origin = prompt_origins.in(base).data();
    stage_tile* tile = tiles.in(base).data();
    std::int32_t first = 0;
    for (const kvstrata::page_table_view& part : prompts) {
      id = std::copy(part.page_ids.begin(), part.page_ids.end(), id);
      for (std::size_t r = 0; r < part.size(); ++r) *origin++ = first + part.origin(r);
      first += static_cast<std::int32_t>(part.page_ids.size());
      for (stage_tile t : plan.tiles) {
        if (&part != &prompts.back()) {  // all of it
          t.first_token = part.first_token(t.request);
          t.tokens = part.tokens(t.request);
        }
        *tile++ = t;
      }
    }
  }
};

}  // namespace decoder::gpu
