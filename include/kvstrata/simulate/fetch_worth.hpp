// From which length on a level's KV is fetched in less time than it is computed again: L* of each level of a machine, and a
// sentence for people.
//
// Per layer, in bf16: recompute 10 L d D + 2 L^2 D FLOP, fetch 4 L D bytes; so L* = 2 F / B - 5 d (transfer/cost_model.hpp), and
// a little more for latencies. What a store has comes into the arena first: its journeys follow one another. Below L* a fetch
// costs latency; it still frees the device for others, which is throughput.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/simulate/machine.hpp>

#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A level below the slab.
struct fetch_worth
{
  std::string_view level;
  double from_tokens = 0;  ///< from this length on a fetch is quicker; infinite: at none

  /// Is it quicker for any history of at most `longest` tokens?
  [[nodiscard]] bool pays_within(token_count longest) const noexcept { return from_tokens <= longest; }
};

/// The cost of a token that comes from the machine's store, staged and then copied up.
[[nodiscard]] inline cost_model cost_from_store(const machine_description& m)
{
  machine figures = figures_of(m);
  const double store = 1 / m.store_bytes_per_second;
  const double link = m.to_device.bytes_per_second > 0 ? 1 / m.to_device.bytes_per_second : 0;
  figures.link_bytes_per_second = 1 / (store + link);
  figures.link_latency_seconds += m.store_latency_seconds / m.model.kv.layers;  // once for all layers
  return cost_model::of(figures, m.model.hidden, m.model.kv);
}

/// The arena, and the store where the machine has one.
[[nodiscard]] inline std::vector<fetch_worth> worth_of_fetches(const machine_description& m)
{
  std::vector<fetch_worth> out{{"arena", cost_of(m).break_even_tokens()}};
  if (m.store_bytes_per_second > 0) out.push_back({"store", cost_from_store(m).break_even_tokens()});
  return out;
}

/// `longest`: no history is longer.
[[nodiscard]] inline std::string sentence_of(const fetch_worth& worth, token_count longest)
{
  const std::string level = "fetching from the " + std::string(worth.level);
  if (worth.from_tokens <= 1) return level + " beats computing at every length";
  const auto tokens = [](double n) {
    char text[32];
    std::snprintf(text, sizeof text, "%.0f", std::ceil(n));
    return std::string(text) + " tokens";
  };
  if (worth.pays_within(longest)) return level + " beats computing from " + tokens(worth.from_tokens) + " on";
  const std::string end =
      std::isfinite(worth.from_tokens) ? " (it would from " + tokens(worth.from_tokens) + " on)" : std::string();
  return level + " never pays for latency with histories of at most " + tokens(longest) + end + ": it frees the GPU";
}

}  // namespace kvstrata
