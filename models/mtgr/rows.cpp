#include "mtgr/rows.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <iterator>
#include <string>

namespace mtgr {
namespace {

using kvstrata::token_count;
using kvstrata::token_interval;

[[noreturn]] void refuse(std::size_t number, const std::string& what)
{
  throw kvstrata::history_error("request " + std::to_string(number) + " of the batch: " + what);
}

std::string text(token_interval i) { return "[" + std::to_string(i.begin) + ", " + std::to_string(i.end) + ")"; }

// The tokens of a compute list; throws where it is not one of [0, tokens).
token_count computed(std::span<const token_interval> list, token_count tokens, const char* part, std::size_t number)
{
  token_count end = 0;
  token_count sum = 0;
  for (const token_interval piece : list) {
    if (piece.empty()) continue;
    if (piece.begin < end || piece.end > tokens) {
      refuse(number, "tokens " + text(piece) + " of the compute list of " + part +
                         " overlap earlier ones or lie outside " + text({0, tokens}));
    }
    end = piece.end;
    sum += piece.size();
  }
  return sum;
}

void check_floats(std::size_t number, const char* what, std::size_t floats, std::size_t tokens, std::size_t features)
{
  if (floats == tokens * features) return;
  refuse(number, std::string(what) + " has " + std::to_string(floats) + " floats, but " + std::to_string(tokens) +
                     " tokens of " + std::to_string(features) + " features need " + std::to_string(tokens * features));
}

void check_pages(std::size_t number, const char* part, const kvstrata::page_table_view& view, token_count tokens)
{
  if (view.first_token(number) != 0) {
    refuse(number, std::string("the pages of ") + part + " begin with token " +
                       std::to_string(view.first_token(number)) + ", but a part is seen from its beginning");
  }
  if (view.tokens(number) >= tokens) return;
  refuse(number, std::string("the pages of ") + part + " hold " + std::to_string(view.tokens(number)) +
                     " tokens, but there are " + std::to_string(tokens));
}

void check_request(const config& c, const request& r, std::size_t number, const part_views& views)
{
  if (r.static_tokens < c.user_tokens) {
    refuse(number, "U and S have " + std::to_string(r.static_tokens) + " tokens, but U alone has " +
                       std::to_string(c.user_tokens));
  }
  if (r.static_tokens - c.user_tokens > c.most_sequence) {
    refuse(number, "S has " + std::to_string(r.static_tokens - c.user_tokens) + " tokens, but the model takes " +
                       std::to_string(c.most_sequence));
  }
  if (r.recent_tokens > c.most_recent) {
    refuse(number, "R has " + std::to_string(r.recent_tokens) + " tokens, but the model takes " +
                       std::to_string(c.most_recent));
  }
  check_pages(number, "U and S", views.statics, r.static_tokens);
  check_pages(number, "R", views.recents, r.recent_tokens);
  if (views.candidates) {
    check_pages(number, "candidates", *views.candidates, static_cast<token_count>(r.candidate_times.size()));
  }
  const token_count statics = computed(r.static_compute, r.static_tokens, "U and S", number);
  if (statics != 0 && statics != r.static_tokens) {
    refuse(number, std::to_string(statics) + " of the " + std::to_string(r.static_tokens) +
                       " tokens of U and S are to be computed, but they see each other: it must be all or none");
  }
  const token_count recents = computed(r.recent_compute, r.recent_tokens, "R", number);
  if (statics != 0) {
    check_floats(number, "user", r.user.size(), c.user_tokens, c.user_features);
    check_floats(number, "sequence", r.sequence.size(), r.static_tokens - c.user_tokens, c.item_features);
  }
  check_floats(number, "recent", r.recent.size(), recents, c.item_features);
  if (r.recent_times.size() != r.recent_tokens) {
    refuse(number, "R has " + std::to_string(r.recent_tokens) + " tokens, but there are " +
                       std::to_string(r.recent_times.size()) + " times");
  }
  const auto early = std::is_sorted_until(r.recent_times.begin(), r.recent_times.end());
  if (early != r.recent_times.end()) {
    refuse(number, "token " + std::to_string(early - r.recent_times.begin()) +
                       " of R happened before the one in front of it, which would look ahead: times must not descend");
  }
  check_floats(number, "candidates", r.candidates.size(), r.candidate_times.size(), features_of(c, domain::candidate));
}

// How many of R happened earlier.
std::uint32_t earlier(const request& r, std::int64_t time)
{
  return static_cast<std::uint32_t>(std::lower_bound(r.recent_times.begin(), r.recent_times.end(), time) -
                                    r.recent_times.begin());
}

bool computes_statics(const request& r)
{
  return std::any_of(r.static_compute.begin(), r.static_compute.end(), [](token_interval i) { return !i.empty(); });
}

}  // namespace

void check_batch(const config& c, const kvstrata::geometry& shape, std::span<const request> batch,
                 const part_views& views)
{
  const kvstrata::page_table_view& first = views.statics;
  const kvstrata::page_table_view& last = views.candidates ? *views.candidates : first;
  for (const kvstrata::page_table_view* view : {&first, &views.recents, &last}) {
    if (view->shape != shape) {
      throw kvstrata::geometry_error("the pages hold " + to_string(view->shape) + ", but the model has " +
                                     to_string(shape));
    }
    if (view->size() != batch.size()) {
      throw kvstrata::history_error("a part's page table is of " + std::to_string(view->size()) +
                                    " requests, the batch has " + std::to_string(batch.size()));
    }
    if (first.base != view->base || first.where != view->where || first.page_tokens != view->page_tokens) {
      throw kvstrata::geometry_error("the page tables of two parts are of different memory: pages of " +
                                     std::to_string(first.page_tokens) + " and of " +
                                     std::to_string(view->page_tokens) + " tokens, or another base or placement");
    }
  }
  for (std::size_t i = 0; i < batch.size(); ++i) check_request(c, batch[i], i, views);
}

void row_plan::add_row(std::uint32_t number, std::uint32_t token, std::uint32_t source, std::uint32_t sees)
{
  requests.push_back(number);
  tokens.push_back(token);
  sources.push_back(source);
  visible.push_back(sees);
}

void row_plan::assign(const config& c, std::span<const request> batch, std::uint32_t alignment,
                      const hstu::tiling& tiles_as)
{
  for (std::vector<std::uint32_t>* list : {&requests, &tokens, &sources, &visible, &positions, &recent_begin}) {
    list->clear();
  }
  first_candidate.assign(1, 0);
  const auto each = [&](domain d, auto body) {
    begin[static_cast<std::size_t>(d)] = requests.size();
    for (std::uint32_t i = 0; i < batch.size(); ++i) body(i, batch[i]);
    begin[static_cast<std::size_t>(d) + 1] = requests.size();
  };
  each(domain::user, [&](std::uint32_t i, const request& r) {
    recent_begin.push_back((r.static_tokens + alignment - 1) / alignment * alignment);
    for (std::uint32_t t = 0; computes_statics(r) && t < c.user_tokens; ++t) {
      add_row(i, t, t, r.static_tokens);
      positions.push_back(t);
    }
  });
  each(domain::sequence, [&](std::uint32_t i, const request& r) {
    for (std::uint32_t t = c.user_tokens; computes_statics(r) && t < r.static_tokens; ++t) {
      add_row(i, t, t - c.user_tokens, r.static_tokens);
      positions.push_back(t);
    }
  });
  each(domain::recent, [&](std::uint32_t i, const request& r) {
    std::uint32_t source = 0;
    for (const token_interval piece : r.recent_compute) {
      for (token_count t = piece.begin; t < piece.end; ++t) {
        add_row(i, t, source++, recent_begin[i] + t);
        positions.push_back(recent_begin[i] + t);
      }
    }
  });
  page_rows = requests.size();
  each(domain::candidate, [&](std::uint32_t i, const request& r) {
    for (std::uint32_t k = 0; k < r.candidate_times.size(); ++k) {
      const std::uint32_t before = earlier(r, r.candidate_times[k]);
      add_row(i, k, k, before == 0 ? r.static_tokens : recent_begin[i] + before);
    }
    first_candidate.push_back(requests.size() - page_rows);
  });
  rows = requests.size();
  assign_tiles(c, batch.size(), tiles_as);
}

void row_plan::assign_tiles(const config& c, std::size_t batch_size, const hstu::tiling& tiles_as)
{
  tile_rows.clear();
  tiles.clear();
  candidate_tiles.clear();
  std::vector<std::vector<std::uint32_t>> by_request(batch_size);
  for (std::uint32_t row = 0; row < rows; ++row) by_request[requests[row]].push_back(row);
  const std::size_t most_rows = tiles_as.rows_for(rows * c.heads);
  const auto add = [&](std::vector<hstu::query_tile>& to, std::uint32_t number, std::size_t first, std::size_t last) {
    hstu::add_tiles(to, number, tile_rows, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last),
                    most_rows, 0, [this](std::uint32_t row) { return end_of(row); });
  };
  for (std::uint32_t i = 0; i < batch_size; ++i) {
    // A few rows of R, as behind a cache, would be a tile that costs what the candidates' does: they attend together.
    std::vector<std::uint32_t>& mine = by_request[i];
    std::stable_sort(mine.begin(), mine.end(),
                     [this](std::uint32_t a, std::uint32_t b) { return end_of(a) < end_of(b); });
    const std::size_t first = tile_rows.size();
    tile_rows.insert(tile_rows.end(), mine.begin(), mine.end());
    const std::size_t middle = tile_rows.size();
    std::copy_if(mine.begin(), mine.end(), std::back_inserter(tile_rows),
                 [this](std::uint32_t row) { return row >= page_rows; });
    add(tiles, i, first, middle);
    add(candidate_tiles, i, middle, tile_rows.size());
  }
  hstu::sort_by_cost(tiles);
  hstu::sort_by_cost(candidate_tiles);
}

const float* features_of(const config& c, const row_plan& plan, std::span<const request> batch, std::size_t row)
{
  const request& r = batch[plan.requests[row]];
  const domain d = plan.domain_of(row);
  const std::size_t at = plan.sources[row] * features_of(c, d);
  switch (d) {
    case domain::user: return r.user.data() + at;
    case domain::sequence: return r.sequence.data() + at;
    case domain::recent: return r.recent.data() + at;
    case domain::candidate: return r.candidates.data() + at;
  }
  return nullptr;
}

}  // namespace mtgr
