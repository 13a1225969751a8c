// batch_forward: the steps of a pass.
#include "hstu/elementwise.hpp"
#include "hstu/matmul.hpp"
#include "hstu/model.hpp"
#include "hstu/workspace.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace hstu {
namespace {

constexpr std::size_t most_block_rows = 96;  // of one product with a weight matrix
constexpr std::size_t least_queries = 32;    // rows of a tile, however few tiles there are

}  // namespace

struct batch_forward::state
{
  state(const model& m, std::span<const request> batch, const kvstrata::page_table_view& table, fronts how);
  ~state() { pool->put(std::move(work)); }
  state(const state&) = delete;
  state& operator=(const state&) = delete;

  void embed_rows(std::size_t begin, std::size_t end);
  void project(const layer_weights& w, kvstrata::layer_index layer, std::size_t begin, std::size_t end, bool keys_only,
               workspace::member& mine);
  void output(const layer_weights& w, std::size_t begin, std::size_t end, workspace::member& mine);
  void score(std::size_t begin, std::size_t end, workspace::member& mine);

  void require_turn(kvstrata::layer_index l, const char* call) const;
  void compute_front(kvstrata::layer_index l);
  void project_all(kvstrata::layer_index l, std::size_t first, std::size_t last, bool keys_only);
  void attend_all(kvstrata::layer_index l, const std::vector<query_tile>& tiles);
  void output_all(kvstrata::layer_index l, std::size_t first, std::size_t last);

  // Calls body(begin, end, member's scratch) for blocks of the rows [first, last), on all cores.
  template <class Body>
  void for_blocks(std::size_t first, std::size_t last, Body body)
  {
    if (first >= last) return;
    // Enough blocks for the crew to share evenly, none so small that the product's fixed costs show.
    const std::size_t shares = 2 * team.size();
    const std::size_t even = ((last - first + shares - 1) / shares + 15) / 16 * 16;
    const std::size_t step = std::min(most_block_rows, even);
    team.each((last - first + step - 1) / step, [&](std::size_t block, std::size_t member) {
      const std::size_t begin = first + block * step;
      body(begin, std::min(begin + step, last), work->members[member]);
    });
  }

  const config& options;
  const weights& parameters;
  crew& team;
  std::shared_ptr<workspace_pool> pool;
  std::unique_ptr<workspace> work;
  const elementwise& loops = best_elementwise();

  std::vector<request> requests;
  kvstrata::page_table_view view;
  std::size_t width = 0;
  const fronts how;
  kvstrata::layer_index next_layer = 0;
  bool embedded = false;
  bool front_done = false;  // of next_layer
};

batch_forward::state::state(const model& m, std::span<const request> batch, const kvstrata::page_table_view& table,
                            fronts treated)
    : options(m.config_),
      parameters(m.weights_),
      team(*m.crew_),
      pool(m.pool_),
      requests(batch.begin(), batch.end()),
      view(table),
      width(width_of(options)),
      how(treated)
{
  check_batch(options, geometry_of(options), requests, view);
  work = pool->take();
  work->plan.assign(options, requests, how, {most_queries, least_queries, team.size()});
  work->plan.reserve_time_buckets(options);
  const std::size_t rows = work->plan.rows;
  const std::size_t candidates = rows - work->plan.history_rows;
  work->x.reserve(rows * options.hidden);
  work->u.reserve(rows * width);
  work->q.reserve(rows * width);
  work->attended.reserve(rows * width);
  work->candidate_keys.reserve(candidates * width);
  work->candidate_values.reserve(candidates * width);
  work->scores.assign(candidates * options.tasks, 0.0f);
  work->members.resize(std::max(work->members.size(), team.size()));
}

void batch_forward::state::embed_rows(std::size_t begin, std::size_t end)
{
  const std::size_t hidden = options.hidden;
  for (std::size_t row = begin; row < end; ++row) {
    const std::uint32_t position = work->plan.positions[row];
    const std::size_t number = work->plan.requests[row];
    const request& r = requests[number];
    const std::size_t event = position / 2 - first_event_of(r);
    const float* token = nullptr;
    if (row >= work->plan.history_rows) {
      const std::uint64_t item = r.candidates[row - work->plan.history_rows - work->plan.first_candidate[number]];
      token = parameters.items.data() + item_row(options, item) * hidden;
    } else if (position % 2 == 0) {
      token = parameters.items.data() + item_row(options, r.items[event]) * hidden;
    } else {
      token = parameters.actions.data() + action_row(options, r.actions[event]) * hidden;
    }
    loops.add(work->x.data() + row * hidden, token,
              parameters.positions.data() + position_row(options, position) * hidden, hidden);
  }
}

