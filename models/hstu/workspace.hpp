// Scratch memory of passes, kept between them: fresh memory costs a page fault every 4 KiB.
#pragma once

#include "hstu/buffer.hpp"
#include "hstu/rows.hpp"
#include "hstu/tile_attention.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
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
  };
  std::vector<member> members;  ///< one per member of the crew
};

/// Workspaces nobody uses now. Threads: any.
class workspace_pool
{
 public:
  [[nodiscard]] std::unique_ptr<workspace> take()
  {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<workspace>();
    auto out = std::move(idle_.back());
    idle_.pop_back();
    return out;
  }

  void put(std::unique_ptr<workspace> used)
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(used));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<workspace>> idle_;
};

}  // namespace hstu
