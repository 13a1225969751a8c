// What an emulated device is asked to be, and the check that it makes sense.
#pragma once

#include <kvstrata/core/error.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

enum class time_mode : std::uint8_t {
  real,          ///< a worker thread per stream; links are slowed down by sleeping
  virtual_time,  ///< no threads: a deterministic discrete-event simulation that moves when the host asks
};

/// What a copy costs on a link. All streams share the link of a direction; a copy holds it for cost(bytes), a batch
/// once for batch_cost(bytes, pieces).
struct link_model
{
  double bytes_per_second = 0;  ///< 0: unlimited; else at least 1
  double latency_seconds = 0;   ///< per copy call, or batch
  double piece_seconds = 0;     ///< per piece of a batch

  /// Seconds one copy of `bytes` holds the link.
  [[nodiscard]] double cost(std::size_t bytes) const noexcept
  {
    const double travel = bytes_per_second > 0 ? static_cast<double>(bytes) / bytes_per_second : 0;
    return latency_seconds + travel;
  }
  /// Seconds a batch of `pieces` pieces, `bytes` together, holds the link.
  [[nodiscard]] double batch_cost(std::size_t bytes, std::size_t pieces) const noexcept
  {
    return cost(bytes) + static_cast<double>(pieces) * piece_seconds;
  }
};

/// What a kernel that copies costs. One to or from the device holds the link of that direction.
struct copy_kernel_model
{
  double latency_seconds = 0;             ///< per kernel; the link's own latency is not added
  double sm_bytes_per_second = 0;         ///< what one multiprocessor moves to or from pinned memory; 0: unlimited
  double device_bytes_per_second = 0;     ///< what device memory gives, for kernels on the device; 0: unlimited
  double sm_device_bytes_per_second = 0;  ///< what one multiprocessor moves on the device; 0: as of pinned memory

  /// Seconds a kernel on `sms` multiprocessors (0: all), of `per_sm` each, needs for `bytes` through something that
  /// passes `bytes_per_second`.
  [[nodiscard]] double cost(std::size_t bytes, std::uint32_t sms, double per_sm, double bytes_per_second) const noexcept
  {
    const double ours = static_cast<double>(sms) * per_sm;
    const bool ours_is_less = ours > 0 && (bytes_per_second <= 0 || ours < bytes_per_second);
    const double rate = ours_is_less ? ours : bytes_per_second;
    return latency_seconds + (rate > 0 ? static_cast<double>(bytes) / rate : 0);
  }
};

struct emulated_device_config
{
  std::size_t device_bytes = 0;  ///< bound on all allocate_device together; 0: unbounded
  std::size_t pinned_bytes = 0;  ///< bound on all allocate_pinned together; 0: unbounded
  time_mode time = time_mode::real;
  link_model to_device{};
  link_model from_device{};
  link_model on_host{};  ///< what a copy from host memory to host memory costs; it holds no link
  copy_kernel_model copy_kernels{};
  std::uint64_t seed = 0;       ///< virtual time: breaks ties, draws delays and orders
  double jitter_seconds = 0;    ///< virtual time: each operation starts up to this much late, so that seeds explore
                                ///< legal interleavings
  bool reorder_copies = false;  ///< virtual time: a link serves what waits for it in an order drawn from the seed, not
                                ///< first come, first served; copies of one stream keep their order
  bool share_compute =
      false;         ///< virtual time: kernels of all streams run one at a time, in the order in which they are
                     ///< ready, as copies on a link do; else they run side by side as if each were alone.
                     ///< Kernels that copy are not among them
  bool data = true;  ///< false (virtual time only): memory is reserved but not backed; copies and kernels
                     ///< cost time and have no effect
  bool check_ordering = false;  ///< report unordered conflicting accesses: violations()
  bool poison_freed = false;    ///< poison() fills with 0xFF (NaN in every floating-point type), and so does freeing
  bool trace = false;           ///< keep the span of every operation and every stall: trace()
  /// Real time: how long the host waits for an event while a point of a host stream is open, before it is told so; 0: for
  /// ever. Virtual time needs no patience.
  double patience_seconds = 60;
};

namespace emulated {

/// 30 years: no single time that the device is asked to pass may be longer, so that sleeps and clocks, which count in 64
/// bits, have room.
inline constexpr double longest_seconds = 1e9;

}  // namespace emulated

/// Throws config_error when a field is nonsense or contradicts another.
inline void check(const emulated_device_config& config)
{
  const auto turn_down = [](std::string_view field, double value, std::string_view limit) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", value);
    throw config_error(field, text, limit);
  };
  const auto at_least_zero = [&](std::string_view field, double value) {
    if (!(value >= 0) || !std::isfinite(value)) turn_down(field, value, "it must be a finite number, at least 0");
  };
  const auto at_most_longest = [&](std::string_view field, double value) {
    at_least_zero(field, value);
    if (value > emulated::longest_seconds) turn_down(field, value, "it may be at most 1e+09 seconds");
  };
  const auto rate = [&](std::string_view field, double value) {
    at_least_zero(field, value);
    if (value > 0 && value < 1) turn_down(field, value, "it must be 0, for unlimited, or at least 1 byte a second");
  };
  const auto link = [&](const std::string& field, const link_model& l) {
    rate(field + ".bytes_per_second", l.bytes_per_second);
    at_most_longest(field + ".latency_seconds", l.latency_seconds);
    at_most_longest(field + ".piece_seconds", l.piece_seconds);
  };
  link("emulated_device.to_device", config.to_device);
  link("emulated_device.from_device", config.from_device);
  link("emulated_device.on_host", config.on_host);
  at_most_longest("emulated_device.copy_kernels.latency_seconds", config.copy_kernels.latency_seconds);
  rate("emulated_device.copy_kernels.sm_bytes_per_second", config.copy_kernels.sm_bytes_per_second);
  rate("emulated_device.copy_kernels.sm_device_bytes_per_second", config.copy_kernels.sm_device_bytes_per_second);
  rate("emulated_device.copy_kernels.device_bytes_per_second", config.copy_kernels.device_bytes_per_second);
  at_most_longest("emulated_device.jitter_seconds", config.jitter_seconds);
  at_most_longest("emulated_device.patience_seconds", config.patience_seconds);
  if (config.time != time_mode::real) return;
  if (config.jitter_seconds > 0) {
    turn_down("emulated_device.jitter_seconds", config.jitter_seconds, "delays are only drawn in virtual time");
  }
  if (config.reorder_copies) {
    throw config_error("emulated_device.reorder_copies", "true", "links only serve out of turn in virtual time");
  }
  if (config.share_compute) {
    throw config_error("emulated_device.share_compute", "true", "kernels only take their turns in virtual time");
  }
  if (!config.data) {
    throw config_error("emulated_device.data", "false", "data can only be switched off in virtual time");
  }
}

}  // namespace kvstrata
