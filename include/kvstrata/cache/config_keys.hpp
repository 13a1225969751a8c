// The keys of a cache's configuration, of whatever it is composed: what a file may say (cache/config_file.hpp).
//
// key                                    meaning
// -------------------------------------- -------------------------------------------------------------------------
// layers, kv_heads, head_dim, element    shape; as in a machine file
// page_tokens, chunk, host_order,        layout, as far as it has them
//   longest
// slab_bytes, slab_gib, device_gib       tiers, by their names: `arena_gib`, and likewise for every tier whose config has
//   slab_slack, slab_window_bytes        `bytes`. Of several of one name each has its level's number behind it, `arena_1_gib`.
//   arena_bytes, arena_gib, host_gib,    device_gib and host_gib are levels 0 and 1 whatever they are called
//   arena_numa_node, arena_numa_required (a number or none; true or false)
//   arena_raw_share                      with a codec
// epoch
// split_candidates, split_..., costs_... the split's cost model and `costs`: each ..._seconds_per_token, _seconds_per_pair,
//                                        _fetch_seconds_per_token, _fetch_latency_seconds, _layers
// writes_in_flight_bytes, clean_above,   writes; `unlimited` is a number of bytes there
//   clean_below
// stores_room_bytes, stage_from,         stores, where there are any
//   late_reads, store_get_seconds, store_read_seconds, store_reads_latency_seconds, store_reads_bytes_per_second, stages_for
// kept_stretches, copy_lanes,
//   overwrite_erased
//
// Every ..._bytes may be told as ..._gib. A tier's config, a layout or a split policy of yours names its members by a function
// beside it, and gets the tier's name in front of them:
//
//   template <class Visit> void each_config_key(my_tier_config& c, Visit& visit) { visit("directory", c.directory); }
//
// Values: unsigned numbers, double, bool, std::string, std::filesystem::path, enums by their number, std::optional of these.
#pragma once

#include <kvstrata/cache/config_values.hpp>
#include <kvstrata/cache/said_costs.hpp>
#include <kvstrata/codec/identity.hpp>
#include <kvstrata/core/levels.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// One key of a configuration that is being read or written.
struct config_key
{
  std::string name;
  std::string says;  ///< the key that is written for it: keys that say the same may not stand in one file
  std::function<std::string(std::string_view)> set;  ///< what is wrong with the text; empty: nothing
  std::function<std::string()> get;
};

/// Gathers keys; what they set must outlive it.
class config_key_list
{
 public:
  template <class T>
  void operator()(std::string_view name, T& value)
  {
    const std::string whole = prefix_ + std::string(name);
    all_.push_back({whole, whole, [&value](std::string_view spelled) { return value_from(spelled, value); },
                    [&value] { return value_text(std::as_const(value)); }});
    constexpr std::string_view unit = "_bytes";
    if constexpr (std::same_as<T, std::uint64_t> || std::same_as<T, std::size_t>) {
      if (whole.ends_with(unit)) in_gib(whole.substr(0, whole.size() - unit.size()) + "_gib", whole, value);
    }
  }

  /// A number for which the largest one means that there is no limit.
  void limit(std::string_view name, std::uint64_t& value)
  {
    constexpr std::uint64_t none = (std::numeric_limits<std::uint64_t>::max)();
    (*this)(name, value);
    config_key& key = all_[all_.size() - 2];
    key.set = [&value](std::string_view spelled) {
      if (spelled == "unlimited") value = none;
      return spelled == "unlimited" ? std::string() : value_from(spelled, value);
    };
    key.get = [&value] { return value == none ? "unlimited" : value_text(value); };
  }

  /// Bytes under another name.
  template <class T>
  void in_gib(const std::string& name, const std::string& says, T& value)
  {
    all_.push_back({name,
                    says,
                    [&value](std::string_view spelled) {
                      double gib = 0;
                      std::string wrong = value_from(spelled, gib);
                      if (wrong.empty() && gib * 0x1p30 >= 0x1p63) wrong = "but it may be at most 8589934591";
                      if (wrong.empty()) value = static_cast<T>(gib * 0x1p30);
                      return wrong;
                    },
                    {}});
  }

  /// What comes next has that in front of its name.
  void start(std::string prefix) { prefix_ = std::move(prefix); }

  [[nodiscard]] const std::vector<config_key>& all() const noexcept { return all_; }
  [[nodiscard]] const config_key* find(std::string_view name) const noexcept
  {
    for (const config_key& key : all_) {
      if (key.name == name) return &key;
    }
    return nullptr;
  }

 private:
  std::string prefix_;
  std::vector<config_key> all_;
};

/// A type that names its members by a function of its own.
template <class T>
concept names_config_keys = requires(T& value, config_key_list& keys) { each_config_key(value, keys); };

inline void cost_keys(cost_model& cost, config_key_list& keys)
{
  keys("seconds_per_token", cost.seconds_per_token);
  keys("seconds_per_pair", cost.seconds_per_pair);
  keys("fetch_seconds_per_token", cost.fetch_seconds_per_token);
  keys("fetch_latency_seconds", cost.fetch_latency_seconds);
  keys("layers", cost.layers);
}

