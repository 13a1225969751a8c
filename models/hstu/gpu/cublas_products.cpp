#include "hstu/gpu/cublas_products.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/cuda/current_device.hpp>

#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <string>
#include <utility>

namespace hstu::gpu {
namespace {

using kvstrata::stream_id;

[[noreturn]] void fail(cublasStatus_t status, const char* call, const std::string& what)
{
  throw kvstrata::device_error(what + " failed: " + call + " returned " + cublasLtGetStatusName(status) + " (" +
                               cublasLtGetStatusString(status) + ")");
}

// A product and what it is called, should it fail.
struct named_product
{
  const product& p;
  std::string_view label;

  void require(cublasStatus_t status, const char* call) const
  {
    if (status == CUBLAS_STATUS_SUCCESS) return;
    fail(status, call,
         "product '" + std::string(label) + "' of " + std::to_string(p.rows) + " x " + std::to_string(p.inner) +
             " with " + std::to_string(p.inner) + " x " + std::to_string(p.columns));
  }
};

// Rows that share their advice: multiples of 64, coarser for many.
std::size_t rounded(std::size_t rows)
{
  const std::size_t step = (std::max)(std::size_t{64}, std::bit_floor(rows) / 8);
  return (rows + step - 1) / step * step;
}

// Bytes that an address is a multiple of, as far as cuBLASLt cares.
std::uint32_t alignment_of(const void* at)
{
  const auto bits = reinterpret_cast<std::uintptr_t>(at);
  return static_cast<std::uint32_t>(bits == 0 ? 256 : (std::min)(bits & (~bits + 1), std::uintptr_t{256}));
}

const void* result_of(const product& p)
{
  return p.c.data != nullptr ? static_cast<const void*>(p.c.data) : p.sums.data;
}

// Row-major C = A B is column-major C^T = B^T A^T, and a row-major matrix read by columns is its transpose: so cuBLASLt
// gets B as its first factor and A as its second, neither transposed, and writes C.
struct description
{
  cublasLtMatmulDescOpaque_t product_desc;
  cublasLtMatrixLayoutOpaque_t first, second, result;

  description(const named_product& what, std::size_t rows)
  {
    const product& p = what.p;
    const bool adds = p.c.data == nullptr;
    const auto layout = [&](cublasLtMatrixLayoutOpaque_t& to, cudaDataType type, std::size_t height, std::size_t width,
                            std::size_t stride) {
      what.require(cublasLtMatrixLayoutInit(&to, type, height, width, static_cast<std::int64_t>(stride)),
                   "cublasLtMatrixLayoutInit");
    };
    what.require(cublasLtMatmulDescInit(&product_desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescInit");
    layout(first, CUDA_R_16BF, p.columns, p.inner, p.b.stride);
    layout(second, CUDA_R_16BF, p.inner, rows, p.a.stride);
    layout(result, adds ? CUDA_R_32F : CUDA_R_16BF, p.columns, rows, adds ? p.sums.stride : p.c.stride);
  }
};

}  // namespace

struct cublas_products::state
{
  using shape = std::array<std::size_t, 10>;

  explicit state(kvstrata::cuda_device& d) : device(d)
  {
    const kvstrata::cuda::current_device here(d.config().ordinal);
    const cublasStatus_t status = cublasLtCreate(&handle);
    if (status != CUBLAS_STATUS_SUCCESS) fail(status, "cublasLtCreate", "starting cuBLASLt");
  }
  ~state() { static_cast<void>(cublasLtDestroy(handle)); }
  state(const state&) = delete;
  state& operator=(const state&) = delete;

  [[nodiscard]] cublasLtMatmulAlgo_t ask(const named_product& what, std::size_t rows)
  {
    const product& p = what.p;
    description d(what, rows);
    cublasLtMatmulPreferenceOpaque_t preference;
    what.require(cublasLtMatmulPreferenceInit(&preference), "cublasLtMatmulPreferenceInit");
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      what.require(cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof(value)),
                   "cublasLtMatmulPreferenceSetAttribute");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{workspace_bytes});
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(p.b.data));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(p.a.data));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(result_of(p)));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(result_of(p)));
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    what.require(cublasLtMatmulAlgoGetHeuristic(handle, &d.product_desc, &d.first, &d.second, &d.result, &d.result,
                                                &preference, 1, &best, &found),
                 "cublasLtMatmulAlgoGetHeuristic");
    what.require(found > 0 ? best.state : CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulAlgoGetHeuristic");
    return best.algo;
  }

  [[nodiscard]] const cublasLtMatmulAlgo_t& advice_for(const named_product& what)
  {
    const product& p = what.p;
    const std::size_t rows = rounded(p.rows);
    const bool adds = p.c.data == nullptr;
    const shape key{rows,
                    p.columns,
                    p.inner,
                    p.a.stride,
                    p.b.stride,
                    adds ? p.sums.stride : p.c.stride,
                    adds ? std::size_t{1} : std::size_t{0},
                    alignment_of(p.a.data),
                    alignment_of(p.b.data),
                    alignment_of(result_of(p))};
    const auto known = advice.find(key);
    if (known != advice.end()) return known->second;
    if (advice.size() >= most_shapes) advice.clear();
    return advice.emplace(key, ask(what, rows)).first->second;
  }

  [[nodiscard]] void* workspace(stream_id stream)
  {
    const auto known = workspaces.find(stream);
    if (known != workspaces.end()) return known->second.data();
    return workspaces.emplace(stream, device.allocate_device(workspace_bytes, "cuBLASLt workspace"))
        .first->second.data();
  }

  static constexpr std::size_t most_shapes = 4096;

  kvstrata::cuda_device& device;
  cublasLtHandle_t handle = nullptr;
  std::map<shape, cublasLtMatmulAlgo_t> advice;
  std::map<stream_id, kvstrata::cuda_device::memory> workspaces;
};

cublas_products::cublas_products(kvstrata::cuda_device& d) : state_(std::make_unique<state>(d)) {}
cublas_products::~cublas_products() = default;

void cublas_products::multiply(stream_id stream, std::string_view label, const product& p)
{
  if (p.rows == 0 || p.columns == 0) return;
  state& s = *state_;
  const named_product what{p, label};
  const float alpha = 1;
  const float beta = p.c.data == nullptr ? 1 : 0;
  void* const to = const_cast<void*>(result_of(p));
  void* const work = s.workspace(stream);
  const kvstrata::cuda::current_device here(s.device.config().ordinal);
  description d(what, p.rows);
  const auto queue = [&](const cublasLtMatmulAlgo_t& how) {
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    s.device.launch(stream, {label}, [&](cudaStream_t on) {
      status = cublasLtMatmul(s.handle, &d.product_desc, &alpha, p.b.data, &d.first, p.a.data, &d.second, &beta, to,
                              &d.result, to, &d.result, &how, work, workspace_bytes, on);
    });
    return status;
  };
  const cublasStatus_t status = queue(s.advice_for(what));
  // What serves the rounded number of rows need not serve this one.
  const bool unfit = status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE;
  what.require(unfit ? queue(s.ask(what, p.rows)) : status, "cublasLtMatmul");
}

}  // namespace hstu::gpu
