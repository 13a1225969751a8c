// Device hits before the control plane was made compact, at commit 5a85be3: what they may not fall much below where no
// baseline is at hand to be asked.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace levels {

/// Percent of the tokens, on the stream of that name.
[[nodiscard]] inline double recorded_device_percent(std::string_view stream, std::string_view place)
{
  struct record
  {
    std::string_view stream, place;
    double percent;
  };
  constexpr record records[] = {
      {"kuairand_pure", "s3_default", 90.34},       {"kuairand_pure", "s3_mtserve", 90.33},
      {"kuairand_pure", "s3_small_default", 75.30}, {"kuairand_pure", "s3_small_mtserve", 72.57},
      {"synthetic", "s3_default", 90.62},           {"synthetic", "s3_mtserve", 90.60},
      {"synthetic", "s3_small_default", 79.09},     {"synthetic", "s3_small_mtserve", 77.04},
  };
  for (const record& r : records) {
    if (r.stream == stream && r.place == place) return r.percent;
  }
  throw std::runtime_error("no device hits are recorded of " + std::string(place) + " on " + std::string(stream));
}

}  // namespace levels
