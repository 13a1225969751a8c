// What a pass keeps between its steps: the private side of batch_forward.
#pragma once

#include "hstu/buffer.hpp"
#include "hstu/crew.hpp"
#include "hstu/elementwise.hpp"
#include "hstu/tile_attention.hpp"
#include "mtgr/model.hpp"
#include "mtgr/rows.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace mtgr {

struct batch_forward::state
{
  state(const model& m, std::span<const request> batch, const part_views& given);
  state(const state&) = delete;
  state& operator=(const state&) = delete;

  // A crew member's memory for a block of rows.
  struct member
  {
    hstu::buffer inputs;   // [block rows][widest of what a product reads]
    hstu::buffer results;  // [block rows][widest of what it gives]
  };

  void require_turn(kvstrata::layer_index l) const;
  void make_tokens(domain d, std::size_t begin, std::size_t end, member& mine);
  void project(kvstrata::layer_index l, std::size_t begin, std::size_t end, bool keys_only, member& mine);
  void attend(kvstrata::layer_index l, std::span<const hstu::query_tile> tiles);
  void output(kvstrata::layer_index l, std::size_t begin, std::size_t end, member& mine);
  void score(std::size_t begin, std::size_t end, member& mine);

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
    if (first >= last) return;
    // Enough blocks for the crew to share evenly, none so small that the product's fixed costs show; a product packs its
    // matrix anew, so where no cache keeps that, blocks are larger.
    const std::size_t most = options.hidden * 4 * width > (std::size_t{1} << 20) ? 384 : 96;
    const std::size_t shares = 2 * team.size();
    const std::size_t step = (std::min)(most, ((last - first + shares - 1) / shares + 15) / 16 * 16);
    team.each((last - first + step - 1) / step, [&](std::size_t block, std::size_t number) {
      const std::size_t begin = first + block * step;
      body(begin, (std::min)(begin + step, last), members[number]);
    });
  }

  const config& options;
  const weights& parameters;
  hstu::crew& team;
  const hstu::elementwise& loops = hstu::best_elementwise();
  const std::size_t width;

  std::vector<request> requests;
  part_views views;
  row_plan plan;
  std::vector<std::array<hstu::key_stretch, parts>> stretches;  // [requests]
  std::vector<hstu::request_keys> keys;                         // [requests]

  hstu::buffer x;                     // [rows][hidden] the residual stream
  hstu::buffer u, q, attended;        // [rows][D]
  hstu::buffer own_keys, own_values;  // [candidates][D]
  std::vector<float> scores;          // [candidates][tasks]
  std::vector<member> members;        // one per member of the crew
  hstu::tile_attention attention;

  kvstrata::layer_index next_layer = 0;
  bool embedded = false;
};

}  // namespace mtgr
