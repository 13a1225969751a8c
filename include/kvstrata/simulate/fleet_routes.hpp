// Which GPU of a fleet serves a request. A route R is asked as requests come:
//
//   r(request, fleet) -> std::size_t     a GPU, below fleet.gpu_count(). It may ask the fleet
//     fleet.load(gpu)                      requests that it has and has not answered
//     fleet.slab_holds(gpu, user)          does its slab hold the user?
//     fleet.box_holds(box, user)           does that box's arena?
//     fleet.box_of(gpu), fleet.box_gpus()  GPU g belongs to box g / box_gpus()
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/plan/request.hpp>
#include <kvstrata/routing/concepts.hpp>
#include <kvstrata/routing/rendezvous.hpp>
#include <kvstrata/simulate/random.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Every user has their GPU, by hash.
struct hash_route
{
  template <class Fleet>
  [[nodiscard]] std::size_t operator()(const request& asked, const Fleet& fleet) const noexcept
  {
    return static_cast<std::size_t>(scatter_bits(to_number(asked.user)) % fleet.gpu_count());
  }
};

/// A router of servers (routing/concepts.hpp) as the route of a fleet: each GPU is a node. Of a user whom the slab holds all is
/// there, of one whom its box's arena holds `arena_hit`; `full_load` requests that it has and has not answered are a load of 1; it
/// tells no seconds. Where nobody takes anybody the user's GPU goes by hash.
template <router Router>
class routed
{
 public:
  /// `members`: of each GPU, in their order; GPUs beyond them are numbered and take requests.
  explicit routed(Router r = Router(), std::vector<rendezvous_member> members = {}, double arena_hit = 0.5,
                  double full_load = 4)
      : router_(std::move(r)), members_(std::move(members)), arena_hit_(arena_hit), full_load_(full_load)
  {
  }

  /// O(GPUs).
  template <class Fleet>
  [[nodiscard]] std::size_t operator()(const request& asked, const Fleet& fleet)
  {
    nodes_.resize(fleet.gpu_count());
    for (std::size_t gpu = 0; gpu < nodes_.size(); ++gpu) {
      const rendezvous_member m = gpu < members_.size() ? members_[gpu] : rendezvous_member{.id = gpu};
      const double below = fleet.box_holds(fleet.box_of(gpu), asked.user) ? arena_hit_ : 0;
      nodes_[gpu] = node_summary{.id = m.id,
                                 .weight = m.weight,
                                 .is_draining = m.is_draining,
                                 .hit = fleet.slab_holds(gpu, asked.user) ? 1 : below,
                                 .load = static_cast<double>(fleet.load(gpu)) / full_load_};
    }
    const std::size_t chosen = router_(routed_request{.user = asked.user, .number = number_++}, nodes_);
    return chosen < nodes_.size() ? chosen : hash_route{}(asked, fleet);
  }

 private:
  Router router_;
  std::vector<rendezvous_member> members_;
  double arena_hit_;
  double full_load_;
  std::uint64_t number_ = 0;
  std::vector<node_summary> nodes_;
};

/// To the GPU that served the user last, while it still has them; else to the least loaded one of that box, while its
/// arena has them; else to the least loaded of all. Who is `most_ahead` requests busier than the least loaded is passed by.
class affinity_route
{
 public:
  explicit affinity_route(std::uint32_t most_ahead = 4) : most_ahead_(most_ahead) {}

  /// O(GPUs).
  template <class Fleet>
  [[nodiscard]] std::size_t operator()(const request& asked, const Fleet& fleet)
  {
    const std::size_t least = least_loaded(fleet, 0, fleet.gpu_count());
    const auto fits = [&](std::size_t gpu) { return fleet.load(gpu) <= fleet.load(least) + most_ahead_; };
    const auto [at, fresh] = last_.try_emplace(asked.user, static_cast<std::uint32_t>(least));
    if (fresh) return least;
    std::size_t chosen = at->second;
    if (!fleet.slab_holds(chosen, asked.user) || !fits(chosen)) {
      const std::size_t box = fleet.box_of(chosen);
      chosen = least;
      if (fleet.box_holds(box, asked.user)) {
        const std::size_t nearest = least_loaded(fleet, box * fleet.box_gpus(), (box + 1) * fleet.box_gpus());
        if (fits(nearest)) chosen = nearest;
      }
    }
    at->second = static_cast<std::uint32_t>(chosen);
    return chosen;
  }

 private:
  template <class Fleet>
  [[nodiscard]] static std::size_t least_loaded(const Fleet& fleet, std::size_t from, std::size_t to)
  {
    std::size_t least = from;
    for (std::size_t gpu = from + 1; gpu < to; ++gpu) {
      if (fleet.load(gpu) < fleet.load(least)) least = gpu;
    }
    return least;
  }

  std::uint32_t most_ahead_;
  boost::unordered_flat_map<user_id, std::uint32_t> last_;  // the GPU that served them
};

}  // namespace kvstrata
