// Which of several nodes serves a request: a pure function of who asks and of a summary of each node, the same for all who have
// the same summaries. The simulators, a server in front of processes that share a redis_cluster, and tests use the same ones.
//
// expression               meaning
// ------------------------ ----------------------------------------------------------------------------------------
// r(asked, nodes)          an index into nodes, of one that takes requests; nodes.size(): none does. O(nodes), and the
//   -> std::size_t         same answer for the same arguments: a router keeps nothing between calls. Throws nothing
//
// A node takes requests unless it drains. One that has vanished is left out of the summaries, or drains. Figures that are no
// numbers count as the worst: no hit, and more load than anybody's.
//
// Models: affinity_router, hit_only_router, load_only_router (routing/affinity.hpp), soonest_router (routing/soonest.hpp),
// round_robin_router, user_router (routing/by_user.hpp). What a node has of a request is told by an item_placement
// (routing/placement/item_placement.hpp).
#pragma once

#include <kvstrata/core/ids.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Who asks. `number`: how many requests came before.
struct routed_request
{
  user_id user{};
  std::uint64_t number = 0;
};

/// What is known of a node when a request comes.
struct node_summary
{
  std::uint64_t id = 0;      ///< its own for good, whoever comes and goes
  double weight = 1;         ///< its share of users, for who divides them; 0: it gets nobody
  bool is_draining = false;  ///< it takes no requests any more
  double hit = 0;            ///< what it has of this request, as a share in [0, 1]
  double load = 0;           ///< 0: idle; 1: it has as much to do as one would let it wait for a whole hit; may be more
  double waiting_seconds = 0;  ///< what it has to do before it begins with this request, for who weighs time
  double work_seconds = 0;     ///< what this request takes it then, by what it has of it
};

template <class R>
concept router =
    std::copyable<R> && requires(const R& r, const routed_request& asked, std::span<const node_summary> nodes) {
      { r(asked, nodes) } noexcept -> std::same_as<std::size_t>;
    };

}  // namespace kvstrata
