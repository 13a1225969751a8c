// LRU-K with the correlated reference period of its paper: uses in quick succession count as one. (O'Neil, O'Neil,
// Weikum, "The LRU-K page replacement algorithm for database disk buffering", SIGMOD 1993, figure 2.1.)
//
//   insert:   a use; what is remembered of the object's earlier uses counts
//   touch:    within the period after the last use: that use only lasts until now. Later: a use, and the earlier ones
//             move up by as long as the one before lasted, so that it counts as a point in time
//   victims:  those whose last use is longer ago than the period, by the K-th last use, the longest ago first; before
//             them those that were used less often than K times; of equals, whoever was used longest ago. When there
//             are no more, the others, the least recently used first
//   evict:    the times are remembered
//
// Time is the number of uses that the policy has seen; the period is a share of as many as the tier has objects. With 0
// it is lru_k, which notes a touch quicker. What the figure leaves open: a use that never was has no time that could move
// up, and somebody goes although all were used within the period. Ghosts: as many as the tier has objects or bytes, 40 +
// 8K bytes each. Touch O(1) or O(log n) once a period, the others amortised O(log n); nothing allocates after construction.
#pragma once

#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/ghost_list.hpp>
#include <kvstrata/replacement/share.hpp>

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// PeriodPercent: of as many requests as the tier has objects.
template <std::size_t K = 2, std::uint32_t PeriodPercent = 10>
class correlated_lru_k
{
  static_assert(K >= 2 && PeriodPercent <= 100);
  using times = std::array<std::uint64_t, K>;  // of the last uses, the latest first; 0: there was none
  using in_tree = boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>,
                                                  boost::intrusive::optimize_size<true>>;
  using in_list = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>;

 public:
  class hook : public in_tree, public in_list
  {
    friend class correlated_lru_k;
    times uses_{};
    std::uint64_t last_ = 0;  // its latest use lasts until then

   public:
    [[nodiscard]] bool is_linked() const noexcept { return in_tree::is_linked() || in_list::is_linked(); }
  };

  /// Allocates the ghosts. Throws std::bad_alloc.
  explicit correlated_lru_k(const tier_size& size)
      : bytes_(size.bytes),
        period_(share((std::min)(size.objects, size.bytes), PeriodPercent)),
        ghosts_((std::min)(size.objects, size.bytes) + 1, size.bytes)
  {
  }

  void insert(hook& object, const object_info& info) noexcept
  {
    auto ghost = ghosts_.take(to_number(info.user));
    if (!info.requested) ghost.reset();
    ghosts_.limit(bytes_);
    object.uses_ = ghost ? ghost->note : times{};
    std::copy_backward(object.uses_.begin(), object.uses_.end() - 1, object.uses_.end());
    object.uses_[0] = object.last_ = ++now_;
    young_.push_back(object);
  }

  void touch(hook& object, const object_info&) noexcept
  {
    ++now_;
    if (now_ - object.last_ > period_) {
      const std::uint64_t lasted = object.last_ - object.uses_[0];
      for (std::size_t k = K - 1; k > 0; --k)
        object.uses_[k] = object.uses_[k - 1] == 0 ? 0 : object.uses_[k - 1] + lasted;
      object.uses_[0] = now_;
    }
    remove(object);
    object.last_ = now_;
    young_.push_back(object);
  }

  void remove(hook& object) noexcept
  {
    if (object.in_tree::is_linked()) order_.erase(order_.iterator_to(object));
    else young_.erase(young_.iterator_to(object));
  }

  void evict(hook& object, const object_info& info) noexcept
  {
    ghosts_.remember(to_number(info.user), info.bytes, 0, object.uses_);
    remove(object);
  }

  template <class Visit>
  void victims(Visit&& visit)
  {
    while (!young_.empty() && now_ + 1 - young_.front().last_ > period_) {
      hook& object = young_.front();
      young_.pop_front();
      order_.insert(object);
    }
    for (hook& object : order_) {
      if (!visit(object)) return;
    }
    for (hook& object : young_) {
      if (!visit(object)) return;
    }
  }

 private:
  struct earlier
  {
    bool operator()(const hook& a, const hook& b) const noexcept
    {
      return a.uses_[K - 1] != b.uses_[K - 1] ? a.uses_[K - 1] < b.uses_[K - 1] : a.last_ < b.last_;
    }
  };

  boost::intrusive::multiset<hook, boost::intrusive::base_hook<in_tree>, boost::intrusive::compare<earlier>,
                             boost::intrusive::constant_time_size<false>>
      order_;  // whose last use is over: who goes first is first
  boost::intrusive::list<hook, boost::intrusive::base_hook<in_list>, boost::intrusive::constant_time_size<false>>
      young_;  // the others, the least recently used first
  std::uint64_t now_ = 0;
  std::uint64_t bytes_;
  std::uint64_t period_;
  ghost_list<1, times> ghosts_;
};

static_assert(replacement_policy<correlated_lru_k<>> && remembers_evicted<correlated_lru_k<>>);

}  // namespace kvstrata
