#include "hstu/rows.hpp"

#include "hstu/bias.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <string>

namespace hstu {
namespace {

using kvstrata::token_count;

[[noreturn]] void refuse(std::size_t number, const std::string& what)
{
  throw kvstrata::history_error("request " + std::to_string(number) + " of the batch: " + what);
}

/// Events, as far as the model reads them.
void check_events(const config& c, const request& r, std::size_t number)
{
  const std::size_t events = events_of(c, r);
  const bool tables = c.inputs == token_inputs::tables;
  const std::size_t items = tables ? events : 0;
  const std::size_t actions = tables && events != 0 ? r.history / 2 - first_event_of(c, r) : 0;
  if (r.items.size() >= items && r.actions.size() >= actions && (c.time_buckets == 0 || r.times.size() >= events)) {
    return;
  }
  refuse(number, (r.first_token == 0 ? "a history of " + std::to_string(r.history)
                                     : "the window [" + std::to_string(r.first_token) + ", " +
                                           std::to_string(r.history) + ") of a history's") +
                     " tokens needs " + std::to_string(events) + " events, but there are " +
                     std::to_string(r.items.size()) + " items, " + std::to_string(r.actions.size()) + " actions and " +
                     std::to_string(r.times.size()) + " times");
}

/// Where ids are rows, they must be there.
void check_items(const config& c, const request& r, std::size_t number)
{
  const auto within = [&](std::uint64_t item, const std::string& what) {
    if (item < c.items) return;
    refuse(number, what + " is item " + std::to_string(item) + ", but ids are rows of a table that has " +
                       std::to_string(c.items));
  };
  for (const kvstrata::token_interval piece : r.compute) {
    for (token_count token = piece.begin + piece.begin % 2; token < piece.end; token += 2) {
      within(r.items[token / 2 - first_event_of(c, r)], "token " + std::to_string(token));
    }
  }
  for (std::size_t i = 0; i < r.candidates.size(); ++i) within(r.candidates[i], "candidate " + std::to_string(i));
  if (r.last_state && r.history % 2 == 1) within(r.items[events_of(c, r) - 1], "the last token");
}

/// What a caller must bring for the tokens that are computed.
void check_inputs(const config& c, const request& r, std::size_t number)
{
  const auto sized = [&](const char* what, std::size_t floats, std::size_t tokens) {
    if (floats == tokens * c.hidden) return;
    refuse(number, std::string(what) + " has " + std::to_string(floats) + " floats, but " + std::to_string(tokens) +
                       " tokens of a hidden width of " + std::to_string(c.hidden) + " need " +
                       std::to_string(tokens * c.hidden));
  };
  std::size_t tokens = 0;
  for (const kvstrata::token_interval piece : r.compute) tokens += piece.size();
  sized("inputs", r.inputs.size(), tokens);
  sized("candidate_inputs", r.candidate_inputs.size(), candidates_of(c, r));
  sized("last_input", r.last_input.size(), r.last_state ? 1 : 0);
}

void check_request(const config& c, const request& r, std::size_t number, const kvstrata::page_table_view& view)
{
  if (r.first_token > r.history) {
    refuse(number,
           "it begins at token " + std::to_string(r.first_token) + ", its history has " + std::to_string(r.history));
  }
  check_events(c, r, number);
  if (view.tokens(number) < r.history) {
    refuse(number, "its pages hold " + std::to_string(view.tokens(number)) + " tokens, its history has " +
                       std::to_string(r.history));
  }
  if (view.first_token(number) > r.first_token) {
    refuse(number, "its pages begin with token " + std::to_string(view.first_token(number)) +
                       ", its window with token " + std::to_string(r.first_token));
  }
  if (r.last_state && r.first_token == r.history) {
    refuse(number, "it asks for the state of its last token, but its window has none");
  }
  token_count end = r.first_token;
  for (const kvstrata::token_interval piece : r.compute) {
    if (piece.empty()) continue;
    if (piece.begin < end || piece.end > r.history) {
      refuse(number, "tokens [" + std::to_string(piece.begin) + ", " + std::to_string(piece.end) +
                         ") of its compute list overlap earlier ones or lie outside [" + std::to_string(r.first_token) +
                         ", " + std::to_string(r.history) + ")");
    }
    end = piece.end;
  }
  if (c.inputs == token_inputs::by_caller) check_inputs(c, r, number);
  else if (c.ids == item_ids::rows) check_items(c, r, number);
}

/// Tokens of a request's front, when it is apart.
std::size_t front_tokens(const request& r, fronts how)
{
  for (const kvstrata::token_interval piece : r.compute) {
    if (!piece.empty()) return how == fronts::apart && piece.begin == r.first_token ? piece.size() : 0;
  }
  return 0;
}

}  // namespace

void check_batch(const config& c, const kvstrata::geometry& shape, std::span<const request> batch,
                 const kvstrata::page_table_view& view)
{
  if (view.shape != shape) {
    throw kvstrata::geometry_error("the pages hold " + to_string(view.shape) + ", but the model has " +
                                   to_string(shape));
  }
  if (view.size() != batch.size()) {
    throw kvstrata::history_error("the page table is of " + std::to_string(view.size()) + " requests, the batch has " +
                                  std::to_string(batch.size()));
  }
  for (std::size_t i = 0; i < batch.size(); ++i) check_request(c, batch[i], i, view);
}

void row_plan::assign(const config& c, std::span<const request> batch, fronts how, const tiling& tiles_as)
{
  assign_rows(c, batch, how);
  assign_tiles(c, batch.size(), tiles_as);
}

void row_plan::assign_rows(const config& c, std::span<const request> batch, fronts how)
{
  first_tokens.clear();
  for (const request& r : batch) first_tokens.push_back(r.first_token);
  first_front_row.assign(1, 0);
  for (const request& r : batch) first_front_row.push_back(first_front_row.back() + front_tokens(r, how));
  front_rows = first_front_row.back();
  first_history_row.assign(1, front_rows);
  first_candidate.assign(1, 0);
  first_last.assign(1, 0);
  for (const request& r : batch) {
    std::size_t tokens = 0;
    for (const kvstrata::token_interval piece : r.compute) tokens += piece.size();
    first_history_row.push_back(first_history_row.back() + tokens - front_tokens(r, how));
    first_candidate.push_back(first_candidate.back() + candidates_of(c, r));
    first_last.push_back(first_last.back() + (r.last_state ? 1 : 0));
  }
  history_rows = first_history_row.back();
  candidate_rows = first_candidate.back();
  rows = history_rows + candidate_rows + first_last.back();
  positions.resize(rows);
  requests.resize(rows);
  bucket_rows.resize(rows);
  distinct_times = 0;
  bucket_begins.clear();
  const auto set = [this](std::size_t row, token_count position, std::uint32_t number) {
    positions[row] = position;
    requests[row] = number;
    bucket_rows[row] = static_cast<std::uint32_t>(distinct_times - 1);
  };
  for (std::uint32_t i = 0; i < batch.size(); ++i) {
    const request& r = batch[i];
    assign_history(c, r, i);
    const std::size_t candidates = first_candidate[i + 1] - first_candidate[i];
    if (candidates != 0) ++distinct_times;
    for (std::size_t k = 0; k < candidates; ++k) set(candidate_row(i) + k, r.history, i);
    if (!r.last_state) continue;
    ++distinct_times;
    set(last_row(i), r.history - 1, i);
  }
}

void row_plan::assign_history(const config& c, const request& r, std::uint32_t number)
{
  std::size_t front_row = first_front_row[number];
  std::size_t other_row = first_history_row[number];
  for (const kvstrata::token_interval piece : r.compute) {
    std::size_t& row = front_row < first_front_row[number + 1] ? front_row : other_row;
    for (token_count token = piece.begin; token < piece.end; ++token, ++row) {
      // The tokens of an event share their time, but not what the last of them looks from when that is the next one's.
      if (token == piece.begin || token % c.event_tokens == 0 || c.looks_from != query_time::own) ++distinct_times;
      positions[row] = token;
      requests[row] = number;
      bucket_rows[row] = static_cast<std::uint32_t>(distinct_times - 1);
    }
  }
}

void row_plan::assign_tiles(const config& c, std::size_t batch_size, const tiling& tiles_as)
{
  tile_rows.clear();
  front_tiles.clear();
  tiles.clear();
  candidate_tiles.clear();
  const std::size_t most_rows = tiles_as.rows_for(rows * c.heads);
  const auto add = [this, most_rows](std::vector<query_tile>& to, std::uint32_t number, std::uint32_t first,
                                     std::uint32_t last) {
    add_tiles(to, number, tile_rows, first, last, most_rows, first_tokens[number],
              [this](std::uint32_t row) { return seen(row); });
  };
  const auto here = [this] { return static_cast<std::uint32_t>(tile_rows.size()); };
  for (std::uint32_t i = 0; i < batch_size; ++i) {
    const std::uint32_t front = here();
    for (std::size_t row = first_front_row[i]; row < first_front_row[i + 1]; ++row) {
      tile_rows.push_back(static_cast<std::uint32_t>(row));
    }
    const std::uint32_t first = here();
    for (std::size_t row = first_history_row[i]; row < first_history_row[i + 1]; ++row) {
      tile_rows.push_back(static_cast<std::uint32_t>(row));
    }
    const std::uint32_t middle = here();
    for (std::size_t candidate = first_candidate[i]; candidate < first_candidate[i + 1]; ++candidate) {
      tile_rows.push_back(static_cast<std::uint32_t>(history_rows + candidate));
    }
    add(front_tiles, i, front, first);
    add(tiles, i, first, here());
    add(candidate_tiles, i, middle, here());
    if (!has_last(i)) continue;
    // In a tile of its own: it sees less than the history row at its place, whichever of the two came first.
    const std::uint32_t last = here();
    tile_rows.push_back(static_cast<std::uint32_t>(last_row(i)));
    add(tiles, i, last, here());
    add(candidate_tiles, i, last, here());
  }
  sort_by_cost(front_tiles);
  sort_by_cost(tiles);
  sort_by_cost(candidate_tiles);
}

void row_plan::find_time_buckets(const config& c, const request& r, std::size_t number)
{
  const std::size_t buckets = c.time_buckets;
  const auto times = r.times.first(events_of(c, r));
  const std::uint32_t first_event = first_event_of(c, r);
  const auto fill = [&](std::size_t row, std::int64_t time) {
    time_bucket_begins(std::span(bucket_begins).subspan(bucket_rows[row] * buckets, buckets), times, time, first_event,
                       c.event_tokens);
  };
  const auto find = [&](std::size_t first, std::size_t last) {
    for (std::size_t row = first; row < last; ++row) {
      if (row > first && bucket_rows[row] == bucket_rows[row - 1]) continue;
      fill(row, query_time_of(c, r, positions[row]));
    }
  };
  find(first_front_row[number], first_front_row[number + 1]);
  find(first_history_row[number], first_history_row[number + 1]);
  if (first_candidate[number] < first_candidate[number + 1]) fill(candidate_row(number), r.time);
  if (!has_last(number)) return;
  const std::int64_t from = query_time_of(c, r, r.history - 1);
  fill(last_row(number), from);
  own_buckets[last_row(number) - history_rows] = time_bucket(from - times.back(), buckets);
}

}  // namespace hstu
