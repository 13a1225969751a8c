// Where items are: what a placement policy decides, and what a router is told of it.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/ids.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Plain data, as a server's control plane may hand it round. Reading is safe from several threads.
class item_placement
{
 public:
  static constexpr std::uint32_t everywhere = ~std::uint32_t{0};  ///< every node has it
  static constexpr std::uint32_t nobody = ~std::uint32_t{0} - 1;  ///< no node has it: it is computed
  static constexpr std::uint32_t most_items = std::uint32_t{1} << 31U;

  /// Nobody has anything.
  item_placement() = default;
  /// No items yet, on these nodes.
  explicit item_placement(std::vector<std::uint64_t> nodes) : nodes_(std::move(nodes)) {}

  /// Throws config_error for an item that has a home already, for a home that is none of the nodes, and for copies on one node, or
  /// beside everywhere or nobody.
  void add(const sequence_key& key, std::span<const std::uint32_t> homes)
  {
    for (std::size_t c = 0; c < homes.size(); ++c) {
      const bool is_alone = homes[c] == everywhere || homes[c] == nobody;
      if (homes[c] >= nodes_.size() && !is_alone) {
        throw config_error("the home of item " + std::to_string(key.id), homes[c],
                           "there are only " + std::to_string(nodes_.size()) + " nodes");
      }
      if ((is_alone && homes.size() > 1) || std::find(homes.begin(), homes.begin() + static_cast<std::ptrdiff_t>(c),
                                                      homes[c]) != homes.begin() + static_cast<std::ptrdiff_t>(c)) {
        throw config_error("item", key.id, "its copies must be on different nodes");
      }
    }
    const bool has_some = !homes.empty() && homes.front() != nobody;
    const place mine{.begin = homes_.size(), .count = has_some ? static_cast<std::uint32_t>(homes.size()) : 0};
    if (!places_.try_emplace(key, mine).second) {
      throw config_error("item", key.id, "it is placed twice; give each key once");
    }
    if (has_some) homes_.insert(homes_.end(), homes.begin(), homes.end());
  }
  /// One copy, or everywhere, or nobody.
  void add(const sequence_key& key, std::uint32_t home) { add(key, std::span(&home, 1)); }

  /// Ids of the nodes, in the order that homes speak of.
  [[nodiscard]] std::span<const std::uint64_t> nodes() const noexcept { return nodes_; }
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }

  /// Indices into nodes(), one for each copy, in the order of the divisions that they come from; everywhere alone; none where nobody
  /// has it, also for what was never placed. Valid until something is added.
  [[nodiscard]] std::span<const std::uint32_t> homes_of(const sequence_key& key) const noexcept
  {
    const auto found = places_.find(key);
    if (found == places_.end()) return {};
    return std::span(homes_).subspan(found->second.begin, found->second.count);
  }
  /// The first of them, everywhere, or nobody.
  [[nodiscard]] std::uint32_t home_of(const sequence_key& key) const noexcept
  {
    const auto homes = homes_of(key);
    return homes.empty() ? nobody : homes.front();
  }
  /// Should the node with this index keep it?
  [[nodiscard]] bool keeps(std::size_t node, const sequence_key& key) const noexcept
  {
    const auto homes = homes_of(key);
    return std::any_of(homes.begin(), homes.end(),
                       [node](std::uint32_t home) { return home == everywhere || home == node; });
  }

  /// The share of the keys that each node has: |I(R) n C(p)| / |I(R)| of RcLLM. Writes the first shares of `out`, as many as there are
  /// nodes, or as `out` has; none without keys. O(copies of the keys + nodes).
  void hit_shares(std::span<const sequence_key> keys, std::span<double> out) const noexcept
  {
    const std::span<double> mine = out.first((std::min)(out.size(), nodes_.size()));
    std::fill(mine.begin(), mine.end(), 0.0);
    if (keys.empty()) return;
    const double each = 1 / static_cast<double>(keys.size());
    double all = 0;
    for (const sequence_key& key : keys) {
      for (const std::uint32_t home : homes_of(key)) {
        if (home == everywhere) all += each;
        else if (home < mine.size()) mine[home] += each;
      }
    }
    for (double& share : mine) share = (std::min)(share + all, 1.0);
  }

 private:
  struct place
  {
    std::size_t begin = 0;  // in homes_
    std::uint32_t count = 0;
  };

  std::vector<std::uint64_t> nodes_;
  std::vector<std::uint32_t> homes_;
  boost::unordered_flat_map<sequence_key, place, sequence_key_hash> places_;
};

}  // namespace kvstrata
