// What the CUDA runtime answers, and how it is told.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cuda_runtime_api.h>

#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// What a call of the runtime came to.
struct call_result
{
  cudaError_t code = cudaSuccess;
  const char* call = "";  ///< the function's name

  [[nodiscard]] explicit operator bool() const noexcept { return code == cudaSuccess; }
};

/// "cudaErrorInvalidValue (invalid argument)".
[[nodiscard]] inline std::string text_of(cudaError_t code)
{
  return std::string(cudaGetErrorName(code)) + " (" + cudaGetErrorString(code) + ")";
}

/// "<what> failed: cudaMemcpyAsync returned cudaErrorInvalidValue (invalid argument)".
[[nodiscard]] inline std::string sentence_of(const call_result& failed, std::string_view what)
{
  return std::string(what) + " failed: " + failed.call + " returned " + text_of(failed.code);
}

/// Did the runtime turn a call down and stay as it was? Such an answer is about that call alone. Most others are of work that
/// went wrong earlier, whoever hears of it: then every later call is answered so until the process ends.
[[nodiscard]] constexpr bool is_refusal(cudaError_t code) noexcept
{
  switch (code) {
    case cudaErrorInvalidValue:          // of this call's arguments
    case cudaErrorMemoryAllocation:      // for what the call needs besides
    case cudaErrorInvalidConfiguration:  // of a kernel: larger than the GPU allows
    case cudaErrorLaunchOutOfResources:  // registers, mostly
    case cudaErrorNotSupported:
    case cudaErrorNotPermitted: return true;
    default: return false;
  }
}

/// After a failure: a literal.
[[nodiscard]] constexpr std::string_view what_to_do(cudaError_t code) noexcept
{
  if (is_refusal(code)) return "give up its caches, and the device: it runs nothing any more";
  return "give up its caches, and the process: CUDA answers it so from now on";
}

/// The runtime keeps every answer but success for whoever asks a thread's last error next: one that we have dealt with
/// must not be taken for that of a kernel's launch.
inline void forget_error() noexcept { static_cast<void>(cudaGetLastError()); }

/// Asks whether an event has come to pass; "not ready" is no failure.
[[nodiscard]] inline call_result has_passed(cudaEvent_t point, bool& passed) noexcept
{
  const cudaError_t code = cudaEventQuery(point);
  passed = code == cudaSuccess;
  if (passed) return {};
  forget_error();
  return {code == cudaErrorNotReady ? cudaSuccess : code, "cudaEventQuery"};
}

}  // namespace kvstrata::cuda
