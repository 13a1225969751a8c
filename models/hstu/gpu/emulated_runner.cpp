#include "hstu/gpu/emulated_runner.hpp"

#include "hstu/gpu/attention.hpp"

#include <vector>

namespace hstu::gpu {
namespace {

void multiply_by_loops(const product& p)
{
  std::vector<float> sums(p.columns);
  for (std::size_t row = 0; row < p.rows; ++row) {
    sums.assign(p.columns, 0.0f);
    for (std::size_t k = 0; k < p.inner; ++k) {
      const float a = to_float(p.a.row(row)[k]);
      const bf16* b = p.b.row(k);
      for (std::size_t column = 0; column < p.columns; ++column) sums[column] += a * to_float(b[column]);
    }
    for (std::size_t column = 0; column < p.columns; ++column) {
      if (p.c.data != nullptr) p.c.row(row)[column] = to_bf16(sums[column]);
      else p.sums.row(row)[column] += sums[column];
    }
  }
}

}  // namespace

void emulated_runner::attend(kvstrata::stream_id stream, std::string_view label, const attention_arguments& what,
                             std::uint32_t head_dim)
{
  with_attention(what, head_dim, [&](const auto& k) { launch(stream, label, k); });
}

void emulated_runner::multiply(kvstrata::stream_id stream, std::string_view label, const product& p)
{
  if (p.rows == 0 || p.columns == 0) return;
  device_.launch(stream, {.label = label}, [p] { multiply_by_loops(p); });
}

}  // namespace hstu::gpu