// U, Q into the workspace, K and V into the pages or, of candidates, into the workspace.
void batch_forward::state::project(const layer_weights& w, kvstrata::layer_index layer, std::size_t begin,
                                   std::size_t end, bool keys_only, workspace::member& mine)
{
  const std::size_t hidden = options.hidden;
  const std::size_t count = end - begin;
  const std::size_t skip = keys_only ? 2 * width : 0;
  const std::size_t columns = 4 * width - skip;
  float* normal = mine.block.reserve(most_block_rows * std::max(hidden, width));
  float* projected = mine.projected.reserve(most_block_rows * 4 * width);
  for (std::size_t i = 0; i < count; ++i) {
    loops.normalise(normal + i * hidden, work->x.data() + (begin + i) * hidden, hidden);
  }
  multiply(count, columns, hidden, {normal, hidden}, {w.project.data() + skip, 4 * width}, {projected, columns});
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = begin + i;
    const float* from = projected + i * columns;
    if (!keys_only) {
      loops.silu(work->u.data() + row * width, from, width);
      loops.silu(work->q.data() + row * width, from + width, width);
      from += 2 * width;
    }
    float* key = nullptr;
    float* value = nullptr;
    if (row < work->plan.history_rows) {
      std::byte* slot = view.key(layer, work->plan.requests[row], work->plan.positions[row]);
      key = reinterpret_cast<float*>(slot);
      value = reinterpret_cast<float*>(slot + view.value_offset());
    } else {
      key = work->candidate_keys.data() + (row - work->plan.history_rows) * width;
      value = work->candidate_values.data() + (row - work->plan.history_rows) * width;
    }
    loops.silu(key, from, width);
    loops.silu(value, from + width, width);
  }
}

void batch_forward::state::output(const layer_weights& w, std::size_t begin, std::size_t end, workspace::member& mine)
{
  const std::size_t hidden = options.hidden;
  float* gated = mine.block.reserve(most_block_rows * std::max(hidden, width));
  for (std::size_t row = begin; row < end; ++row) {
    loops.normalise_gated(gated + (row - begin) * width, work->attended.data() + row * width,
                          work->u.data() + row * width, width);
  }
  multiply(end - begin, hidden, width, {gated, width}, {w.output.data(), hidden},
           {work->x.data() + begin * hidden, hidden}, store::add);
}

void batch_forward::state::score(std::size_t begin, std::size_t end, workspace::member& mine)
{
  const std::size_t hidden = options.hidden;
  float* normal = mine.block.reserve(most_block_rows * std::max(hidden, width));
  float* inner = mine.projected.reserve(most_block_rows * std::max(hidden, 4 * width));
  for (std::size_t row = begin; row < end; ++row) {
    loops.normalise(normal + (row - begin) * hidden, work->x.data() + row * hidden, hidden);
  }
  multiply(end - begin, hidden, hidden, {normal, hidden}, {parameters.head_in.data(), hidden}, {inner, hidden});
  loops.silu(inner, inner, (end - begin) * hidden);
  multiply(end - begin, options.tasks, hidden, {inner, hidden}, {parameters.head_out.data(), options.tasks},
           {work->scores.data() + (begin - work->plan.history_rows) * options.tasks, options.tasks});
}

void batch_forward::state::require_turn(kvstrata::layer_index l, const char* call) const
{
  if (embedded && l == next_layer && l < options.layers) return;
  throw kvstrata::usage_error(std::string(call) + "(" + std::to_string(l) + ") was called, but " +
                              (!embedded                      ? std::string("embed() comes first")
                               : next_layer == options.layers ? std::string("head() is next")
                                                              : "layer " + std::to_string(next_layer) + " is next"));
}

// The fronts of all requests, which see nothing but themselves.
void batch_forward::state::compute_front(kvstrata::layer_index l)
{
  const std::size_t rows = work->plan.front_rows;
  const bool last = l + 1 == options.layers;
  project_all(l, 0, rows, last);
  if (last) return;
  attend_all(l, work->plan.front_tiles);
  output_all(l, 0, rows);
}

void batch_forward::state::project_all(kvstrata::layer_index l, std::size_t first, std::size_t last, bool keys_only)
{
  for_blocks(first, last, [&](std::size_t begin, std::size_t end, workspace::member& mine) {
    project(parameters.layers[l], l, begin, end, keys_only, mine);
  });
}