template <class Layout>
void layout_keys(Layout& layout, config_key_list& keys)
{
  keys("page_tokens", layout.page_tokens);
  if constexpr (names_config_keys<Layout>) {
    each_config_key(layout, keys);
  } else {
    if constexpr (requires { layout.chunk; }) keys("chunk", layout.chunk);
    if constexpr (requires { layout.host_order; }) keys("host_order", layout.host_order);
    if constexpr (requires { layout.longest; }) keys("longest", layout.longest);
  }
}

template <class TierConfig>
void tier_keys(TierConfig& tier, config_key_list& keys)
{
  if constexpr (requires { tier.bytes; }) keys("bytes", tier.bytes);
  if constexpr (names_config_keys<TierConfig>) {
    each_config_key(tier, keys);
  } else {
    if constexpr (requires { tier.slack; }) keys("slack", tier.slack);
    if constexpr (requires { tier.window_bytes; }) keys("window_bytes", tier.window_bytes);
    if constexpr (requires { tier.numa_node; }) keys("numa_node", tier.numa_node);
    if constexpr (requires { tier.numa_required; }) keys("numa_required", tier.numa_required);
    if constexpr (requires { tier.raw_share; }) {
      if constexpr (!std::same_as<decltype(tier.codec), codec::identity::config>) keys("raw_share", tier.raw_share);
    }
  }
}

template <class Split>
void split_keys(Split& split, config_key_list& keys)
{
  if constexpr (names_config_keys<Split>) {
    each_config_key(split, keys);
  } else {
    if constexpr (requires { split.candidates; }) keys("candidates", split.candidates);
    if constexpr (split_with_cost<Split>) cost_keys(split.cost, keys);
  }
}

/// What a tier's keys begin with.
template <class Tiers>
[[nodiscard]] std::string tier_prefix(level_index level)
{
  std::size_t namesakes = 0;
  for (const std::string_view name : Tiers::names) namesakes += name == Tiers::names[level] ? 1U : 0U;
  std::string out(Tiers::names[level]);
  if (namesakes > 1) out += "_" + std::to_string(level);
  return out + "_";
}

/// The keys of a cache_config, in the order in which they are written.
template <class Config>
[[nodiscard]] config_key_list keys_of(Config& c)
{
  using tiers_type = typename Config::tiers_type;
  config_key_list keys;
  keys("layers", c.shape.layers);
  keys("kv_heads", c.shape.kv_heads);
  keys("head_dim", c.shape.head_dim);
  keys("element", c.shape.element);
  layout_keys(c.layout, keys);
  each_level<0, tiers_type::memories>([&](auto i) {
    auto& tier = std::get<i()>(c.tiers);
    const std::string prefix = tier_prefix<tiers_type>(i());
    keys.start(prefix);
    tier_keys(tier, keys);
    if constexpr (i() < 2 && requires { tier.bytes; }) {
      keys.in_gib(i() == 0 ? "device_gib" : "host_gib", prefix + "bytes", tier.bytes);
    }
  });
  keys.start("");
  keys("epoch", c.epoch);
  keys.start("split_");
  split_keys(c.split, keys);
  keys.start("");
  keys.limit("writes_in_flight_bytes", c.writes.in_flight_bytes);
  keys("clean_above", c.writes.clean_above);
  keys("clean_below", c.writes.clean_below);
  keys.start("costs_");
  cost_keys(c.costs, keys);
  keys.start("");
  if constexpr (tiers_type::stores != 0) {
    keys("stores_room_bytes", c.stores.room_bytes);
    keys("stage_from", c.stores.stage_from);
    keys("late_reads", c.stores.late_reads);
    keys("store_get_seconds", c.stores.get_seconds);
    keys("store_read_seconds", c.stores.read_seconds);
    keys("store_reads_latency_seconds", c.stores.reads.latency_seconds);
    keys("store_reads_bytes_per_second", c.stores.reads.bytes_per_second);
    keys("stages_for", c.stores.stages_for);
  }
  keys("kept_stretches", c.kept_stretches);
  keys("copy_lanes", c.copy_lanes);
  keys("overwrite_erased", c.overwrite_erased);
  return keys;
}

/// Keys that a cache of other parts has: one that is not among this cache's is no slip of the pen.
[[nodiscard]] inline bool is_key_of_another(std::string_view name) noexcept
{
  for (const std::string_view one : {"chunk",
                                     "host_order",
                                     "longest",
                                     "arena_bytes",
                                     "arena_gib",
                                     "host_gib",
                                     "slab_slack",
                                     "slab_window_bytes",
                                     "slab_window_gib",
                                     "arena_numa_node",
                                     "arena_numa_required",
                                     "split_candidates",
                                     "split_seconds_per_token",
                                     "split_seconds_per_pair",
                                     "split_fetch_seconds_per_token",
                                     "split_fetch_latency_seconds",
                                     "split_layers",
                                     "stores_room_bytes",
                                     "stores_room_gib",
                                     "stage_from",
                                     "late_reads",
                                     "store_get_seconds",
                                     "store_read_seconds",
                                     "store_reads_latency_seconds",
                                     "store_reads_bytes_per_second",
                                     "stages_for"}) {
    if (one == name) return true;
  }
  return false;
}

}  // namespace kvstrata::detail
