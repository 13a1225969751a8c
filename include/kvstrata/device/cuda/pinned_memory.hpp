// Page-locked host memory: mapped, touched by several threads, registered in one call; and how long each took.
//
// cudaHostAlloc does all three on one thread: an arena of hundreds of GiB then takes minutes. It is the way where
// registered memory cannot be reached by its own address.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/cuda/config.hpp>
#include <kvstrata/device/cuda/current_device.hpp>
#include <kvstrata/device/cuda/error.hpp>
#include <kvstrata/device/cuda/gpu.hpp>
#include <kvstrata/device/cuda/host_mapping.hpp>
#include <kvstrata/device/memory_place.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// How one allocation of pinned memory came about.
struct pinned_report
{
  std::string name;
  std::size_t bytes = 0;
  double map_seconds = 0;
  double touch_seconds = 0;
  double register_seconds = 0;  ///< or of cudaHostAlloc
  std::uint32_t threads = 0;    ///< that touched it
  /// Bytes in huge pages, where the memory is large (from 64 MiB on) and the system tells.
  std::optional<std::size_t> huge_bytes;
  std::string not_registered;  ///< why it comes from cudaHostAlloc; empty when it was registered

  [[nodiscard]] double seconds() const noexcept { return map_seconds + touch_seconds + register_seconds; }
};

/// One line for a log.
[[nodiscard]] inline std::string to_string(const pinned_report& r)
{
  const auto text = [](const char* format, double value) {
    char out[32];
    std::snprintf(out, sizeof out, format, value);
    return std::string(out);
  };
  std::string line = kvstrata::detail::name_of(kvstrata::detail::memory_place::pinned, r.name) + ", " +
                     text("%.1f", static_cast<double>(r.bytes) / (1 << 20)) + " MiB, was ready after " +
                     text("%.3f", r.seconds()) + " s: ";
  if (!r.not_registered.empty()) return line + "cudaHostAlloc, because " + r.not_registered;
  line += "touched by " + std::to_string(r.threads) + (r.threads == 1 ? " thread in " : " threads in ") +
          text("%.3f", r.touch_seconds) + " s, registered in " + text("%.3f", r.register_seconds) + " s";
  if (r.huge_bytes) {
    line += ", " + text("%.0f", 100 * static_cast<double>(*r.huge_bytes) / static_cast<double>(r.bytes)) +
            " % in huge pages";
  }
  return line;
}

namespace cuda {

/// Owns its memory. Frees it whatever state the runtime is in.
class pinned_memory
{
 public:
  pinned_memory() = default;

  /// Once. Throws capacity_error when neither way gives the memory.
  [[nodiscard]] call_result open(const gpu& g, std::size_t bytes, const cuda_device_config& config,
                                 pinned_report& report)
  {
    const current_device here(g.ordinal);
    if (!here.result()) return here.result();
    report.bytes = bytes;
    report.not_registered = g.why_not_registered;
    if (report.not_registered.empty() && map_and_register(bytes, config, report)) return {};
    const stop_watch watch;
    void* at = nullptr;
    const call_result result{cudaHostAlloc(&at, bytes, cudaHostAllocPortable | cudaHostAllocMapped), "cudaHostAlloc"};
    report.register_seconds = watch.seconds();
    if (result) data_ = static_cast<std::byte*>(at);
    if (result.code != cudaErrorMemoryAllocation) return result;
    forget_error();
    throw capacity_error(kvstrata::detail::name_of(kvstrata::detail::memory_place::pinned, report.name) + " of " +
                         std::to_string(bytes) + " bytes cannot be had: cudaHostAlloc returned " +
                         text_of(result.code) +
                         (report.not_registered.empty() ? "" : ", and " + report.not_registered));
  }
  pinned_memory(pinned_memory&& other) noexcept
      : mapping_(std::move(other.mapping_)), data_(std::exchange(other.data_, nullptr))
  {
  }
  pinned_memory& operator=(pinned_memory&& other) noexcept
  {
    std::swap(mapping_, other.mapping_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~pinned_memory()
  {
    if (data_ == nullptr) return;
    if (mapping_.data() == nullptr) {
      if (cudaFreeHost(data_) != cudaSuccess) forget_error();
    } else if (cudaHostUnregister(data_) != cudaSuccess) {
      forget_error();
      mapping_.abandon();  // what the driver may still hold as pinned is not given to anybody else
    }
  }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }

 private:
  class stop_watch
  {
   public:
    [[nodiscard]] double seconds() const noexcept
    {
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

   private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  };

  [[nodiscard]] bool map_and_register(std::size_t bytes, const cuda_device_config& config, pinned_report& report)
  {
    constexpr std::size_t large = std::size_t{64} << 20;
    const stop_watch mapping;
    host_mapping fresh(bytes, config.huge_pages);
    report.map_seconds = mapping.seconds();
    if (fresh.data() == nullptr) {
      report.not_registered = "the system refuses to map it";
      return false;
    }
    const stop_watch touching;
    const std::uint32_t cores = (std::clamp)(std::thread::hardware_concurrency(), 1U, 16U);
    report.threads = touch_pages(fresh, config.pin_threads == 0 ? cores : config.pin_threads);
    report.touch_seconds = touching.seconds();
    const stop_watch registering;
    const cudaError_t code =
        cudaHostRegister(fresh.data(), fresh.size(), cudaHostRegisterPortable | cudaHostRegisterMapped);
    report.register_seconds = registering.seconds();
    if (code != cudaSuccess) {
      forget_error();
      report.not_registered = "cudaHostRegister returned " + text_of(code);
      return false;
    }
    if (bytes >= large) report.huge_bytes = bytes_in_huge_pages({fresh.data(), fresh.size()});
    mapping_ = std::move(fresh);
    data_ = mapping_.data();
    return true;
  }

  host_mapping mapping_;  // empty where it is cudaHostAlloc's
  std::byte* data_ = nullptr;
};

}  // namespace cuda
}  // namespace kvstrata
