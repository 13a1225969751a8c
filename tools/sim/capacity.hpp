// Sizes as people write them: 1000 objects, 64MiB, 5%.
#pragma once

#include <kvstrata/replacement/object_info.hpp>
#include <kvstrata/simulate/footprint.hpp>
#include <kvstrata/simulate/object_cache.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace sim {

struct capacity
{
  enum class unit : std::uint8_t { objects, bytes, percent };

  std::string text;  ///< as it was written
  unit in = unit::percent;
  double amount = 0;
};

/// "1000", "64MiB", "1.5GB", "800B", "5%". Throws kvstrata::config_error naming the option.
[[nodiscard]] capacity read_capacity(std::string_view option, const std::string& text);

/// "1000", "64MiB": bytes, with or without a suffix. Throws kvstrata::config_error naming the option.
[[nodiscard]] std::uint64_t read_bytes(std::string_view option, const std::string& text);

/// "500" requests, or "90s", "10min", "1h", "1d" of the trace's time.
struct stretch
{
  std::uint64_t requests = 0;
  std::int64_t ms = 0;
};
[[nodiscard]] stretch read_stretch(std::string_view option, const std::string& text);

/// The cache of that capacity for a trace with this footprint. Objects are counted with unit sizes, bytes with others;
/// a share is one of either. Throws kvstrata::config_error where they do not go together.
[[nodiscard]] kvstrata::tier_size size_of(const capacity& c, const kvstrata::footprint& f, kvstrata::object_size sizes);

}  // namespace sim
