#include "hstu/matmul.hpp"

#include <kvstrata/core/error.hpp>

#include <oneapi/dnnl/dnnl.h>

namespace hstu {
namespace {

void sgemm(char transpose_b, std::size_t m, std::size_t n, std::size_t k, matrix<const float> a, matrix<const float> b,
           matrix<float> c, float beta)
{
  if (m == 0 || n == 0) return;
  const auto size = [](std::size_t value) { return static_cast<dnnl_dim_t>(value); };
  const dnnl_status_t status = dnnl_sgemm('N', transpose_b, size(m), size(n), size(k), 1.0f, a.data, size(a.stride),
                                          b.data, size(b.stride), beta, c.data, size(c.stride));
  if (status != dnnl_success) {
    throw kvstrata::error("oneDNN refused a product of " + std::to_string(m) + " x " + std::to_string(k) + " with " +
                          std::to_string(k) + " x " + std::to_string(n) + " (status " +
                          std::to_string(static_cast<int>(status)) + ")");
  }
}

}  // namespace

void multiply(std::size_t m, std::size_t n, std::size_t k, matrix<const float> a, matrix<const float> b,
              matrix<float> c, store how)
{
  sgemm('N', m, n, k, a, b, c, how == store::add ? 1.0f : 0.0f);
}

void multiply_transposed(std::size_t m, std::size_t n, std::size_t k, matrix<const float> a, matrix<const float> b,
                         matrix<float> c)
{
  sgemm('T', m, n, k, a, b, c, 0.0f);
}

}  // namespace hstu
