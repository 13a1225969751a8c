// What a batch needs of a machine at least: bytes and operations. Arithmetic, no measurement.
#pragma once

#include "gpu_replay/results.hpp"
#include "hstu/flops.hpp"
#include "hstu/gpu/bf16.hpp"
#include "hstu/model.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

namespace gpu_replay {

struct needs
{
  double bytes = 0;  ///< of device memory: keys and values that are read, once; the layers' weights, once
  double flops = 0;  ///< of the matrix products (hstu/flops.hpp)
};

/// Activations are left out: a perfect machine would keep them on the chip. So is what is written.
[[nodiscard]] inline needs needs_of(const hstu::config& c, std::span<const hstu::request> requests)
{
  const auto hidden = static_cast<double>(c.hidden);
  const auto width = static_cast<double>(hstu::width_of(c));
  needs out;
  out.bytes = static_cast<double>(sizeof(hstu::gpu::bf16)) * (c.layers * 5 * hidden * width + hidden * hidden);
  for (const hstu::request& r : requests) {
    const hstu::request_shape shape{r.history, r.compute, static_cast<std::uint32_t>(r.candidates.size())};
    out.flops += hstu::flops(c, shape);
    double read = r.history;  // all but what this pass computes
    for (const kvstrata::token_interval piece : r.compute) read -= piece.size();
    out.bytes += read * c.layers * 2 * width * static_cast<double>(sizeof(hstu::gpu::bf16));
  }
  return out;
}

/// Seconds that these needs take on a machine that reaches its ceilings, the one after the other.
[[nodiscard]] inline double seconds_at(const needs& n, const ceilings& best)
{
  if (best.on_device <= 0 || best.product <= 0) return 0;
  return n.bytes / best.on_device + n.flops / best.product;
}

/// The same where `link_bytes` are fetched meanwhile.
[[nodiscard]] inline double seconds_at(const needs& n, double link_bytes, const ceilings& best)
{
  const double fetch = best.to_device > 0 ? link_bytes / best.to_device : 0;
  return (std::max)(seconds_at(n, best), fetch);
}

/// Seconds on a machine that reads, computes and fetches all at once: the roofline.
[[nodiscard]] inline double roofline_at(const needs& n, double link_bytes, const ceilings& best)
{
  if (best.on_device <= 0 || best.product <= 0) return 0;
  const double fetch = best.to_device > 0 ? link_bytes / best.to_device : 0;
  return (std::max)({n.bytes / best.on_device, n.flops / best.product, fetch});
}

}  // namespace gpu_replay
