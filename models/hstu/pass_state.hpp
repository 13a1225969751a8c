// What a pass keeps between its steps: the private side of batch_forward, whose steps are in forward.cpp and what they do
// with rows in pass_rows.cpp.
#pragma once

#include "hstu/elementwise.hpp"
#include "hstu/model.hpp"
#include "hstu/packed_weights.hpp"
#include "hstu/workspace.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace hstu {

struct batch_forward::state
{
  state(const model& m, std::span<const request> batch, const kvstrata::page_table_view& table, fronts how);
  ~state() { pool->put(std::move(work)); }
  state(const state&) = delete;
  state& operator=(const state&) = delete;

  [[nodiscard]] std::span<const float> states(std::size_t first, std::size_t count) const;

  void embed_rows(std::size_t begin, std::size_t end);
  [[nodiscard]] const float* token_of(std::size_t row) const;
  void project(kvstrata::layer_index layer, std::size_t begin, std::size_t end, std::size_t first_whole,
               workspace::member& mine);
  void output(kvstrata::layer_index layer, std::size_t begin, std::size_t end, workspace::member& mine);
  void normalise_rows(float* to, const layer_weights& w, std::size_t begin, std::size_t end) const;
  void score(std::size_t begin, std::size_t end, workspace::member& mine);
  void score_by_list(std::size_t begin, std::size_t end, workspace::member& mine);

  void require_turn(kvstrata::layer_index l, const char* call) const;
  void compute_front(kvstrata::layer_index l);
  void project_all(kvstrata::layer_index l, std::size_t first, std::size_t last, std::size_t first_whole);
  void attend_all(kvstrata::layer_index l, const std::vector<query_tile>& tiles);
  void output_all(kvstrata::layer_index l, std::size_t first, std::size_t last);

  /// Rows of one product with a weight matrix at most.
  [[nodiscard]] std::size_t most_block_rows() const { return blocks.most; }

  // Calls body(begin, end, member's scratch) for blocks of the rows [first, last), on all cores.
  template <class Body>
  void for_blocks(std::size_t first, std::size_t last, Body body)
  {
    each_block(team, blocks, first, last, [&](std::size_t begin, std::size_t end, std::size_t member) {
      body(begin, end, work->members[member]);
    });
  }

  const config& options;
  const weights& parameters;
  const packed_weights& packed;
  const precision in;  // of products
  crew& team;
  std::shared_ptr<workspace_pool> pool;
  std::unique_ptr<workspace> work;
  const elementwise& loops = best_elementwise();

  std::vector<request> requests;
  kvstrata::page_table_view view;
  std::vector<key_stretch> stretches;  // [requests] a history in one piece ...
  std::vector<request_keys> keys;      // ... of which these are the windows
  const std::size_t width;
  const row_blocks blocks;
  const fronts how;
  kvstrata::layer_index next_layer = 0;
  bool embedded = false;
  bool front_done = false;  // of next_layer
};

}  // namespace hstu
