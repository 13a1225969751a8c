// The relative bias of a tile of scores, in the registers where multiply_add will add their products.
//
// Most keys are far from a query: a tile of 64 keys that lies beyond the table of distances adds one number to all, and
// buckets of time grow by a third each, so far tiles mostly lie within one for each row: one number a row. Only tiles
// near the query, or where a row's bucket ends, look up key by key. Times of keys ascend, so a row's bucket only falls
// from tile to tile: each lane remembers its rows' buckets, and walks.
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/attention_warp.hpp"
#include "hstu/gpu/function.hpp"

#include <cstdint>

namespace hstu::gpu {

/// The tables of a head and the times of a request's events: in shared memory, not in registers.
struct shared_bias
{
  const float* by_distance;
  const float* by_time;
  const std::int64_t* event_times;
  std::uint32_t last_event;

  /// The request has `keys` keys.
  HSTU_KERNEL shared_bias(const layer_bias& bias, std::uint32_t request, std::uint32_t head, std::uint32_t keys)
      : by_distance(bias.distances == 0 ? nullptr : bias.by_distance + std::size_t{head} * bias.distances),
        by_time(bias.times == 0 ? nullptr : bias.by_time + std::size_t{head} * bias.times),
        event_times(bias.times == 0 ? nullptr : bias.event_times + bias.first_event[request]),
        last_event(keys == 0 ? 0 : (keys - 1) / 2)
  {
  }
};

/// A lane has rows lane / 4 + 8 * r of its warp, r < Rows.
template <bool Distance, bool Time, std::uint32_t Rows>
class tile_bias
{
 public:
  /// `tables` stay where they are, and so do `rows` and `times`, which are of the warp's rows; what they see ascends.
  HSTU_KERNEL tile_bias(const layer_bias& bias, const shared_bias* tables, std::uint32_t lane, const shared_row* rows,
                        const std::int64_t* times)
      : bias_(bias), tables_(tables), rows_(rows), times_(times + lane / 4), lane_(lane)
  {
    if constexpr (Time) {
      HSTU_UNROLL
      for (std::uint32_t r = 0; r < Rows; ++r) set_bucket(r, bias.times - 1);
    }
  }

  /// scores[r / 2][j][2 * (r % 2) + i] is its row r with key `first` + 8 * j + 2 * (lane % 4) + i. Keys that a row does
  /// not see get some bias. Calls must ascend in `first`, a multiple of tile_keys.
  HSTU_KERNEL void fill(score_tile<8 * Rows>& scores, std::uint32_t first)
  {
    float all = 0;
    bool near = false;
    if constexpr (Distance) {
      near = rows_[0].visible() < first + (tile_keys - 1) + (bias_.distances - 1);
      if (!near) all = tables_->by_distance[bias_.distances - 1];
    }
    if constexpr (Time) fill_by_time(scores, first, all);
    else fill_rows(scores, all);
    if constexpr (Distance) {
      if (near) add_by_distance(scores, first);
    }
  }

 private:
  static HSTU_KERNEL void fill_rows(score_tile<8 * Rows>& scores, float value)
  {
    HSTU_UNROLL
    for (std::uint32_t m = 0; m < Rows / 2; ++m) {
      HSTU_UNROLL
      for (std::uint32_t j = 0; j < tile_keys / 8; ++j) {
        HSTU_UNROLL
        for (std::uint32_t i = 0; i < 4; ++i) scores[m][j][i] = value;
      }
    }
  }

  HSTU_KERNEL void add_by_distance(score_tile<8 * Rows>& scores, std::uint32_t first) const
  {
    const std::uint32_t last = bias_.distances - 1;
    HSTU_UNROLL
    for (std::uint32_t r = 0; r < Rows; ++r) {
      const std::uint32_t nearest = rows_[8 * r + lane_ / 4].visible() - first - 2 * (lane_ % 4);
      HSTU_UNROLL
      for (std::uint32_t j = 0; j < tile_keys / 8; ++j) {
        HSTU_UNROLL
        for (std::uint32_t i = 0; i < 2; ++i) {
          const std::uint32_t distance = nearest - (8 * j + i);  // huge for unseen keys
          scores[r / 2][j][2 * (r % 2) + i] += tables_->by_distance[distance < last ? distance : last];
        }
      }
    }
  }

  HSTU_KERNEL void fill_by_time(score_tile<8 * Rows>& scores, std::uint32_t first, float all)
  {
    const std::int64_t begin = event_time(first / 2);
    const std::int64_t end = event_time(first / 2 + tile_keys / 2 - 1);
    bool mixed = false;
    HSTU_UNROLL
    for (std::uint32_t r = 0; r < Rows; ++r) {
      const std::int64_t query = times_[8 * r];
      const float value = all + tables_->by_time[walk(r, query - begin)];
      mixed = mixed || query - end < bias_.least_seconds[bucket(r)];
      HSTU_UNROLL
      for (std::uint32_t j = 0; j < tile_keys / 8; ++j) {
        scores[r / 2][j][2 * (r % 2)] = value;
        scores[r / 2][j][2 * (r % 2) + 1] = value;
      }
    }
    if (!mixed) return;
    HSTU_UNROLL
    for (std::uint32_t j = 0; j < tile_keys / 8; ++j) {
      const std::int64_t key = event_time(first / 2 + 4 * j + lane_ % 4);  // of both of the lane's keys
      HSTU_UNROLL
      for (std::uint32_t r = 0; r < Rows; ++r) {
        const float value = all + tables_->by_time[walk(r, times_[8 * r] - key)];
        scores[r / 2][j][2 * (r % 2)] = value;
        scores[r / 2][j][2 * (r % 2) + 1] = value;
      }
    }
  }

  [[nodiscard]] HSTU_KERNEL std::int64_t event_time(std::uint32_t event) const
  {
    return tables_->event_times[event < tables_->last_event ? event : tables_->last_event];
  }

  // The bucket of row r for a key `seconds` older, coming from keys that are not younger.
  HSTU_KERNEL std::uint32_t walk(std::uint32_t r, std::int64_t seconds)
  {
    std::uint32_t b = bucket(r);
    while (b > 0 && seconds < bias_.least_seconds[b]) --b;
    set_bucket(r, b);
    return b;
  }

  // Four buckets of 8 bits share a register.
  [[nodiscard]] HSTU_KERNEL std::uint32_t bucket(std::uint32_t r) const { return buckets_ >> (8 * r) & 255u; }
  HSTU_KERNEL void set_bucket(std::uint32_t r, std::uint32_t b)
  {
    buckets_ = (buckets_ & ~(255u << (8 * r))) | b << (8 * r);
  }

  const layer_bias& bias_;
  const shared_bias* tables_;
  const shared_row* rows_;
  const std::int64_t* times_;
  std::uint32_t lane_;
  std::uint32_t buckets_ = 0;
};

}  // namespace hstu::gpu
