// What computing and fetching cost is said once in a cache's configuration, for whoever weighs it.
#pragma once

#include <kvstrata/transfer/cost_model.hpp>

#include <concepts>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A split policy that decides by a cost model, its member `cost`.
template <class S>
concept split_with_cost = requires(S& split) {
  { split.cost } -> std::convertible_to<const cost_model&>;
};

/// Is nothing said: does the model find everything free, as a default-constructed one does?
[[nodiscard]] constexpr bool is_free(const cost_model& cost) noexcept
{
  return !(cost.seconds_per_token > 0 || cost.seconds_per_pair > 0 || cost.fetch_seconds_per_token > 0 ||
           cost.fetch_latency_seconds > 0);
}

namespace detail {

/// The split policy of a configuration: where its cost is not given, `costs` is it.
template <class Config>
[[nodiscard]] auto split_from(const Config& c)
{
  auto split = c.split;
  if constexpr (split_with_cost<decltype(split)>) {
    if (is_free(split.cost)) split.cost = c.costs;
  }
  return split;
}

/// What replacement policies are told: where `costs` is not given, the cost of the split policy.
template <class Config>
[[nodiscard]] cost_model costs_from(const Config& c)
{
  if constexpr (split_with_cost<std::remove_cvref_t<decltype(c.split)>>) {
    if (is_free(c.costs)) return c.split.cost;
  }
  return c.costs;
}

}  // namespace detail
}  // namespace kvstrata
