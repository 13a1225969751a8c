// LRU-K: who was not used K times for the longest goes first; for K = 2, whose last use but one is the longest ago.
// (O'Neil, O'Neil, Weikum, "The LRU-K page replacement algorithm for database disk buffering", SIGMOD 1993.)
//
//   insert:   a use; what is remembered of the object's earlier uses counts
//   touch:    a use: the times of the last K uses move up by one
//   victims:  by the K-th last use, the longest ago first; before them all who were used less often than K times, the
//             least recently used first
//   evict:    the times are remembered, for as much as the tier has bytes and objects (the paper's retained history)
//
// Time is the number of uses that the policy has seen, and every use counts: the paper's correlated reference period is
// 0. A use moves an object only towards the end of the order, so a touch is noted in O(1) and victims, when they come
// across the object, put it where it belongs: amortised O(log n), as are insert and removal. Nothing allocates after
// construction.
#pragma once

#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/ghost_list.hpp>

#include <boost/intrusive/set.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <std::size_t K = 2>
class lru_k
{
  static_assert(K >= 2, "LRU-1 is lru");
  using times = std::array<std::uint64_t, K>;  // of the last uses, the latest first; 0: there was none

 public:
  struct hook : boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>,
                                                boost::intrusive::optimize_size<true>>
  {
    times uses{};
    std::uint64_t place = 0;  // in the order: its rank when it was put there

    friend bool operator<(const hook& a, const hook& b) noexcept { return a.place < b.place; }
  };

  /// Allocates the ghosts: 40 + 8K bytes for each of size.objects. Throws std::bad_alloc.
  explicit lru_k(const tier_size& size)
      : bytes_(size.bytes), ghosts_((std::min)(size.objects, size.bytes) + 1, size.bytes)
  {
  }

  void insert(hook& object, const object_info& info) noexcept
  {
    auto ghost = ghosts_.take(to_number(info.user));
    if (!info.requested) ghost.reset();
    ghosts_.limit(bytes_);
    object.uses = ghost ? ghost->note : times{};
    touch(object, info);
    object.place = rank(object);
    order_.insert(object);
  }

  void touch(hook& object, const object_info&) noexcept
  {
    std::copy_backward(object.uses.begin(), object.uses.end() - 1, object.uses.end());
    object.uses[0] = ++now_;
  }

  void remove(hook& object) noexcept { order_.erase(order_.iterator_to(object)); }

  void evict(hook& object, const object_info& info) noexcept
  {
    ghosts_.remember(to_number(info.user), info.bytes, 0, object.uses);
    remove(object);
  }

  template <class Visit>
  void victims(Visit&& visit)
  {
    for (auto next = order_.begin(); next != order_.end();) {
      hook& object = *next++;
      if (object.place == rank(object)) {
        if (!visit(object)) return;
        continue;
      }
      remove(object);
      object.place = rank(object);
      const auto at = order_.insert(object);
      if (std::next(at) == next) next = at;
    }
  }

 private:
  /// Different for any two objects. Those with a K-th last use come behind all that have none.
  [[nodiscard]] static std::uint64_t rank(const hook& object) noexcept
  {
    constexpr std::uint64_t behind = std::uint64_t{1} << 63U;
    return object.uses[K - 1] != 0 ? object.uses[K - 1] | behind : object.uses[0];
  }

  boost::intrusive::multiset<hook, boost::intrusive::constant_time_size<false>> order_;  // who goes first is first
  std::uint64_t now_ = 0;
  std::uint64_t bytes_;
  ghost_list<1, times> ghosts_;
};

static_assert(replacement_policy<lru_k<>> && remembers_evicted<lru_k<>> && replacement_policy<lru_k<3>>);

}  // namespace kvstrata
