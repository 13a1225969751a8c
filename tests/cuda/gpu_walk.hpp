// The random walks of tests/cache on a cuda_device.
#pragma once

#include "cache/any_device_walk.hpp"
#include "support/effort.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <cstdint>

namespace kvstrata_test {

/// Several walks, each on a fresh device, most of them with freed pages poisoned.
inline void gpu_walk(const point_on<kvstrata::cuda_device>& where, std::uint64_t first_seed)
{
  for (std::uint64_t seed = first_seed; seed < first_seed + 2 + effort; ++seed) {
    kvstrata::cuda_device device({.poison_freed = seed % 3 != 0});
    const walk how{.seed = seed, .steps = 200, .leases = 1 + seed % 4, .look_every = 3};
    any_device_walk(device, where, how);
    any_device_parts_walk(device, where, how);
  }
}

}  // namespace kvstrata_test
