#include "decoder/gpu/cuda_stages.hpp"

#include "decoder/gpu/own_stage.hpp"
#include "decoder/gpu/shared_stage.hpp"

#include "hstu/gpu/launch.cuh"

#include <kvstrata/core/error.hpp>

#include <string>

namespace decoder::gpu {
namespace {

template <std::uint32_t HeadDim>
void attend_with(cudaStream_t stream, const stage_arguments& a)
{
  hstu::gpu::launch(stream, shared_stage_kernel<HeadDim>{a});
  own_stage_kernel<HeadDim> own;
  own.last_row = a.rows * a.heads;
  own.a = a;
  hstu::gpu::launch(stream, own);
}

}  // namespace

void attend(cudaStream_t stream, const stage_arguments& a, std::uint32_t head_dim)
{
  if (head_dim == 64) attend_with<64>(stream, a);
  else if (head_dim == 128) attend_with<128>(stream, a);
  else
    throw kvstrata::usage_error("staged attention on a GPU has heads of 64 or 128, but these have " +
                                std::to_string(head_dim));
}

}  // namespace decoder::gpu
