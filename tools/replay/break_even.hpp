// The length from which fetching a history's KV takes less time than computing it again.
//
// Per layer, for L cached tokens, hidden size d, D = heads x head dim and e bytes an element:
//   recompute  10 L d D + 2 L^2 D  FLOP    projections to U, V, Q, K (8 L d D) and out (2 L d D), causal attention
//   fetch       2 L D e            bytes   K and V
// With F effective FLOP/s and B link bytes/s both take the same time at
//   L* = e F / B - 5 d
// whatever D and the number of layers are; for bf16 (e = 2) that is 2 F / B - 5 d.
#pragma once

namespace replay {

struct break_even
{
  double flops_per_second = 0;       ///< F: effective, as measured in the same run
  double link_bytes_per_second = 0;  ///< B: towards the device, as measured in the same run
  unsigned bytes_per_element = 0;    ///< e
  unsigned hidden = 0;               ///< d

  /// L* in tokens. Not positive: fetching wins at every length. 0 when there is no link to measure.
  [[nodiscard]] double tokens() const noexcept
  {
    if (link_bytes_per_second <= 0) return 0;
    return bytes_per_element * flops_per_second / link_bytes_per_second - 5.0 * hidden;
  }
  [[nodiscard]] bool fetching_always_wins() const noexcept { return link_bytes_per_second > 0 && tokens() <= 0; }

  friend bool operator==(const break_even&, const break_even&) = default;
};

/// FLOP of computing `length` tokens' KV in one layer from nothing.
[[nodiscard]] constexpr double recompute_flops(double length, double hidden, double attention_width) noexcept
{
  return 10.0 * length * hidden * attention_width + 2.0 * length * length * attention_width;
}

/// Bytes of `length` tokens' KV in one layer.
[[nodiscard]] constexpr double fetch_bytes(double length, double attention_width, double bytes_per_element) noexcept
{
  return 2.0 * length * attention_width * bytes_per_element;
}

}  // namespace replay
