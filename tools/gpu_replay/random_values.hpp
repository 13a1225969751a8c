// Device memory full of bf16 values, for measurements: what is computed with shall be like what is computed with in earnest.
#pragma once

#include "hstu/gpu/bf16.hpp"

#include <kvstrata/device/concepts.hpp>
#include <kvstrata/simulate/random.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

namespace gpu_replay {

/// `count` values between -1 and 1; blocks. Zeros would not do: their product takes less power, and so
/// less time, than one of anything else.
template <kvstrata::device Device>
void fill_at_random(Device& d, kvstrata::stream_id stream, std::byte* to, std::size_t count)
{
  using hstu::gpu::bf16;
  kvstrata::random_source random(1);
  std::vector<bf16> some((std::min)(count, std::size_t{1} << 20));
  for (bf16& value : some) value = hstu::gpu::to_bf16(static_cast<float>(2 * random.uniform() - 1));
  const auto staging = d.allocate_pinned(some.size() * sizeof(bf16), "random values");
  std::memcpy(staging.data(), some.data(), some.size() * sizeof(bf16));
  for (std::size_t first = 0; first < count; first += some.size()) {
    d.copy(stream, kvstrata::copy_direction::to_device, to + first * sizeof(bf16), staging.data(),
           (std::min)(some.size(), count - first) * sizeof(bf16));
  }
  d.wait_sync(d.record(stream));
}

}  // namespace gpu_replay
