#include "cuda/spin.hpp"

namespace kvstrata_test {

namespace {

__device__ unsigned long long nanoseconds()
{
  unsigned long long now = 0;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  return now;
}

__global__ void spin_kernel(unsigned long long duration)
{
  for (const unsigned long long begin = nanoseconds(); nanoseconds() - begin < duration;) __nanosleep(500);
}

__global__ void gate_kernel(gate_words* words)
{
  *static_cast<volatile std::uint32_t*>(&words->entered) = 1;
  __threadfence_system();
  const volatile std::uint32_t* const open = &words->open;
  for (const unsigned long long begin = nanoseconds(); *open == 0 && nanoseconds() - begin < 20'000'000'000ULL;) {
    __nanosleep(2000);
  }
}

}  // namespace

bool spins_on_a_gpu() { return true; }

void spin(cudaStream_t stream, unsigned microseconds) { spin_kernel<<<1, 1, 0, stream>>>(1000ULL * microseconds); }

void spin_until_open(cudaStream_t stream, gate_words* words) { gate_kernel<<<1, 1, 0, stream>>>(words); }

}  // namespace kvstrata_test
