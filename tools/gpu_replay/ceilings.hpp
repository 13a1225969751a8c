// Measures the ceilings of a machine, by its own plain copies and its library's product.
#pragma once

#include "gpu_replay/random_values.hpp"
#include "gpu_replay/results.hpp"
#include "hstu/gpu/runner.hpp"

#include <algorithm>
#include <cstddef>

namespace gpu_replay {

/// How large the pieces are: some hundredths of a second each on a GPU, next to nothing on an emulated one.
struct ceiling_sizes
{
  std::size_t bytes = std::size_t{1} << 30;
  std::size_t rows = 8192;  ///< of a square product
  unsigned repeats = 5;
};

/// Blocks. The best of several tries counts: what is held against a ceiling shall not profit from a bad day of it.
/// `copy_on_device(stream, dst, src, bytes)` queues a plain copy.
template <hstu::gpu::runner Runner, class CopyOnDevice>
[[nodiscard]] ceilings measure_ceilings(Runner& r, const ceiling_sizes& sizes, CopyOnDevice&& copy_on_device)
{
  using kvstrata::copy_direction;
  auto& d = r.device();
  const auto stream = d.create_stream("ceilings");
  const auto best = [&](double amount, auto&& queue) {
    double rate = 0;
    for (unsigned i = 0; i <= sizes.repeats; ++i) {  // the first warms up
      const double begin = d.now();
      queue();
      d.wait_sync(d.record(stream));
      const double seconds = d.now() - begin;
      if (i != 0 && seconds > 0) rate = (std::max)(rate, amount / seconds);
    }
    return rate;
  };
  ceilings out;
  {
    const auto above = d.allocate_device(2 * sizes.bytes, "ceilings");
    const auto below = d.allocate_pinned(sizes.bytes, "ceilings");
    const auto bytes = static_cast<double>(sizes.bytes);
    out.to_device =
        best(bytes, [&] { d.copy(stream, copy_direction::to_device, above.data(), below.data(), sizes.bytes); });
    out.from_device =
        best(bytes, [&] { d.copy(stream, copy_direction::from_device, below.data(), above.data(), sizes.bytes); });
    constexpr int copies = 8;
    out.on_device = best(2 * copies * bytes, [&] {
      for (int i = 0; i < copies; ++i) copy_on_device(stream, above.data() + sizes.bytes, above.data(), sizes.bytes);
    });
  }
  using hstu::gpu::bf16;
  const std::size_t n = sizes.rows;
  const auto matrices = d.allocate_device(3 * n * n * sizeof(bf16), "ceilings");
  auto* const a = reinterpret_cast<bf16*>(matrices.data());
  fill_at_random(d, stream, matrices.data(), 2 * n * n);
  hstu::gpu::product p;
  p.rows = p.columns = p.inner = n;
  p.a = {a, n};
  p.b = {a + n * n, n};
  p.c = {a + 2 * n * n, n};
  constexpr int products = 10;
  out.product = best(products * 2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n), [&] {
    for (int i = 0; i < products; ++i) r.multiply(stream, "ceiling", p);
  });
  return out;
}

}  // namespace gpu_replay
