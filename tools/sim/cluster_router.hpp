// A router whose name is known when the program runs.
#pragma once

#include <kvstrata/routing/affinity.hpp>
#include <kvstrata/routing/by_user.hpp>

#include <cstddef>
#include <span>
#include <string_view>
#include <variant>

namespace sim {

class named_router
{
 public:
  /// One of router_names().
  named_router(std::string_view name, const kvstrata::affinity_router& affinity)
  {
    if (name == "affinity") route_ = affinity;
    else if (name == "hit") route_ = kvstrata::hit_only_router{};
    else if (name == "load") route_ = kvstrata::load_only_router{};
    else if (name == "round_robin") route_ = kvstrata::round_robin_router{};
    else route_ = kvstrata::user_router{};
  }

  [[nodiscard]] std::size_t operator()(const kvstrata::routed_request& asked,
                                       std::span<const kvstrata::node_summary> nodes) const noexcept
  {
    switch (route_.index()) {
      case 0: return std::get_if<0>(&route_)->operator()(asked, nodes);
      case 1: return std::get_if<1>(&route_)->operator()(asked, nodes);
      case 2: return std::get_if<2>(&route_)->operator()(asked, nodes);
      case 3: return std::get_if<3>(&route_)->operator()(asked, nodes);
      default: return std::get_if<4>(&route_)->operator()(asked, nodes);
    }
  }

 private:
  std::variant<kvstrata::affinity_router, kvstrata::hit_only_router, kvstrata::load_only_router,
               kvstrata::round_robin_router, kvstrata::user_router>
      route_;
};

static_assert(kvstrata::router<named_router>);

}  // namespace sim
