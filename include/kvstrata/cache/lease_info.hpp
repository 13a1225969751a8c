// Who holds what: the leases that are out.
#pragma once

#include <kvstrata/cache/lease_pool.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/result.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A lease that is out.
struct lease_info
{
  std::uint64_t number = 0;  ///< ascending in the order of prepare
  std::uint64_t label = 0;   ///< the caller's
  std::uint64_t age = 0;     ///< requests that the cache has served since, those of the lease among them
  std::size_t requests = 0;  ///< in its batch
  user_id user{};            ///< of the first of them; the id of its first part's sequence, where it has parts
  std::uint64_t pages = 0;   ///< of the slab that nobody else can have
  bool committed = false;
  bool waits_for_store = false;  ///< released, but a store has yet to answer (request::provisional)
  std::uint32_t shard = pressure::no_shard;
};

namespace detail {

/// Pages of the slab that the lease keeps from others.
template <class State>
[[nodiscard]] std::uint64_t held_pages(const State& s) noexcept
{
  std::uint64_t pages = 0;
  for (std::size_t i = 0; i < s.entries.size(); ++i) {
    if (i >= s.held && !s.late.waits(i)) continue;
    const auto& e = std::as_const(*s.entries[i]);
    const std::uint64_t all = e.template look<0>().covered().size();
    pages += e.holds <= 1 ? all : (all + e.holds - 1) / e.holds;  // of what several read, each has its share
  }
  return pages;
}

/// The same of all leases. O(requests under leases).
template <class State>
[[nodiscard]] std::uint64_t held_pages(const lease_pool<State>& leases) noexcept
{
  std::uint64_t pages = 0;
  leases.each([&pages](const State& s) { pages += held_pages(s); });
  return pages;
}

/// The oldest first. `served`: requests that the cache has served.
template <class State>
[[nodiscard]] std::vector<lease_info> infos_of(const lease_pool<State>& leases, std::uint32_t served)
{
  std::vector<lease_info> out;
  leases.each([&](const State& s) {
    lease_info one{.number = s.tag.number, .label = s.tag.label, .age = std::uint32_t(served - s.tag.began)};
    one.requests = s.plan.size();
    if (one.requests != 0) one.user = s.plan.requests.front().user;
    one.pages = held_pages(s);
    one.committed = s.committed;
    one.waits_for_store = s.held == 0 && s.late.waiting() != 0;
    out.push_back(one);
  });
  std::sort(out.begin(), out.end(), [](const lease_info& a, const lease_info& b) { return a.number < b.number; });
  return out;
}

}  // namespace detail

}  // namespace kvstrata
