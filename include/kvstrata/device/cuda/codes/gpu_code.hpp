// A level's code on a GPU: what a copy of encoded pieces becomes there.
//
// The program needs one .cu that includes the kernels of the codecs that its tiers name (<kvstrata/cuda.cuh> has those of exp4).
#pragma once

#include <kvstrata/codec/page_code.hpp>
#include <kvstrata/device/coded_call.hpp>
#include <kvstrata/device/cuda/codes/code_kernels.hpp>
#include <kvstrata/device/cuda/error.hpp>

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// What the kernels of a code can do.
class gpu_code
{
 public:
  virtual ~gpu_code() = default;
  /// As code_kernels::launch.
  [[nodiscard]] virtual cudaError_t launch(cudaStream_t stream, code_way way, std::span<const code_piece> pieces,
                                           std::uint32_t blocks) const = 0;
};

template <list_coder Coder>
class gpu_code_of final : public page_code_of<Coder>, public gpu_code
{
 public:
  using page_code_of<Coder>::page_code_of;

  [[nodiscard]] cudaError_t launch(cudaStream_t stream, code_way way, std::span<const code_piece> pieces,
                                   std::uint32_t blocks) const override
  {
    return code_kernels<Coder>::launch(stream, way, this->coder(), pieces, blocks, nullptr);
  }
};

/// Queues copies on the host as one function of the host's, as copy_on_host does.
[[nodiscard]] inline call_result code_on_host(cudaStream_t stream, coding how, std::span<const coded_piece> pieces)
{
  auto mine = std::make_unique<coded_copy>(how, pieces);
  const auto carry_out = [](void* data) {
    const std::unique_ptr<coded_copy> all(static_cast<coded_copy*>(data));
    (*all)();
  };
  const call_result result{cudaLaunchHostFunc(stream, carry_out, mine.get()), "cudaLaunchHostFunc"};
  if (result) static_cast<void>(mine.release());
  return result;
}

/// Queues a kernel; the encoded end's code is one of a cuda_device.
[[nodiscard]] inline call_result code_on_gpu(cudaStream_t stream, coding how, std::span<const coded_piece> pieces,
                                             std::uint32_t blocks)
{
  const bool encodes = how.to != nullptr;
  const auto* const kernels = dynamic_cast<const gpu_code*>(encodes ? how.to : how.from);
  if (kernels == nullptr) throw usage_error("a code kernel was asked for a code that is not the device's");
  std::vector<code_piece> all;
  all.reserve(pieces.size());
  for (const coded_piece& p : pieces) {
    if (encodes) {
      all.push_back({const_cast<std::byte*>(p.src), p.dst, p.dst_elsewhere, p.whole});
    } else {
      all.push_back({p.dst, const_cast<std::byte*>(p.src), const_cast<std::byte*>(p.src_elsewhere), true});
    }
  }
  return {kernels->launch(stream, encodes ? code_way::encode : code_way::decode, all, blocks), "cudaLaunchKernel"};
}

}  // namespace kvstrata::cuda
