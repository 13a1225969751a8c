// Scratch memory of passes, kept between them: fresh memory costs a page fault every 4 KiB.
#pragma once

#include "hstu/buffer.hpp"
#include "hstu/kept.hpp"
#include "hstu/rows.hpp"
#include "hstu/tile_attention.hpp"

#include <cstddef>
#include <vector>

namespace hstu {

/// Rows are those of the plan. D is width_of(config).
struct workspace
{
  row_plan plan;

  buffer x;                   ///< [rows][hidden] the residual stream
  buffer u;                   ///< [rows][D] gates
  buffer q;                   ///< [rows][D] queries
  buffer attended;            ///< [rows][D]
  buffer candidate_keys;      ///< [candidates][D]
  buffer candidate_values;    ///< [candidates][D]
  std::vector<float> scores;  ///< [candidates][tasks]

  tile_attention attention;

  struct member
  {
    buffer block;      ///< [block rows][hidden or D]
    buffer projected;  ///< [block rows][4 * D]
    buffer product;    ///< what packed_matrix asks for
  };
  std::vector<member> members;  ///< one per member of the crew
};

/// Workspaces nobody uses now.
class workspace_pool : public kept<workspace>
{
};

}  // namespace hstu
