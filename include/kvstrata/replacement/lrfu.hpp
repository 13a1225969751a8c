// LRFU: recency and frequency in one number, to which every use adds and from which time takes by halves. (Lee, Choi,
// Kim, Noh, Min, Cho, Kim, "On the existence of a spectrum of policies that subsumes the least recently used (LRU) and
// least frequently used (LFU) policies", SIGMETRICS 1999.)
//
//   score:    the sum over an object's uses of 2^-(age / half-life); ages in requests
//   insert:   a use; what is remembered of the object's earlier score counts
//   touch:    a use: the score halves with the time since the last one, and one is added
//   victims:  from the lowest score on; of equals, whoever was used longest ago
//   evict:    score and time are remembered
//
// One parameter, the half-life: the paper's lambda is 1 / half-life. It is told in percent of the requests that there are
// objects in the tier: 0.01 is LRU, infinity LFU. All scores fall alike, so log2(score) + time / half-life keeps the order
// for ever, and a use only raises it: a touch is noted in O(1), and victims put the object where it belongs when they come
// across it, amortised O(log n), as are insert and removal. Ghosts: eight times as many as the tier has objects or
// bytes, 56 bytes each. Nothing allocates after construction.
#pragma once

#include <kvstrata/core/exact.hpp>
#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/ghost_list.hpp>

#include <boost/intrusive/set.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// HalfLifePercent: of as many requests as the tier has objects. Ghosts: remembered for each object of the tier.
template <std::uint32_t HalfLifePercent = 400, std::uint32_t Ghosts = 8>
class basic_lrfu
{
  static_assert(HalfLifePercent > 0);

  struct past
  {
    double order = 0;  // log2 of the score when the object was used last, and that time in half-lives: for all times
    std::uint64_t used = 0;
  };

 public:
  class hook : public boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>,
                                                      boost::intrusive::optimize_size<true>>
  {
    friend class basic_lrfu;
    past past_;
    double place_ = 0;  // in the tree: not above past_.order
  };

  /// Allocates the ghosts. Throws std::bad_alloc.
  explicit basic_lrfu(const tier_size& size)
      : half_life_((std::max)(static_cast<double>((std::min)(size.objects, size.bytes)) * HalfLifePercent / 100, 1e-2)),
        ghost_bytes_((std::min)(size.bytes, most_bytes) * Ghosts),
        ghosts_((std::min)((std::min)(size.objects, size.bytes), most_bytes) * Ghosts + 1, size.bytes)
  {
  }

  void insert(hook& object, const object_info& info) noexcept
  {
    auto ghost = ghosts_.take(to_number(info.user));
    if (!info.requested) ghost.reset();
    ghosts_.limit(ghost_bytes_);
    ++now_;
    object.past_ = ghost ? used(ghost->note) : past{static_cast<double>(now_) / half_life_, now_};
    object.place_ = object.past_.order;
    order_.insert(object);
  }

  void touch(hook& object, const object_info&) noexcept
  {
    ++now_;
    object.past_ = used(object.past_);
  }

  void remove(hook& object) noexcept { order_.erase(order_.iterator_to(object)); }

  void evict(hook& object, const object_info& info) noexcept
  {
    ghosts_.remember(to_number(info.user), info.bytes, 0, object.past_);
    remove(object);
  }

  template <class Visit>
  void victims(Visit&& visit)
  {
    for (auto next = order_.begin(); next != order_.end();) {
      hook& object = *next++;
      if (is_exactly(object.place_, object.past_.order)) {
        if (!visit(object)) return;
        continue;
      }
      remove(object);
      object.place_ = object.past_.order;
      const auto at = order_.insert(object);
      if (std::next(at) == next) next = at;
    }
  }

 private:
  static constexpr std::uint64_t most_bytes = std::uint64_t{1} << 60U;

  struct by_place
  {
    bool operator()(const hook& a, const hook& b) const noexcept
    {
      return a.place_ < b.place_ || (is_exactly(a.place_, b.place_) && a.past_.used < b.past_.used);
    }
  };

  /// One use more, now. The score is 1 + 2^(order - now / half-life).
  [[nodiscard]] past used(const past& before) const noexcept
  {
    const double now = static_cast<double>(now_) / half_life_;
    return {now + std::log2(1.0 + std::exp2((std::min)(before.order - now, 1000.0))), now_};
  }

  boost::intrusive::multiset<hook, boost::intrusive::compare<by_place>, boost::intrusive::constant_time_size<false>>
      order_;
  std::uint64_t now_ = 0;
  double half_life_;
  std::uint64_t ghost_bytes_;
  ghost_list<1, past> ghosts_;
};

using lrfu = basic_lrfu<>;

static_assert(replacement_policy<lrfu> && remembers_evicted<lrfu>);

}  // namespace kvstrata
