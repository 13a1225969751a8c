// A machine that serves a model, described by figures: what the emulated device in virtual time, a cost model and a cache's
// sizes are made from. simulate/machine_file.hpp reads one from a small file.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/exact.hpp>
#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/device/emulated/config.hpp>
#include <kvstrata/transfer/cost_model.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A model by what it computes: the KV's shape, the hidden size, and the candidates that each request scores.
struct model_shape
{
  geometry kv{};
  std::uint32_t hidden = 0;
  token_count candidates = 0;
  double token_flops = 0;  ///< of a layer, for a token, attention left out; 0: HSTU's, which hidden size and shape tell
  double pair_flops = 0;   ///< of a layer, for one token that attends to one; says something with token_flops alone
};

/// Effective figures: what the machine reaches, not what its data sheet promises.
struct machine_description
{
  std::string name;
  double flops_per_second = 0;  ///< on the model's shapes
  link_model to_device{};
  link_model from_device{};
  copy_kernel_model copy_kernels{};
  model_shape model{};
  std::uint64_t device_bytes = 0;     ///< of device memory for the KV of users
  std::uint64_t host_bytes = 0;       ///< of pinned memory for the tier below
  double store_bytes_per_second = 0;  ///< that a store below that reads; 0: there is none
  double store_latency_seconds = 0;   ///< before the first byte of a record
};

/// Throws config_error when a figure makes no sense.
inline void check(const machine_description& m)
{
  check(m.model.kv);
  check(emulated_device_config{.time = time_mode::virtual_time,
                               .to_device = m.to_device,
                               .from_device = m.from_device,
                               .copy_kernels = m.copy_kernels,
                               .data = false});
  check(machine{.flops_per_second = m.flops_per_second});
  detail::require_figure("machine", "store_bytes_per_second", m.store_bytes_per_second);
  detail::require_figure("machine", "store_latency_seconds", m.store_latency_seconds);
  if (m.model.hidden == 0) throw config_error("machine.model.hidden", 0, "it must be at least 1");
  detail::require_figure("machine.model", "token_flops", m.model.token_flops);
  detail::require_figure("machine.model", "pair_flops", m.model.pair_flops);
  if ((m.model.token_flops > 0) != (m.model.pair_flops > 0)) {
    throw config_error("machine.model.pair_flops", std::to_string(m.model.pair_flops),
                       "token_flops is " + std::to_string(m.model.token_flops) + ": give both, or neither for HSTU");
  }
  if (m.device_bytes == 0) throw config_error("machine.device_bytes", 0, "users' KV needs room on the device");
}

/// The machine as a device in virtual time, without data.
[[nodiscard]] inline emulated_device_config device_of(const machine_description& m)
{
  return {.time = time_mode::virtual_time,
          .to_device = m.to_device,
          .from_device = m.from_device,
          .copy_kernels = m.copy_kernels,
          .data = false};
}

/// The figures that decide whether to fetch or to compute.
[[nodiscard]] inline machine figures_of(const machine_description& m)
{
  return {.flops_per_second = m.flops_per_second,
          .link_bytes_per_second = m.to_device.bytes_per_second,
          .link_latency_seconds = m.to_device.latency_seconds};
}

/// What a token costs to compute and to fetch, by arithmetic.
[[nodiscard]] inline cost_model cost_of(const machine_description& m)
{
  if (is_exactly(m.model.token_flops, 0)) return cost_model::of(figures_of(m), m.model.hidden, m.model.kv);
  return cost_model::of(
      compute_speed{.seconds_per_token = m.model.token_flops / m.flops_per_second,
                    .seconds_per_pair = m.model.pair_flops / m.flops_per_second},
      link_speed{.latency_seconds = m.to_device.latency_seconds, .bytes_per_second = m.to_device.bytes_per_second},
      m.model.kv);
}

/// Seconds one layer takes to compute these tokens of the window [first_token, history), and the candidates that attend
/// to all of it.
[[nodiscard]] inline double layer_seconds(const cost_model& cost, token_count candidates,
                                          std::span<const token_interval> tokens, token_count history,
                                          token_count first_token = 0)
{
  return cost.compute_seconds(tokens, first_token) +
         candidates * (cost.seconds_per_token + cost.seconds_per_pair * (history - first_token + 1.0));
}

}  // namespace kvstrata
