// The machine that figures come from: a GPU, timed by its own events.
#pragma once

#include "bf16_product.hpp"
#include "machine.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

/// To stand behind "because"; empty when there is a GPU of that number.
[[nodiscard]] inline std::string why_no_gpu(unsigned ordinal)
{
  const kvstrata::cuda::gpu_report gpus = kvstrata::cuda::probe_gpus();
  if (!gpus) return gpus.reason;
  if (ordinal < static_cast<unsigned>(gpus.count)) return {};
  return "there is no GPU " + std::to_string(ordinal) + ": this machine has " + std::to_string(gpus.count);
}

class cuda_machine
{
 public:
  using device_type = kvstrata::cuda_device;

  explicit cuda_machine(unsigned ordinal) : device_({.ordinal = static_cast<int>(ordinal)}) {}
  ~cuda_machine()
  {
    for (const cudaEvent_t one : events_) static_cast<void>(cudaEventDestroy(one));
  }
  cuda_machine(const cuda_machine&) = delete;
  cuda_machine& operator=(const cuda_machine&) = delete;

  [[nodiscard]] device_type& device() noexcept { return device_; }
  [[nodiscard]] bool measures() const noexcept { return true; }

  /// The GPU, its link, the driver and the runtime.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> facts() const
  {
    const int ordinal = device_.config().ordinal;
    std::vector<std::pair<std::string, std::string>> out;
    out.emplace_back("GPU",
                     device_.gpu().name + ", " + std::to_string(device_.gpu().multiprocessors) + " multiprocessors");
    char bus[32] = {};
    if (cudaDeviceGetPCIBusId(bus, sizeof bus, ordinal) == cudaSuccess) {
      std::string folder = "/sys/bus/pci/devices/" + std::string(bus);
      std::transform(folder.begin(), folder.end(), folder.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const std::string speed = first_line(folder + "/current_link_speed");
      const std::string width = first_line(folder + "/current_link_width");
      if (!speed.empty()) out.emplace_back("link", speed + ", " + width + " lanes, as the system tells");
    }
    const std::string driver = first_line("/proc/driver/nvidia/version");
    if (!driver.empty()) out.emplace_back("driver", driver);
    int version = 0;
    if (cudaDriverGetVersion(&version) == cudaSuccess) out.emplace_back("driver supports CUDA", version_text(version));
    if (cudaRuntimeGetVersion(&version) == cudaSuccess) out.emplace_back("CUDA runtime", version_text(version));
    const char* const queues = std::getenv("CUDA_DEVICE_MAX_CONNECTIONS");
    out.emplace_back("CUDA_DEVICE_MAX_CONNECTIONS", queues == nullptr ? "not set" : queues);
    return out;
  }

  [[nodiscard]] kvstrata::stream_id stream(std::string_view name)
  {
    const auto found = streams_.find(name);
    if (found != streams_.end()) return found->second;
    return streams_.emplace(std::string(name), device_.create_stream(name)).first->second;
  }

  [[nodiscard]] time_mark mark(kvstrata::stream_id stream)
  {
    device_.launch(stream, {"mark"}, [this](cudaStream_t s) {
      if (used_ == events_.size()) {
        cudaEvent_t fresh = nullptr;
        require(cudaEventCreateWithFlags(&fresh, cudaEventDefault), "cudaEventCreateWithFlags");
        events_.push_back(fresh);
      }
      require(cudaEventRecord(events_[used_], s), "cudaEventRecord");
    });
    return static_cast<time_mark>(used_++);
  }
  [[nodiscard]] double seconds(time_mark from, time_mark to)
  {
    float milliseconds = 0;
    require(cudaEventSynchronize(at(from)), "cudaEventSynchronize");
    require(cudaEventSynchronize(at(to)), "cudaEventSynchronize");
    require(cudaEventElapsedTime(&milliseconds, at(from), at(to)), "cudaEventElapsedTime");
    return static_cast<double>(milliseconds) * 1e-3;
  }
  void forget_marks() noexcept { used_ = 0; }

  /// The first one takes the time that cuBLAS needs to start.
  void product(kvstrata::stream_id stream)
  {
    if (!product_) product_.emplace(device_, this->stream("products"));
    (*product_)(stream);
  }
  [[nodiscard]] double product_flops() const noexcept { return bf16_product::flops(); }

  void copy_on_device(kvstrata::stream_id stream, std::byte* dst, const std::byte* src, std::size_t bytes)
  {
    device_.launch(stream, {"copy on device"}, [=](cudaStream_t s) {
      require(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToDevice, s), "cudaMemcpyAsync");
    });
  }

 private:
  static void require(cudaError_t code, const char* call)
  {
    if (code == cudaSuccess) return;
    throw std::runtime_error(std::string(call) + " returned " + cudaGetErrorName(code) + ": " +
                             cudaGetErrorString(code));
  }
  static std::string first_line(const std::string& path)
  {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
  }
  static std::string version_text(int version)
  {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  }
  [[nodiscard]] cudaEvent_t at(time_mark mark) const { return events_.at(static_cast<std::size_t>(mark)); }

  device_type device_;
  std::map<std::string, kvstrata::stream_id, std::less<>> streams_;
  std::vector<cudaEvent_t> events_;
  std::size_t used_ = 0;
  std::optional<bf16_product> product_;
};

static_assert(machine<cuda_machine>);

}  // namespace bench
