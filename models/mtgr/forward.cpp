// model, and the steps of a pass.
#include "mtgr/pass_state.hpp"

#include <kvstrata/core/error.hpp>

#include <string>
#include <utility>

namespace mtgr {
namespace {

constexpr std::size_t least_queries = 32;  // rows of a tile, however few tiles there are

const config& checked(const config& c)
{
  check(c);
  return c;
}

weights checked(const config& c, weights w)
{
  check(c, w);
  return w;
}

}  // namespace

model::model(const config& c, std::size_t threads) : model(c, random_weights(checked(c)), threads) {}

model::model(const config& c, weights w, std::size_t threads)
    : config_(checked(c)),
      weights_(checked(config_, std::move(w))),
      packed_(std::make_unique<packed_weights>(pack(config_, weights_))),
      crew_(std::make_unique<hstu::crew>(threads)),
      pool_(std::make_shared<workspace_pool>())
{
}
model::~model() = default;

batch_forward::state::state(const model& m, std::span<const request> batch, const part_views& given)
    : options(m.config_),
      parameters(m.weights_),
      packed(*m.packed_),
      team(*m.crew_),
      width(width_of(options)),
      blocks(packed.layers.front().blocks(options.hidden, width)),
      pool(m.pool_),
      work(pool->take()),
      plan(work->plan),
      requests(batch.begin(), batch.end()),
      views(given)
{
  check_batch(options, geometry_of(options), requests, views);
  plan.assign(options, requests, 1, {hstu::most_queries, least_queries, team.size()});
  stretches.resize(requests.size());
  for (std::size_t r = 0; r < requests.size(); ++r) {
    stretches[r] = {hstu::key_stretch{&views.statics, r, 0},
                    hstu::key_stretch{&views.recents, r, plan.recent_begin[r]}};
    keys.push_back({0, stretches[r]});
  }
  work->x.reserve(plan.rows * options.hidden);
  for (hstu::buffer* rows : {&work->u, &work->q, &work->attended}) rows->reserve(plan.rows * width);
  const std::size_t candidates = plan.rows - plan.page_rows;
  if (views.candidates) {
    for (std::size_t row = plan.page_rows; row < plan.rows; ++row) {
      slots.push_back(views.candidates->key(0, plan.requests[row], plan.sources[row]));
    }
  } else {
    for (hstu::buffer* own : {&work->own_keys, &work->own_values}) own->reserve(candidates * width);
  }
  scores.assign(candidates * tasks, 0.0f);
  work->members.resize(team.size());
}

void batch_forward::state::require_turn(kvstrata::layer_index l) const
{
  if (embedded && l == next_layer && l < options.layers) return;
  throw kvstrata::usage_error("layer(" + std::to_string(l) + ") was called, but " +
                              (!embedded                      ? std::string("embed() comes first")
                               : next_layer == options.layers ? std::string("head() is next")
                                                              : "layer " + std::to_string(next_layer) + " is next"));
}

void batch_forward::state::attend(kvstrata::layer_index l, std::span<const hstu::query_tile> tiles)
{
  hstu::attention_batch all;
  all.rows.queries = work->q.data();
  all.rows.outputs = work->attended.data();
  all.rows.candidate_keys = work->own_keys.data();
  all.rows.candidate_values = work->own_values.data();
  all.rows.candidate_slots = slots.empty() ? nullptr : slots.data();
  all.rows.first_candidate = plan.page_rows;
  all.rows.visible = plan.visible.data();
  all.rows.positions = plan.positions.data();
  all.rows.factor = 1.0f / static_cast<float>(normaliser_of(options));
  all.keys = keys;
  all.tile_rows = plan.tile_rows;
  all.heads = options.heads;
  all.head_dim = options.head_dim;
  work->attention.run(team, all, tiles, l);
}

batch_forward::batch_forward(const model& m, std::span<const request> requests, const part_views& views)
    : state_(std::make_unique<state>(m, requests, views))
{
}
batch_forward::~batch_forward() = default;
batch_forward::batch_forward(batch_forward&&) noexcept = default;
batch_forward& batch_forward::operator=(batch_forward&&) noexcept = default;

void batch_forward::embed()
{
  state& s = *state_;
  for (std::size_t d = 0; d < domains; ++d) {
    s.for_blocks(s.plan.begin[d], s.plan.begin[d + 1], [&](std::size_t begin, std::size_t end, state::member& mine) {
      s.make_tokens(domain(d), begin, end, mine);
    });
  }
  s.embedded = true;
}

void batch_forward::layer(kvstrata::layer_index l)
{
  state& s = *state_;
  s.require_turn(l);
  const row_plan& plan = s.plan;
  const bool last = l + 1 == s.options.layers;
  const std::size_t first_whole = last ? plan.page_rows : 0;  // of rows in front K and V are wanted alone
  s.for_blocks(0, plan.rows, [&](std::size_t begin, std::size_t end, state::member& mine) {
    s.project(l, begin, end, first_whole, mine);
  });
  s.attend(l, last ? plan.candidate_tiles : plan.tiles);
  s.for_blocks(first_whole, plan.rows,
               [&](std::size_t begin, std::size_t end, state::member& mine) { s.output(l, begin, end, mine); });
  ++s.next_layer;
}

void batch_forward::head()
{
  state& s = *state_;
  if (s.next_layer != s.options.layers) {
    throw kvstrata::usage_error("head() was called, but layer " + std::to_string(s.next_layer) + " is next");
  }
  s.for_blocks(s.plan.page_rows, s.plan.rows,
               [&](std::size_t begin, std::size_t end, state::member& mine) { s.score(begin, end, mine); });
}

std::span<const float> batch_forward::logits(std::size_t request) const
{
  const std::vector<std::size_t>& first = state_->plan.first_candidate;
  return logits().subspan(first[request] * tasks, (first[request + 1] - first[request]) * tasks);
}

std::span<const float> batch_forward::logits() const { return state_->scores; }

}  // namespace mtgr
