// What the ordering checker finds, and how it tells it.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstdint>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Two accesses to the same bytes, at least one of them a write, and nothing says which comes first.
struct ordering_violation
{
  struct access
  {
    std::string label;           ///< "copy to device", a kernel's label, "free", ...
    std::string stream;          ///< the stream's name; "host" for the host
    std::uint64_t sequence = 0;  ///< place on the stream; 0 for the host
    bool writes = false;
    friend bool operator==(const access&, const access&) = default;
  };
  access first;  ///< the one that was queued first
  access second;
  std::string region;       ///< the allocation's name; empty for memory that is not the device's
  std::uint64_t begin = 0;  ///< bytes [begin, end) of the region
  std::uint64_t end = 0;
};

[[nodiscard]] inline std::string to_string(const ordering_violation& v)
{
  const auto tell = [](const ordering_violation::access& a) {
    const std::string place =
        a.sequence == 0 ? "on the host" : "operation " + std::to_string(a.sequence) + " of stream '" + a.stream + "'";
    return "'" + a.label + "' (" + place + ", " + (a.writes ? "writes" : "reads") + ")";
  };
  return tell(v.first) + " and " + tell(v.second) + " both touch bytes [" + std::to_string(v.begin) + ", " +
         std::to_string(v.end) + ") of " + (v.region.empty() ? "memory outside the device" : "'" + v.region + "'") +
         ", and nothing orders them";
}

}  // namespace kvstrata
