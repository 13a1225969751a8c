// To where the first token comes soonest: what waits there and what the request takes there, both in seconds, so that no unit of load has to
// be found for a machine and a model.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/routing/best_node.hpp>
#include <kvstrata/routing/concepts.hpp>

#include <cstddef>
#include <span>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The least of waiting_seconds + work_weight x work_seconds. With a weight of 1 this request is answered soonest; with more it waits
/// rather than that a node computes what another one has, which would hold up those behind it. Ties go by lot, as do all where
/// nobody tells seconds.
class soonest_router
{
 public:
  soonest_router() = default;
  /// Throws config_error for a weight that is not from 0 to 1000000.
  explicit soonest_router(double work_weight) : weight_(work_weight)
  {
    if (weight_ >= 0 && weight_ <= 1e6) return;
    throw config_error("soonest_router.work_weight", std::to_string(weight_), "it must be a number from 0 to 1000000");
  }

  [[nodiscard]] std::size_t operator()(const routed_request& asked, std::span<const node_summary> nodes) const noexcept
  {
    return detail::best_node(asked, nodes, [this](const node_summary& n) {
      return -(detail::amount_or_most(n.waiting_seconds) + weight_ * detail::amount_or_most(n.work_seconds));
    });
  }

 private:
  double weight_ = 2;
};

static_assert(router<soonest_router>);

}  // namespace kvstrata
