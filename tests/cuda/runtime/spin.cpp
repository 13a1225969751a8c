// The kernels of spin.cu as host functions of the stream.
#include "cuda/spin.hpp"

#include <chrono>
#include <memory>
#include <thread>

namespace kvstrata_test {

bool spins_on_a_gpu() { return false; }

void spin(cudaStream_t stream, unsigned microseconds)
{
  auto duration = std::make_unique<std::chrono::microseconds>(microseconds);
  const auto sleep = [](void* data) {
    const std::unique_ptr<std::chrono::microseconds> mine(static_cast<std::chrono::microseconds*>(data));
    std::this_thread::sleep_for(*mine);
  };
  if (cudaLaunchHostFunc(stream, sleep, duration.get()) == cudaSuccess) static_cast<void>(duration.release());
}

void spin_until_open(cudaStream_t stream, gate_words* words)
{
  const auto pass = [](void* data) { pass_gate(*static_cast<gate_words*>(data)); };
  static_cast<void>(cudaLaunchHostFunc(stream, pass, words));
}

}  // namespace kvstrata_test
