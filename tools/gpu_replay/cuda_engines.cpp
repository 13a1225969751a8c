// Caches on a GPU with other copy engines: a file of their own, so that they compile beside the others.
#include "gpu_replay/place.hpp"
#include "hstu/gpu/cuda_pass.hpp"
#include "replay/caches_engines.hpp"
#include "replay/caches_kernels.hpp"

namespace replay::caches {

using gpu_place = gpu_replay::place<hstu::gpu::cuda_runner>;

template std::optional<cache_kind<gpu_place>> find_engine(std::string_view key);
template std::optional<cache_kind<gpu_place>> find_kernel(std::string_view key);

}  // namespace replay::caches
