#include "hstu/matmul.hpp"

#include "hstu/elementwise.hpp"
#include "hstu/one_thread.hpp"
#include "hstu/onednn.hpp"

#include <cstdint>

namespace hstu {
namespace {

void sgemm(char transpose_b, std::size_t m, std::size_t n, std::size_t k, matrix<const float> a, matrix<const float> b,
           matrix<float> c, float beta)
{
  if (m == 0 || n == 0) return;
  using onednn::size;
  const dnnl_status_t status = dnnl_sgemm('N', transpose_b, size(m), size(n), size(k), 1.0f, a.data, size(a.stride),
                                          b.data, size(b.stride), beta, c.data, size(c.stride));
  if (status != dnnl_success) {
    throw kvstrata::error("oneDNN refused " + onednn::product_name(m, n, k) + " (status " +
                          std::to_string(static_cast<int>(status)) + ")");
  }
}

enum class right { as_is, transposed };

// A product of any sizes, which are told when it is carried out: the kernels behind it are made once.
class any_product
{
 public:
  any_product(right b, store c) : b_(b)
  {
    const one_thread guard;
    dnnl::primitive_attr attributes;
    if (c == store::add) {
      dnnl::post_ops adds;
      adds.append_sum(1.0f);
      attributes.set_post_ops(adds);
    }
    constexpr dnnl_dim_t any = DNNL_RUNTIME_DIM_VAL;
    product_ = dnnl::matmul(
        onednn::product_of(rows(any, any, any, bf16), right_side(any, any, any), rows(any, any, any, f32), attributes));
  }

  void operator()(dnnl_dim_t m, dnnl_dim_t n, dnnl_dim_t k, matrix<const std::uint16_t> a,
                  matrix<const std::uint16_t> b, matrix<float> c) const
  {
    using namespace onednn;
    product_.execute(stream(), {{DNNL_ARG_SRC, memory_at(rows(m, k, size(a.stride), bf16), a.data)},
                                {DNNL_ARG_WEIGHTS, memory_at(right_side(k, n, size(b.stride)), b.data)},
                                {DNNL_ARG_DST, memory_at(rows(m, n, size(c.stride), f32), c.data)}});
  }

 private:
  static constexpr auto bf16 = dnnl::memory::data_type::bf16;
  static constexpr auto f32 = dnnl::memory::data_type::f32;

  static dnnl::memory::desc rows(dnnl_dim_t m, dnnl_dim_t n, dnnl_dim_t stride, dnnl::memory::data_type type)
  {
    return {{m, n}, type, dnnl::memory::dims{stride, 1}};
  }
  [[nodiscard]] dnnl::memory::desc right_side(dnnl_dim_t k, dnnl_dim_t n, dnnl_dim_t stride) const
  {
    return {{k, n}, bf16, b_ == right::as_is ? dnnl::memory::dims{stride, 1} : dnnl::memory::dims{1, stride}};
  }

  right b_;
  dnnl::matmul product_;
};

// Rows of `count` floats, rounded; what lies between them comes along.
matrix<const std::uint16_t> rounded(buffer& to, std::size_t rows, std::size_t count, matrix<const float> from)
{
  const std::size_t all = rows == 0 ? 0 : (rows - 1) * from.stride + count;
  auto* const out = reinterpret_cast<std::uint16_t*>(to.reserve((all + 1) / 2));
  best_elementwise().round(out, from.data, all);
  return {out, from.stride};
}

void in_bf16(right how, store c_how, std::size_t m, std::size_t n, std::size_t k, matrix<const float> a,
             matrix<const float> b, matrix<float> c, rounded_operands& scratch)
{
  const auto a16 = rounded(scratch.a, m, k, a);
  const auto b16 = how == right::as_is ? rounded(scratch.b, k, n, b) : rounded(scratch.b, n, k, b);
  onednn::checked(m, n, k, [&] {
    static const any_product added(right::as_is, store::add);
    static const any_product transposed(right::transposed, store::assign);
    using onednn::size;
    (c_how == store::add ? added : transposed)(size(m), size(n), size(k), a16, b16, c);
  });
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

void multiply_add(precision in, std::size_t m, std::size_t n, std::size_t k, matrix<const float> a,
                  matrix<const float> b, matrix<float> c, rounded_operands& scratch)
{
  if (m == 0 || n == 0 || k == 0) return;
  if (in == precision::f32) multiply(m, n, k, a, b, c, store::add);
  else in_bf16(right::as_is, store::add, m, n, k, a, b, c, scratch);
}

void multiply_transposed(precision in, std::size_t m, std::size_t n, std::size_t k, matrix<const float> a,
                         matrix<const float> b, matrix<float> c, rounded_operands& scratch)
{
  if (m == 0 || n == 0) return;
  if (in == precision::f32) multiply_transposed(m, n, k, a, b, c);
  else in_bf16(right::transposed, store::assign, m, n, k, a, b, c, scratch);
}

}  // namespace hstu
