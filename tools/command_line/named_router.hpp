// A router whose name is known when the program runs: the menu of all programs that have an option for it.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/routing/affinity.hpp>
#include <kvstrata/routing/by_user.hpp>
#include <kvstrata/routing/soonest.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tools {

/// Weights of those that have some.
struct router_weights
{
  double hit = 1;   ///< a of affinity's a x hit + b x (1 - load)
  double load = 1;  ///< b of it
  double work = 2;  ///< what a second of computing counts, in seconds of waiting, for soonest
};

class named_router
{
 public:
  [[nodiscard]] static const std::vector<std::string>& names()
  {
    static const std::vector<std::string> all{"affinity", "soonest", "hit", "load", "round_robin", "user"};
    return all;
  }

  /// One of names(). Throws kvstrata::config_error for weights that make no sense.
  explicit named_router(std::string_view name, const router_weights& weights = {})
  {
    const kvstrata::affinity_router affinity(weights.hit, weights.load);
    const kvstrata::soonest_router soonest(weights.work);
    if (name == "affinity") route_ = affinity;
    else if (name == "soonest") route_ = soonest;
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
      case 4: return std::get_if<4>(&route_)->operator()(asked, nodes);
      default: return std::get_if<5>(&route_)->operator()(asked, nodes);
    }
  }

 private:
  std::variant<kvstrata::affinity_router, kvstrata::soonest_router, kvstrata::hit_only_router,
               kvstrata::load_only_router, kvstrata::round_robin_router, kvstrata::user_router>
      route_;
};

static_assert(kvstrata::router<named_router>);

/// "a, b or c".
[[nodiscard]] inline std::string one_of(const std::vector<std::string>& names)
{
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    out += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  }
  return out;
}

/// Throws kvstrata::config_error for a name that is not known, and where none is given.
inline void require_names(const char* option, const std::vector<std::string>& given,
                          const std::vector<std::string>& known)
{
  if (given.empty()) throw kvstrata::config_error(option, "empty", "name at least one of " + one_of(known));
  for (const std::string& name : given) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw kvstrata::config_error(option, "'" + name + "'", "it must be " + one_of(known));
    }
  }
}

}  // namespace tools
