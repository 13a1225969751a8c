// What a pass keeps between its steps: the private side of batch_forward.
#pragma once

#include "hstu/crew.hpp"
#include "hstu/elementwise.hpp"
#include "mtgr/model.hpp"
#include "mtgr/packed_weights.hpp"
#include "mtgr/workspace.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace mtgr {

struct batch_forward::state
{
  state(const model& m, std::span<const request> batch, const part_views& given);
  ~state() { pool->put(std::move(work)); }
  state(const state&) = delete;
  state& operator=(const state&) = delete;

  using member = workspace::member;

  void require_turn(kvstrata::layer_index l) const;
  void make_tokens(domain d, std::size_t begin, std::size_t end, member& mine);
  void project(kvstrata::layer_index l, std::size_t begin, std::size_t end, std::size_t first_whole, member& mine);
  void attend(kvstrata::layer_index l, std::span<const hstu::query_tile> tiles);
  void output(kvstrata::layer_index l, std::size_t begin, std::size_t end, member& mine);
  void score(std::size_t begin, std::size_t end, member& mine);

  /// Where K of a row goes; null: it is a candidate's, and these have no pages.
  [[nodiscard]] std::byte* slot_of(kvstrata::layer_index l, std::size_t row) const
  {
    if (row >= plan.page_rows) {
      return slots.empty() ? nullptr : slots[row - plan.page_rows] + views.statics.where.offset(l, 0);
    }
    const kvstrata::page_table_view& view = plan.is_static(row) ? views.statics : views.recents;
    return view.key(l, plan.requests[row], plan.tokens[row]);
  }

  /// normal = (from - mean) / deviation * gain + bias, of a row of domain d.
  void normalise(const group_norm& norm, domain d, float* to, const float* from, std::size_t count) const
  {
    const std::size_t at = static_cast<std::size_t>(d) * count;
    loops.normalise(to, from, options.epsilon, count);
    loops.multiply(to, to, norm.gain.data() + at, count);
    loops.add(to, to, norm.bias.data() + at, count);
  }

  /// Calls body(begin, end, member's memory) for blocks of the rows [first, last), on all cores.
  template <class Body>
  void for_blocks(std::size_t first, std::size_t last, Body body)
  {
    hstu::each_block(team, blocks, first, last, [&](std::size_t begin, std::size_t end, std::size_t number) {
      body(begin, end, work->members[number]);
    });
  }

  const config& options;
  const weights& parameters;
  const packed_weights& packed;
  hstu::crew& team;
  const hstu::elementwise& loops = hstu::best_elementwise();
  const std::size_t width;
  const hstu::row_blocks blocks;

  std::shared_ptr<workspace_pool> pool;
  std::unique_ptr<workspace> work;
  row_plan& plan;

  std::vector<request> requests;
  part_views views;
  std::vector<std::array<hstu::key_stretch, parts>> stretches;  // [requests]
  std::vector<hstu::request_keys> keys;                         // [requests]
  std::vector<std::byte*> slots;  // [candidates] of their K at layer 0, where they have pages

  std::vector<float> scores;  // [candidates][tasks]

  kvstrata::layer_index next_layer = 0;
  bool embedded = false;
};

}  // namespace mtgr
