// What a configuration is allowed to say and probably does not mean, in sentences. The library prints nothing: a program asks
// for them at start-up and logs them.
//
//   for (const std::string& each : kvstrata::warnings_of<my_cache>(config)) log(each);
#pragma once

#include <kvstrata/cache.hpp>
#include <kvstrata/cache/said_costs.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/core/numa.hpp>
#include <kvstrata/core/options.hpp>
#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/replacement/concepts.hpp>

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// Whether one of the levels' replacement policies weighs costs. Only its type is looked at.
template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
[[nodiscard]] constexpr bool some_policy_weighs(const cache<Tiers, Layout, Transfer, Replacement, Tracker>*) noexcept
{
  return !each_level_while<0, Tiers::memories>([](auto i) {
    return !weighs_costs<replacement_of_t<typename Tiers::template tier<i()>::replacement, Replacement>>;
  });
}

/// Bytes of a memory, where its configuration says them: 0 where it does not.
template <class TierConfig>
[[nodiscard]] std::uint64_t bytes_said(const TierConfig& tier, std::uint64_t page) noexcept
{
  if constexpr (requires { tier.region.total; }) {
    if (tier.region.total != 0) return std::uint64_t{tier.region.pages - tier.region.window} * page;
  }
  if constexpr (requires {
                  { tier.bytes } -> std::convertible_to<std::uint64_t>;
                })
    return tier.bytes;
  else return 0;
}

/// Bytes of the pages, as they are, of which a memory has room for codes.
template <class Recipe, class Config>
[[nodiscard]] std::uint64_t bytes_held(const typename Recipe::config& tier, const Config& c)
{
  const token_count tokens = c.layout.page_tokens;
  const std::uint64_t codes = code_bytes_of<Recipe>(tier, c.shape, tokens);
  return codes / page_bytes(stored_shape<Recipe>(tier, c.shape, tokens), tokens) * page_bytes(c.shape, tokens);
}

/// Why a memory does not come from the NUMA node that its configuration names; empty where it does, or none is named.
template <class TierConfig>
[[nodiscard]] std::string why_not_its_node([[maybe_unused]] const TierConfig& tier)
{
  if constexpr (requires { tier.numa_node; }) {
    if (tier.numa_node) return why_not_numa_node(*tier.numa_node);
  }
  return {};
}

}  // namespace detail

/// Sentences about a configuration that would be accepted: a level smaller than the one above it; a NUMA node that cannot be
/// had; a split policy, or a replacement policy, that weighs costs and is told of none. Empty when there is nothing to say. Checks nothing else. `Cache`:
/// a kvstrata::cache, or a type derived from one.
template <class Cache>
[[nodiscard]] std::vector<std::string> warnings_of(const typename Cache::config& c)
{
  using tiers_type = typename Cache::config::tiers_type;
  std::vector<std::string> out;
  const std::uint64_t page = page_bytes(c.shape, c.layout.page_tokens);
  std::uint64_t above = detail::bytes_said(std::get<0>(c.tiers), page);
  std::string_view above_name = tiers_type::names[0];
  each_level<1, tiers_type::memories>([&](auto i) {
    using recipe = typename tiers_type::template tier<i()>;
    std::uint64_t bytes = detail::bytes_said(std::get<i()>(c.tiers), page);
    if constexpr (keeps_codes<recipe>) bytes = detail::bytes_held<recipe>(std::get<i()>(c.tiers), c);
    const std::string_view name = tiers_type::names[i()];
    if (bytes != 0 && bytes < above) {
      out.push_back(
          "the " + std::string(name) + " has " + std::to_string(bytes) + " bytes, fewer than the " +
          std::string(above_name) + " above it, which has " + std::to_string(above) +
          ": what is below must be evicted while it is still above, and is written again at each commit; make "
          "it larger than what is above it, or do without it");
    }
    if (bytes != 0) {
      above = bytes;
      above_name = name;
    }
    if (const std::string why = detail::why_not_its_node(std::get<i()>(c.tiers)); !why.empty()) {
      out.push_back("the " + std::string(name) + " does not come from the NUMA node that it is told, because " + why);
    }
  });
  if constexpr (split_with_cost<decltype(detail::split_from(c))>) {
    if (is_free(detail::split_from(c).cost)) {
      out.emplace_back(
          "neither split.cost nor costs is given: the split policy finds everything free and never computes what a "
          "level has; transfer/calibrate.hpp measures a cost model");
    }
  }
  if constexpr (detail::some_policy_weighs(static_cast<const Cache*>(nullptr))) {
    if (is_free(detail::costs_from(c))) {
      out.emplace_back(
          "costs is not given: the replacement policy weighs what users cost to bring back, and takes all to cost the "
          "same; transfer/calibrate.hpp measures a cost model");
    }
  }
  return out;
}

}  // namespace kvstrata
