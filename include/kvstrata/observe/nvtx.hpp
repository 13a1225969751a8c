// A tracker that shows what a cache does in NVIDIA's profilers: a range for each call, marks for evictions and pressure,
// in the domain "kvstrata". Without a profiler a range costs a comparison.
//
// Only where <nvtx3/nvToolsExt.h> can be included, as the CUDA toolkit has it; elsewhere this file defines nothing.
// NVTX 3 is a header of C without a library to link, and no part of the CUDA runtime.
#pragma once

#if __has_include(<nvtx3/nvToolsExt.h>)

#include <kvstrata/observe/concepts.hpp>

#include <nvtx3/nvToolsExt.h>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Ranges are of the calling thread. The domain lives as long as the tracker.
class nvtx
{
 public:
  nvtx() : domain_(nvtxDomainCreateA("kvstrata")) {}
  nvtx(const nvtx&) = delete;
  nvtx& operator=(const nvtx&) = delete;
  ~nvtx() { nvtxDomainDestroy(domain_); }

  void on(const call_began& e) noexcept
  {
    const nvtxEventAttributes_t attributes = message(name_of(e.call).data());  // a literal
    nvtxDomainRangePushEx(domain_, &attributes);
  }
  void on(const call_ended&) noexcept { nvtxDomainRangePop(domain_); }

  /// The payload is the number of tokens.
  void on(const tokens_evicted& e) noexcept
  {
    static constexpr by_level<const char*> texts{"evicted from level 0", "evicted from level 1", "evicted from level 2",
                                                 "evicted from level 3", "evicted from level 4", "evicted from level 5",
                                                 "evicted from level 6", "evicted from level 7"};
    mark(texts[e.from], e.tokens);
  }
  void on(const pressure_met&) noexcept
  {
    const nvtxEventAttributes_t attributes = message("pressure");
    nvtxDomainMarkEx(domain_, &attributes);
  }

 private:
  [[nodiscard]] static nvtxEventAttributes_t message(const char* text) noexcept
  {
    nvtxEventAttributes_t attributes{};
    attributes.version = NVTX_VERSION;
    attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
    attributes.messageType = NVTX_MESSAGE_TYPE_ASCII;
    attributes.message.ascii = text;
    return attributes;
  }

  void mark(const char* text, std::uint64_t tokens) noexcept
  {
    nvtxEventAttributes_t attributes = message(text);
    attributes.payloadType = NVTX_PAYLOAD_TYPE_UNSIGNED_INT64;
    attributes.payload.ullValue = tokens;
    nvtxDomainMarkEx(domain_, &attributes);
  }

  nvtxDomainHandle_t domain_;
};

static_assert(tracks<nvtx, call_began> && tracks<nvtx, call_ended> && tracks<nvtx, tokens_evicted>);

}  // namespace kvstrata

#endif
