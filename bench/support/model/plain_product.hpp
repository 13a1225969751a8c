// oneDNN's own product of two large matrices, its rows shared by as many threads as a pass of the model has: the rate that
// the model is held against.
#pragma once

#include "hstu/crew.hpp"
#include "hstu/precision.hpp"

#include <oneapi/dnnl/dnnl.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

/// In f32 by sgemm, in bf16 by the matmul primitive, both on arrays by rows, into f32.
class plain_product
{
 public:
  static constexpr std::size_t side = 2048;

  explicit plain_product(hstu::precision in) : in_(in)
  {
    a_.assign(side * side, in == hstu::precision::f32 ? 0.5f : pair);
    b_.assign(side * side, in == hstu::precision::f32 ? 0.25f : pair);
    c_.resize(side * side);
    if (in == hstu::precision::f32) return;
    crew_.each(1, [&](std::size_t, std::size_t) { product_ = dnnl::matmul(primitive(rows())); });
  }

  void run()
  {
    crew_.each(crew_.size(), [&](std::size_t part, std::size_t) {
      const std::size_t at = part * rows() * side;
      if (in_ == hstu::precision::f32) {
        static_cast<void>(dnnl::sgemm('N', 'N', dim(rows()), dim(side), dim(side), 1.0f, a_.data() + at, dim(side),
                                      b_.data(), dim(side), 0.0f, c_.data() + at, dim(side)));
        return;
      }
      dnnl::stream own(engine_);
      auto* const a = reinterpret_cast<std::uint16_t*>(a_.data()) + at;
      product_.execute(own, {{DNNL_ARG_SRC, {of(rows(), half), engine_, a}},
                             {DNNL_ARG_WEIGHTS, {of(side, half), engine_, b_.data()}},
                             {DNNL_ARG_DST, {of(rows(), dnnl::memory::data_type::f32), engine_, c_.data() + at}}});
    });
  }

  [[nodiscard]] double flops() const { return 2.0 * side * side * static_cast<double>(rows() * crew_.size()); }
  [[nodiscard]] std::size_t threads() const { return crew_.size(); }

 private:
  static constexpr float pair = std::bit_cast<float>(0x3c003c00u);  // 2^-7 in bf16, twice
  static constexpr auto half = dnnl::memory::data_type::bf16;

  static dnnl_dim_t dim(std::size_t value) { return static_cast<dnnl_dim_t>(value); }
  static dnnl::memory::desc of(std::size_t rows, dnnl::memory::data_type type)
  {
    return {{dim(rows), dim(side)}, type, dnnl::memory::format_tag::ab};
  }
  [[nodiscard]] std::size_t rows() const { return side / crew_.size(); }

  [[nodiscard]] dnnl::matmul::primitive_desc primitive(std::size_t rows) const
  {
#if DNNL_VERSION_MAJOR >= 3
    return {engine_, of(rows, half), of(side, half), of(rows, dnnl::memory::data_type::f32)};
#else
    return {{of(rows, half), of(side, half), of(rows, dnnl::memory::data_type::f32)}, engine_};
#endif
  }

  hstu::precision in_;
  hstu::crew crew_{0};
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::matmul product_;
  std::vector<float> a_, b_, c_;  // of bf16, half of it is used
};

}  // namespace bench
