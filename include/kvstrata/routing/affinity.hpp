// To where most of the request lies, unless too much waits there: RcLLM's router (arXiv 2605.07443, section 3.2),
// a x hit + b x (1 - load), and its two ends.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/exact.hpp>
#include <kvstrata/routing/concepts.hpp>
#include <kvstrata/routing/rendezvous.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// The node with the best score; of several, one by lot, so that idle nodes share what nobody has.
template <class Score>
[[nodiscard]] std::size_t best_node(const routed_request& asked, std::span<const node_summary> nodes,
                                    Score&& score) noexcept
{
  std::size_t best = nodes.size();
  double most = -std::numeric_limits<double>::infinity();
  std::uint64_t least_lot = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const node_summary& n = nodes[i];
    if (n.is_draining) continue;
    const double mine = score(n);
    if (best != nodes.size() && mine < most) continue;
    const std::uint64_t lot = rendezvous_bits(asked.number, n.id);
    if (best != nodes.size() && is_exactly(mine, most) &&
        (lot > least_lot || (lot == least_lot && n.id >= nodes[best].id))) {
      continue;
    }
    best = i;
    most = mine;
    least_lot = lot;
  }
  return best;
}

[[nodiscard]] inline double hit_of(const node_summary& n) noexcept { return n.hit > 0 && n.hit <= 1 ? n.hit : 0; }
[[nodiscard]] inline double load_of(const node_summary& n) noexcept
{
  return n.load >= 0 && std::isfinite(n.load) ? n.load : (std::numeric_limits<double>::max)();
}

}  // namespace detail

/// The most of hit_weight x hit + load_weight x (1 - load). Ties go by lot.
class affinity_router
{
 public:
  affinity_router() = default;
  /// Throws config_error for a weight that is negative or no number, and where both are 0.
  affinity_router(double hit_weight, double load_weight) : hit_(hit_weight), load_(load_weight)
  {
    const auto check = [](const char* name, double weight) {
      if (weight >= 0 && weight <= most_weight) return;
      throw config_error(name, std::to_string(weight), "it must be a number from 0 to 1000000");
    };
    check("affinity_router.hit_weight", hit_);
    check("affinity_router.load_weight", load_);
    if (is_exactly(hit_, 0) && is_exactly(load_, 0)) {
      throw config_error("affinity_router.hit_weight", std::uint64_t{0},
                         "load_weight is 0, too: one of them must be more, or nothing tells nodes apart");
    }
  }

  [[nodiscard]] std::size_t operator()(const routed_request& asked, std::span<const node_summary> nodes) const noexcept
  {
    return detail::best_node(asked, nodes, [this](const node_summary& n) {
      return hit_ * detail::hit_of(n) - (load_ > 0 ? load_ * detail::load_of(n) : 0);
    });
  }

 private:
  static constexpr double most_weight = 1e6;

  double hit_ = 1;
  double load_ = 1;
};

/// To where most of it lies, however much waits there. A yardstick: hot items' nodes are run over.
struct hit_only_router
{
  [[nodiscard]] std::size_t operator()(const routed_request& asked, std::span<const node_summary> nodes) const noexcept
  {
    return detail::best_node(asked, nodes, [](const node_summary& n) { return detail::hit_of(n); });
  }
};

/// To who has least to do, whatever it has. A yardstick: nothing is found.
struct load_only_router
{
  [[nodiscard]] std::size_t operator()(const routed_request& asked, std::span<const node_summary> nodes) const noexcept
  {
    return detail::best_node(asked, nodes, [](const node_summary& n) { return -detail::load_of(n); });
  }
};

static_assert(router<affinity_router> && router<hit_only_router> && router<load_only_router>);

}  // namespace kvstrata
