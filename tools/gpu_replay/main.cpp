// kvstrata-gpu-replay: serves a stream of recommendation requests on a GPU, with several caches and without one.
#include "gpu_replay/command.hpp"
#include "gpu_replay/machines.hpp"

#include "command_line/standard_output.hpp"

#include <cstdlib>
#include <iostream>

int main(int argc, char** argv)
{
  // Each case has streams of its own. By default they share 8 queues of the hardware, and one would wait for another that
  // it has nothing to do with. It is read by the first call of CUDA; what the user has set stands.
  static_cast<void>(setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32", 0));
#ifdef GPU_REPLAY_HAS_CUDA
  const gpu_replay::gpu_runner gpu{&gpu_replay::why_no_gpu, &gpu_replay::run_cuda};
#else
  const gpu_replay::gpu_runner gpu{};
#endif
  return tools::run_program([&] { return gpu_replay::command(argc, argv, gpu, std::cout, std::cerr); });
}
