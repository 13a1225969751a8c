// batch_forward: the steps of a pass.
#include "hstu/pass_state.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace hstu {
namespace {

constexpr std::size_t least_queries = 32;  // rows of a tile, however few tiles there are

}  // namespace

batch_forward::state::state(const model& m, std::span<const request> batch, const kvstrata::page_table_view& table,
                            fronts treated)
    : options(m.config_),
      parameters(m.weights_),
      packed(*m.packed_),
      in(m.precision_),
      team(*m.crew_),
      pool(m.pool_),
      requests(batch.begin(), batch.end()),
      view(table),
      width(width_of(options)),
      blocks(packed.layers.front().blocks(options.hidden, width)),
      how(treated)
{
  check_batch(options, geometry_of(options), requests, view);
  stretches.resize(requests.size());
  for (std::size_t r = 0; r < requests.size(); ++r) {
    stretches[r] = {&view, r, 0};
    keys.push_back({requests[r].first_token, {&stretches[r], 1}});
  }
  work = pool->take();
  work->plan.assign(options, requests, how, {most_queries, least_queries, team.size()});
  work->plan.reserve_time_buckets(options);
  const std::size_t rows = work->plan.rows;
  const std::size_t candidates = rows - work->plan.history_rows;  // and last tokens
  work->x.reserve(rows * options.hidden);
  work->u.reserve(rows * width);
  work->q.reserve(rows * width);
  work->attended.reserve(rows * width);
  work->candidate_keys.reserve(candidates * width);
  work->candidate_values.reserve(candidates * width);
  work->scores.assign(work->plan.candidate_rows * options.tasks, 0.0f);
  work->members.resize(std::max(work->members.size(), team.size()));
}

void batch_forward::state::require_turn(kvstrata::layer_index l, const char* call) const
{
  if (embedded && l == next_layer && l < options.layers) return;
  throw kvstrata::usage_error(std::string(call) + "(" + std::to_string(l) + ") was called, but " +
                              (!embedded                      ? std::string("embed() comes first")
                               : next_layer == options.layers ? std::string("head() is next")
                                                              : "layer " + std::to_string(next_layer) + " is next"));
}

std::span<const float> batch_forward::state::states(std::size_t first, std::size_t count) const
{
  if (next_layer == options.layers) return {work->x.data() + first * options.hidden, count * options.hidden};
  throw kvstrata::usage_error("states were asked for, but layer " + std::to_string(next_layer) + " is next");
}

// The fronts of all requests, which see nothing but themselves.
void batch_forward::state::compute_front(kvstrata::layer_index l)
{
  const std::size_t rows = work->plan.front_rows;
  const bool last = l + 1 == options.layers;
  project_all(l, 0, rows, last ? rows : 0);
  if (last) return;
  attend_all(l, work->plan.front_tiles);
  output_all(l, 0, rows);
}

void batch_forward::state::project_all(kvstrata::layer_index l, std::size_t first, std::size_t last,
                                       std::size_t first_whole)
{
  for_blocks(first, last, [&](std::size_t begin, std::size_t end, workspace::member& mine) {
    project(l, begin, end, first_whole, mine);
  });
}

void batch_forward::state::attend_all(kvstrata::layer_index l, const std::vector<query_tile>& tiles)
{
  const layer_weights& w = parameters.layers[l];
  const row_plan& plan = work->plan;
  attention_batch all;
  all.rows.queries = work->q.data();
  all.rows.outputs = work->attended.data();
  all.rows.candidate_keys = work->candidate_keys.data();
  all.rows.candidate_values = work->candidate_values.data();
  all.rows.first_candidate = plan.history_rows;
  all.rows.visible = plan.positions.data();  // history is causal, and candidates see all of it
  all.rows.positions = plan.positions.data();
  all.rows.bucket_rows = plan.bucket_rows.data();
  all.rows.bucket_begins = plan.bucket_begins.data();
  all.rows.own_buckets = plan.own_buckets.data();
  all.rows.time_buckets = options.time_buckets;
  all.rows.factor = 1.0f / static_cast<float>(normaliser_of(options));
  all.rows.alpha = options.alpha;
  all.rows.products = in;
  all.keys = keys;
  all.tile_rows = plan.tile_rows;
  all.heads = options.heads;
  all.head_dim = options.head_dim;
  all.position_bias = w.position_bias;
  all.time_bias = w.time_bias;
  work->attention.run(team, all, tiles, l);
}

void batch_forward::state::output_all(kvstrata::layer_index l, std::size_t first, std::size_t last)
{
  for_blocks(first, last,
             [&](std::size_t begin, std::size_t end, workspace::member& mine) { output(l, begin, end, mine); });
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
  s.project_all(l, plan.front_rows, plan.rows, last ? plan.history_rows : 0);
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
  if (s.options.tasks == 0) return;
  s.for_blocks(s.work->plan.history_rows, s.work->plan.history_rows + s.work->plan.candidate_rows,
               [&](std::size_t begin, std::size_t end, workspace::member& mine) { s.score(begin, end, mine); });
}

std::span<const float> batch_forward::scores(std::size_t request) const
{
  const std::size_t tasks = state_->options.tasks;
  const std::size_t first = state_->work->plan.first_candidate[request];
  return scores().subspan(first * tasks, (state_->work->plan.first_candidate[request + 1] - first) * tasks);
}

std::span<const float> batch_forward::scores() const { return state_->work->scores; }

std::span<const float> batch_forward::states(std::size_t request) const
{
  const row_plan& plan = state_->work->plan;
  return state_->states(plan.candidate_row(request), plan.first_candidate[request + 1] - plan.first_candidate[request]);
}

std::span<const float> batch_forward::last_state(std::size_t request) const
{
  const row_plan& plan = state_->work->plan;
  return state_->states(plan.last_row(request), plan.has_last(request) ? 1 : 0);
}

}  // namespace hstu
