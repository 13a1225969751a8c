// Scratch memory of passes, kept between them: fresh memory costs a page fault every 4 KiB.
#pragma once

#include "hstu/buffer.hpp"
#include "hstu/kept.hpp"
#include "hstu/tile_attention.hpp"
#include "mtgr/rows.hpp"

#include <vector>

namespace mtgr {

/// Rows are those of the plan. D is width_of(config).
struct workspace
{
  row_plan plan;

  hstu::buffer x;           ///< [rows][hidden] the residual stream
  hstu::buffer u;           ///< [rows][D] gates
  hstu::buffer q;           ///< [rows][D] queries
  hstu::buffer attended;    ///< [rows][D]
  hstu::buffer own_keys;    ///< [candidates][D]
  hstu::buffer own_values;  ///< [candidates][D]
  hstu::tile_attention attention;

  /// A crew member's memory for a block of rows.
  struct member
  {
    hstu::buffer inputs;   ///< [block rows][widest of what a product reads]
    hstu::buffer results;  ///< [block rows][widest of what it gives]
    hstu::buffer product;  ///< what packed_matrix asks for
  };
  std::vector<member> members;  ///< one per member of the crew
};

/// Workspaces nobody uses now.
class workspace_pool : public hstu::kept<workspace>
{
};

}  // namespace mtgr
