// The arrays of a pass: laid into one stretch of pinned memory, so that one copy brings them all to the device.
#pragma once

#include "hstu/bias.hpp"
#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/embed.hpp"
#include "hstu/gpu/section.hpp"
#include "hstu/rows.hpp"

#include <kvstrata/layout/page_table_view.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace hstu::gpu {

/// What kernels need to know of a batch beside its tokens' values.
struct upload_layout : sections
{
  section<std::uint32_t> page_ids;              ///< [indptr[requests]]
  section<std::int32_t> indptr;                 ///< [requests + 1]
  section<kvstrata::token_count> first_tokens;  ///< [requests] the view's, for the host
  section<std::uint32_t> hidden;                ///< [requests] keys before the window
  section<std::uint32_t> tokens;                ///< [rows] see action_token; empty with inputs by the caller ...
  section<float> inputs;                        ///< ... which are [rows][hidden]: the first residual; else empty
  section<std::uint32_t> position_rows;         ///< [rows] of the position table
  section<std::uint32_t> positions;             ///< [rows] counted as keys are: from the request's first page on
  section<std::uint64_t> slots;                 ///< [history rows] bytes from page 0 of a layer to a row's key
  section<query_tile> front_tiles;
  section<query_tile> tiles;
  section<query_tile> candidate_tiles;
  section<std::uint32_t> tile_rows;   ///< [rows]
  section<std::int64_t> event_times;  ///< [events of all requests], hidden ones too; empty without time buckets, as the
                                      ///< next two
  section<std::uint32_t> first_event;  ///< [requests + 1]
  section<std::int64_t> row_times;     ///< [rows]
  section<std::uint32_t>
      own_buckets;  ///< [rows behind the history's]; empty unless tokens look from the next one's time

  upload_layout() = default;
  upload_layout(const config& c, const row_plan& plan, std::span<const request> batch,
                const kvstrata::page_table_view& view);

  /// Writes all sections; `base` points to `bytes` bytes.
  void fill(std::byte* base, const config& c, const row_plan& plan, std::span<const request> batch,
            const kvstrata::page_table_view& view) const;
};

namespace detail {

/// The first token of a request's first page: where its keys are counted from.
[[nodiscard]] inline std::uint32_t keys_begin_of(const kvstrata::page_table_view& view, std::size_t number)
{
  return view.first_token(number) - view.first_token_offset(number);
}

/// Events of a request's keys before those of its window: their times do not matter, but must not be later.
[[nodiscard]] inline std::size_t hidden_events_of(const config& c, const request& r,
                                                  const kvstrata::page_table_view& view, std::size_t number)
{
  return events_of(c, r) == 0 ? 0 : first_event_of(c, r) - keys_begin_of(view, number) / c.event_tokens;
}

/// A row's token: see action_token.
[[nodiscard]] inline std::uint32_t token_of(const config& c, const row_plan& plan, std::span<const request> batch,
                                            std::size_t row)
{
  const std::uint32_t number = plan.requests[row];
  const request& r = batch[number];
  if (plan.is_candidate(row)) return item_row(c, r.candidates[row - plan.candidate_row(number)]);
  const std::uint32_t position = plan.positions[row];
  const std::uint32_t event = position / 2 - first_event_of(c, r);
  return position % 2 == 0 ? item_row(c, r.items[event]) : action_row(c, r.actions[event]) | action_token;
}

template <class T>
void copy_into(std::span<T> to, const T* from)
{
  if (!to.empty()) std::memcpy(to.data(), from, to.size_bytes());
}

}  // namespace detail

