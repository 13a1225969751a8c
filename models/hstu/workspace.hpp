// Scratch memory of passes, kept between them: fresh memory costs a page fault every 4 KiB.
#pragma once

#include "hstu/attention.hpp"
#include "hstu/buffer.hpp"
#include "hstu/rows.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace hstu {

/// Tokens of a request whose K and V lie together, head by head.
struct gathered_tokens
{
  std::uint32_t tiles = 0;  ///< that read them
  std::uint32_t first = 0;
  std::uint32_t count = 0;  ///< 0: not gathered
  std::size_t at = 0;       ///< in floats: [heads][count][head_dim]
};

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

  // Of the attention at hand, K and V by head where several tiles of a request read them:
  buffer gathered_keys, gathered_values;
  std::vector<gathered_tokens> gathered;  ///< [requests]

  struct member
  {
    buffer block;      ///< [block rows][hidden or D]
    buffer projected;  ///< [block rows][4 * D]
    buffer product;    ///< what packed_matrix asks for
    attention_scratch attention;
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
