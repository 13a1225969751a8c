// CUB's batched copy, behind a plain function: only nvcc translates CUB.
#include <cub/device/device_memcpy.cuh>

#include <cstddef>
#include <cstdint>

namespace bench {

cudaError_t cub_batched_copy(void* temporary, std::size_t& temporary_bytes, const void* const* from, void* const* to,
                             const std::size_t* sizes, std::size_t count, cudaStream_t stream)
{
  return cub::DeviceMemcpy::Batched(temporary, temporary_bytes, from, to, sizes, static_cast<std::int64_t>(count),
                                    stream);
}

}  // namespace bench
