// What the products' files share of oneDNN.
#pragma once

#include <kvstrata/core/error.hpp>

#include <oneapi/dnnl/dnnl.hpp>

#include <cstddef>
#include <string>

namespace hstu::onednn {

[[nodiscard]] inline const dnnl::engine& engine()
{
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

/// The calling thread's.
[[nodiscard]] inline const dnnl::stream& stream()
{
  static thread_local const dnnl::stream own(engine());
  return own;
}

[[nodiscard]] inline dnnl_dim_t size(std::size_t value) { return static_cast<dnnl_dim_t>(value); }

[[nodiscard]] inline std::string product_name(std::size_t m, std::size_t n, std::size_t k)
{
  return "a product of " + std::to_string(m) + " x " + std::to_string(k) + " with " + std::to_string(k) + " x " +
         std::to_string(n);
}

/// What oneDNN throws in body() becomes kvstrata::error.
template <class Body>
decltype(auto) checked(std::size_t m, std::size_t n, std::size_t k, Body&& body)
{
  try {
    return body();
  } catch (const dnnl::error& e) {
    throw kvstrata::error("oneDNN refused " + product_name(m, n, k) + " (" + e.message + ", status " +
                          std::to_string(static_cast<int>(e.status)) + ")");
  }
}

/// The product C = A B of these, or what the attributes make of it.
[[nodiscard]] inline dnnl::matmul::primitive_desc product_of(const dnnl::memory::desc& a, const dnnl::memory::desc& b,
                                                             const dnnl::memory::desc& c,
                                                             const dnnl::primitive_attr& attributes)
{
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), a, b, c, attributes};
#else
  return {{a, b, c}, attributes, engine()};
#endif
}

/// Memory of the caller's; oneDNN writes to the product alone.
[[nodiscard]] inline dnnl::memory memory_at(const dnnl::memory::desc& what, const void* data)
{
  return {what, engine(), const_cast<void*>(data)};
}

}  // namespace hstu::onednn
