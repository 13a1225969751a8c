// To where most of the request lies, unless too much waits there: RcLLM's router (arXiv 2605.07443, section 3.2),
// a x hit + b x (1 - load), and its two ends.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/exact.hpp>
#include <kvstrata/routing/best_node.hpp>
#include <kvstrata/routing/concepts.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

[[nodiscard]] inline double hit_of(const node_summary& n) noexcept { return n.hit > 0 && n.hit <= 1 ? n.hit : 0; }
[[nodiscard]] inline double load_of(const node_summary& n) noexcept { return amount_or_most(n.load); }

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
