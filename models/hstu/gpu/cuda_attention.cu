// The attention kernels, compiled apart from the rest: they take longest.
#include "hstu/gpu/attention.hpp"
#include "hstu/gpu/cuda_runner.cuh"

namespace hstu::gpu {

void cuda_runner::attend(kvstrata::stream_id stream, std::string_view label, const attention_arguments& what,
                         std::uint32_t head_dim)
{
  if (what.tile_count == 0) return;
  with_attention(what, head_dim, [&](const auto& k) { launch(stream, label, k); });
}

}  // namespace hstu::gpu
