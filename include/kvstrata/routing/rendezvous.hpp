// Which of several processes serves a user, so that their states are where they are asked for: a pure function, the same for
// all who know the same members. Highest random weight (Thaler and Ravishankar, 1998) with weights as of Schindelhauer and
// Schomaker (2005): of members with weights w each gets w / sum of all users; one that joins takes its share and moves nobody
// else, one that leaves gives its users to the others and moves nobody else.
#pragma once

#include <kvstrata/core/exact.hpp>
#include <kvstrata/core/ids.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct rendezvous_member
{
  std::uint64_t id = 0;      ///< its own for good, whoever comes and goes
  double weight = 1;         ///< its share; 0: it gets nobody
  bool is_draining = false;  ///< it gets nobody any more
};

namespace detail {

[[nodiscard]] constexpr std::uint64_t rendezvous_bits(std::uint64_t user, std::uint64_t member) noexcept
{
  std::uint64_t x = user * 0x9e3779b97f4a7c15U ^ (member + 0x2545f4914f6cdd1dU) * 0xd1342543de82ef95U;
  x = (x ^ x >> 32U) * 0xbf58476d1ce4e5b9U;
  x = (x ^ x >> 29U) * 0x94d049bb133111ebU;
  return x ^ x >> 32U;
}

/// Members are anything with an id, a weight and is_draining.
template <class Member>
[[nodiscard]] std::size_t rendezvous_best(user_id user, std::span<const Member> members) noexcept
{
  std::size_t best = members.size();
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < members.size(); ++i) {
    const Member& m = members[i];
    if (m.is_draining || !(m.weight > 0) || !std::isfinite(m.weight)) continue;
    // In (0, 1): an exponential draw with rate `weight`, of which the least wins.
    const double draw = (static_cast<double>(rendezvous_bits(to_number(user), m.id) >> 12U) + 0.5) * 0x1p-52;
    const double waits = -std::log(draw) / m.weight;
    if (waits < least || (is_exactly(waits, least) && best != members.size() && m.id < members[best].id)) {
      least = waits;
      best = i;
    }
  }
  return best;
}

}  // namespace detail

/// Index of the member that serves the user; members.size(): nobody does. Weights that are negative or not finite count as 0.
/// O(members).
[[nodiscard]] inline std::size_t rendezvous_owner(user_id user, std::span<const rendezvous_member> members) noexcept
{
  return detail::rendezvous_best(user, members);
}

/// The weight of a member by its load, both in what one likes: as much as it has less to do than `mean`, at most twice as much
/// and at least half. Small steps move few users; say it rarely, and to all.
[[nodiscard]] inline double weight_for_load(double load, double mean) noexcept
{
  constexpr double most = 2;
  if (!(mean > 0) || !(load >= 0)) return 1;
  return std::clamp(mean / (std::max)(load, mean / most), 1 / most, most);
}

}  // namespace kvstrata