inline upload_layout::upload_layout(const config& c, const row_plan& plan, std::span<const request> batch,
                                    const kvstrata::page_table_view& view)
{
  add(page_ids, view.page_ids.size());
  add(indptr, batch.size() + 1);
  add(first_tokens, batch.size());
  add(hidden, batch.size());
  const bool by_caller = c.inputs == token_inputs::by_caller;
  add(tokens, by_caller ? 0 : plan.rows);
  add(inputs, by_caller ? plan.rows * c.hidden : 0);
  add(position_rows, plan.rows);
  add(positions, plan.rows);
  add(slots, plan.history_rows);
  add(front_tiles, plan.front_tiles.size());
  add(tiles, plan.tiles.size());
  add(candidate_tiles, plan.candidate_tiles.size());
  add(tile_rows, plan.tile_rows.size());
  if (c.time_buckets == 0) return;
  std::size_t events = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    events += detail::hidden_events_of(c, batch[i], view, i) + events_of(c, batch[i]);
  }
  add(event_times, events);
  add(first_event, batch.size() + 1);
  add(row_times, plan.rows);
  if (c.looks_from == query_time::next) add(own_buckets, plan.rows - plan.history_rows);
}

inline void upload_layout::fill(std::byte* base, const config& c, const row_plan& plan, std::span<const request> batch,
                                const kvstrata::page_table_view& view) const
{
  const auto pages = page_ids.in(base);
  for (std::size_t i = 0; i < pages.size(); ++i) pages[i] = kvstrata::to_number(view.page_ids[i]);
  const auto begins = indptr.in(base);
  begins[0] = 0;
  detail::copy_into(begins.first(view.indptr.size()), view.indptr.data());
  detail::copy_into(front_tiles.in(base), plan.front_tiles.data());
  detail::copy_into(tiles.in(base), plan.tiles.data());
  detail::copy_into(candidate_tiles.in(base), plan.candidate_tiles.data());
  detail::copy_into(tile_rows.in(base), plan.tile_rows.data());

  const auto first_token = first_tokens.in(base);
  const auto unseen = hidden.in(base);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    first_token[i] = view.first_token(i);
    unseen[i] = batch[i].first_token - detail::keys_begin_of(view, i);
  }
  const auto key = positions.in(base);
  const auto where = position_rows.in(base);
  for (std::size_t row = 0; row < plan.rows; ++row) {
    key[row] = plan.positions[row] - detail::keys_begin_of(view, plan.requests[row]);
    where[row] = static_cast<std::uint32_t>(position_row(c, plan.positions[row]));
  }

  const auto slot = slots.in(base);
  for (std::size_t row = 0; row < plan.history_rows; ++row) {
    slot[row] = static_cast<std::uint64_t>(view.key(0, plan.requests[row], plan.positions[row]) - view.base);
  }
  if (c.inputs == token_inputs::by_caller) {
    const auto to = inputs.in(base);
    for (std::size_t row = 0; row < plan.rows; ++row) {
      detail::copy_into(to.subspan(row * c.hidden, c.hidden), input_of(c, plan, batch, row));
    }
  } else {
    const auto token = tokens.in(base);
    for (std::size_t row = 0; row < plan.rows; ++row) token[row] = detail::token_of(c, plan, batch, row);
  }

  if (c.time_buckets == 0) return;
  const auto first = first_event.in(base);
  const auto times = event_times.in(base);
  std::uint32_t events = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    first[i] = events;
    const std::size_t count = events_of(c, batch[i]);
    const std::size_t before = detail::hidden_events_of(c, batch[i], view, i);
    const auto mine = times.subspan(events, before + count);
    if (count != 0) std::fill_n(mine.begin(), before, batch[i].times.front());
    detail::copy_into(mine.subspan(before), batch[i].times.data());
    events += static_cast<std::uint32_t>(mine.size());
  }
  first[batch.size()] = events;
  const auto time = row_times.in(base);
  for (std::size_t row = 0; row < plan.rows; ++row) {
    const request& r = batch[plan.requests[row]];
    time[row] = plan.is_candidate(row) ? r.time : query_time_of(c, r, plan.positions[row]);
  }
  const auto own = own_buckets.in(base);
  for (std::size_t i = 0; i < own.size(); ++i) {
    const std::size_t row = plan.history_rows + i;
    const request& r = batch[plan.requests[row]];
    own[i] = plan.is_candidate(row) ? 0 : time_bucket(time[row] - r.times.back(), c.time_buckets);
  }
}

}  // namespace hstu::gpu
