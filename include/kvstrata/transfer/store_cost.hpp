// What a store's tokens cost until they are on the device, and what computing them costs instead.
//
// They come into the last memory first, and go up then: the journeys follow one another. A lease that begins before they have
// come gets them layer by layer, so that the link waits for a layer only.
#pragma once

#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/transfer/cost_model.hpp>

#include <cstdint>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What is fetched from a store although the device computes it sooner.
enum class staged_for : std::uint8_t {
  latency,     ///< nothing is
  throughput,  ///< it is fetched all the same, and leaves the device to others. Counted apart
};

[[nodiscard]] constexpr std::string_view name_of(staged_for what) noexcept
{
  return what == staged_for::latency ? "latency" : "throughput";
}

struct store_cost
{
  cost_model cost{};
  link_speed reads{};             ///< the store's; 0 bytes a second: nobody knows
  std::uint64_t token_bytes = 0;  ///< in all layers

  /// Is enough known to decide by it?
  [[nodiscard]] bool knows() const noexcept
  {
    return reads.bytes_per_second > 0 && (cost.seconds_per_token > 0 || cost.seconds_per_pair > 0);
  }
  /// Seconds until so many tokens are on the device, when the store has `before` bytes to read for others.
  [[nodiscard]] double seconds_to_come(std::uint64_t tokens, std::uint64_t before, bool by_layer) const noexcept
  {
    const std::uint64_t bytes = before + tokens * token_bytes;
    return reads.latency_seconds + static_cast<double>(bytes) / reads.bytes_per_second +
           cost.fetch_seconds(tokens) * (by_layer ? 1 : cost.layers);
  }
  /// Seconds that the model takes for them; they attend to nothing before `first`.
  [[nodiscard]] double seconds_to_compute(token_interval tokens, token_count first) const noexcept
  {
    return cost.compute_seconds(tokens, first) * cost.layers;
  }
  [[nodiscard]] bool computes_sooner(token_interval tokens, token_count first, std::uint64_t before,
                                     bool by_layer) const noexcept
  {
    return knows() && seconds_to_compute(tokens, first) < seconds_to_come(tokens.size(), before, by_layer);
  }
};

}  // namespace kvstrata
