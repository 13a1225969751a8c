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

  /// Throws config_error for an item that has a home already, and for a home that is none of the nodes.
  void add(const sequence_key& key, std::uint32_t home)
  {
    if (home >= nodes_.size() && home != everywhere && home != nobody) {
      throw config_error("the home of item " + std::to_string(key.id), home,
                         "there are only " + std::to_string(nodes_.size()) + " nodes");
    }
    if (!homes_.try_emplace(key, home).second) {
      throw config_error("item", key.id, "it is placed twice; give each key once");
    }
  }

  /// Ids of the nodes, in the order that homes speak of.
  [[nodiscard]] std::span<const std::uint64_t> nodes() const noexcept { return nodes_; }
  [[nodiscard]] std::size_t size() const noexcept { return homes_.size(); }

  /// An index into nodes(), everywhere, or nobody: also for what was never placed.
  [[nodiscard]] std::uint32_t home_of(const sequence_key& key) const noexcept
  {
    const auto found = homes_.find(key);
    return found == homes_.end() ? nobody : found->second;
  }
  /// Should the node with this index keep it?
  [[nodiscard]] bool keeps(std::size_t node, const sequence_key& key) const noexcept
  {
    const std::uint32_t home = home_of(key);
    return home == everywhere || home == node;
  }

  /// The share of the keys that each node has: |I(R) n C(p)| / |I(R)| of RcLLM. Writes the first shares of `out`, as many as there are
  /// nodes, or as `out` has; none without keys. O(keys + nodes).
  void hit_shares(std::span<const sequence_key> keys, std::span<double> out) const noexcept
  {
    const std::span<double> mine = out.first((std::min)(out.size(), nodes_.size()));
    std::fill(mine.begin(), mine.end(), 0.0);
    if (keys.empty()) return;
    const double each = 1 / static_cast<double>(keys.size());
    double all = 0;
    for (const sequence_key& key : keys) {
      const std::uint32_t home = home_of(key);
      if (home == everywhere) all += each;
      else if (home < mine.size()) mine[home] += each;
    }
    for (double& share : mine) share = (std::min)(share + all, 1.0);
  }

 private:
  std::vector<std::uint64_t> nodes_;
  boost::unordered_flat_map<sequence_key, std::uint32_t, sequence_key_hash> homes_;
};

}  // namespace kvstrata