void batch_forward::state::attend_all(kvstrata::layer_index l, const std::vector<query_tile>& tiles)
{
  if (tiles.empty()) return;
  const layer_weights& w = parameters.layers[l];
  const row_plan& plan = work->plan;
  attention_rows all;
  all.queries = work->q.data();
  all.outputs = work->attended.data();
  all.candidate_keys = work->candidate_keys.data();
  all.candidate_values = work->candidate_values.data();
  all.first_candidate = plan.history_rows;
  all.positions = plan.positions.data();
  all.first_tokens = plan.first_tokens.data();
  all.bucket_rows = plan.bucket_rows.data();
  all.bucket_begins = plan.bucket_begins.data();
  all.time_buckets = options.time_buckets;
  all.factor = 1.0f / static_cast<float>(normaliser_of(options));
  const std::size_t distances = options.position_buckets;
  const std::size_t times = options.time_buckets;
  team.each(tiles.size() * options.heads, [&](std::size_t item, std::size_t member) {
    const query_tile& tile = tiles[item / options.heads];
    const auto head = static_cast<std::uint32_t>(item % options.heads);
    const head_bias bias(std::span(w.position_bias).subspan(head * distances, distances),
                         std::span(w.time_bias).subspan(head * times, times));
    attend(all, std::span(plan.tile_rows).subspan(tile.first, tile.count), view, l, tile.request, head, bias,
           work->members[member].attention);
  });
}

void batch_forward::state::output_all(kvstrata::layer_index l, std::size_t first, std::size_t last)
{
  for_blocks(first, last, [&](std::size_t begin, std::size_t end, workspace::member& mine) {
    output(parameters.layers[l], begin, end, mine);
  });
}

batch_forward::batch_forward(const model& m, std::span<const request> requests, const kvstrata::page_table_view& view,
                             fronts how)
    : state_(std::make_unique<state>(m, requests, view, how))
{
}
batch_forward::~batch_forward() = default;
batch_forward::batch_forward(batch_forward&&) noexcept = default;
batch_forward& batch_forward::operator=(batch_forward&&) noexcept = default;

void batch_forward::embed()
{
  state& s = *state_;
  if (s.options.time_buckets != 0) {
    s.team.each(s.requests.size(), [&](std::size_t number, std::size_t) {
      s.work->plan.find_time_buckets(s.options, s.requests[number], number);
    });
  }
  s.for_blocks(0, s.work->plan.rows,
               [&](std::size_t begin, std::size_t end, workspace::member&) { s.embed_rows(begin, end); });
  s.embedded = true;
}

void batch_forward::front(kvstrata::layer_index l)
{
  state& s = *state_;
  s.require_turn(l, "front");
  if (s.how != fronts::apart) {
    throw kvstrata::usage_error("front(" + std::to_string(l) +
                                ") was called, but this pass computes fronts together "
                                "with the rest; construct it with fronts::apart");
  }
  if (s.front_done) throw kvstrata::usage_error("front(" + std::to_string(l) + ") was called a second time");
  s.compute_front(l);
  s.front_done = true;
}

void batch_forward::layer(kvstrata::layer_index l)
{
  state& s = *state_;
  s.require_turn(l, "layer");
  if (!s.front_done) s.compute_front(l);
  const row_plan& plan = s.work->plan;
  const bool last = l + 1 == s.options.layers;
  if (last) {
    s.project_all(l, plan.front_rows, plan.history_rows, true);
    s.project_all(l, plan.history_rows, plan.rows, false);
  } else {
    s.project_all(l, plan.front_rows, plan.rows, false);
  }
  s.attend_all(l, last ? plan.candidate_tiles : plan.tiles);
  s.output_all(l, last ? plan.history_rows : plan.front_rows, plan.rows);
  s.front_done = false;
  ++s.next_layer;
}

bool batch_forward::has_front() const { return state_->work->plan.front_rows != 0; }

void batch_forward::head()
{
  state& s = *state_;
  if (s.next_layer != s.options.layers) {
    throw kvstrata::usage_error("head() was called, but layer " + std::to_string(s.next_layer) + " is next");
  }
  s.for_blocks(s.work->plan.history_rows, s.work->plan.rows,
               [&](std::size_t begin, std::size_t end, workspace::member& mine) { s.score(begin, end, mine); });
}

std::span<const float> batch_forward::scores(std::size_t request) const
{
  const std::size_t tasks = state_->options.tasks;
  const std::size_t first = state_->work->plan.first_candidate[request];
  return scores().subspan(first * tasks, (state_->work->plan.first_candidate[request + 1] - first) * tasks);
}

std::span<const float> batch_forward::scores() const { return state_->work->scores; }

}  // namespace hstu
