// The run on an NVIDIA GPU. No kernel is compiled here: kvstrata_hstu_cuda has them.
#include "gpu_replay/machines.hpp"
#include "gpu_replay/serve.hpp"
#include "hstu/gpu/cuda_pass.hpp"
#include "replay/caches_plain.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <cuda_runtime_api.h>

#include <cstdlib>
#include <fstream>

namespace gpu_replay {
namespace {

void require(cudaError_t code, const char* call)
{
  if (code == cudaSuccess) return;
  throw kvstrata::device_error(std::string(call) + " returned " + cudaGetErrorName(code) + ": " +
                               cudaGetErrorString(code));
}

std::string version_text(int version)
{
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

class cuda_machine
{
 public:
  using runner_type = hstu::gpu::cuda_runner;
  using place_type = place<runner_type>;
  using device_type = runner_type::device_type;

  explicit cuda_machine(const options& o)
      : device_({.ordinal = static_cast<int>(o.gpu), .trace = !o.serve.timeline.empty()})
  {
  }

  [[nodiscard]] runner_type& runner() noexcept { return runner_; }
  [[nodiscard]] static bool measures() noexcept { return true; }

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> facts() const
  {
    std::vector<std::pair<std::string, std::string>> out{
        {"GPU", device_.gpu().name + ", " + std::to_string(device_.gpu().multiprocessors) + " multiprocessors"}};
    std::ifstream file("/proc/driver/nvidia/version");
    if (std::string line; std::getline(file, line)) out.emplace_back("driver", line);
    int version = 0;
    if (cudaDriverGetVersion(&version) == cudaSuccess) out.emplace_back("driver supports CUDA", version_text(version));
    if (cudaRuntimeGetVersion(&version) == cudaSuccess) out.emplace_back("CUDA runtime", version_text(version));
    const char* const queues = std::getenv("CUDA_DEVICE_MAX_CONNECTIONS");
    out.emplace_back("CUDA_DEVICE_MAX_CONNECTIONS", queues == nullptr ? "not set" : queues);
    return out;
  }
  [[nodiscard]] static ceiling_sizes ceiling_size() { return {}; }

  void copy_on_device(kvstrata::stream_id stream, std::byte* dst, const std::byte* src, std::size_t bytes)
  {
    device_.launch(stream, {"copy"}, [=](cudaStream_t s) {
      require(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToDevice, s), "cudaMemcpyAsync");
    });
  }

  [[nodiscard]] static replay::cache_kind<place_type> find(const std::string& key)
  {
    for (const auto family : {replay::caches::find_plain<place_type>, replay::caches::find_engine<place_type>,
                              replay::caches::find_kernel<place_type>}) {
      if (auto found = family(key)) return *std::move(found);
    }
    throw kvstrata::config_error("--cases", "'" + key + "'",
                                 "on a GPU there are the groups plain and engines, split and prefetch");
  }

 private:
  device_type device_;
  runner_type runner_{device_};
};

}  // namespace

results run_cuda(const options& o, replay::progress& shown)
{
  cuda_machine m(o);
  return server<cuda_machine>(m, o, shown).run();
}

std::string why_no_gpu(const options& o)
{
  const kvstrata::cuda::gpu_report gpus = kvstrata::cuda::probe_gpus();
  if (!gpus) return gpus.reason;
  if (o.gpu < static_cast<std::uint32_t>(gpus.count)) return {};
  throw kvstrata::config_error("--gpu", o.gpu, "this machine has " + std::to_string(gpus.count));
}

}  // namespace gpu_replay
