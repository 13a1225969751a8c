// Greedy-Dual-Size-Frequency: whoever saves the least per byte goes first, and who is not used loses against who comes.
// (Cherkasova, "Improving WWW proxies performance with Greedy-Dual-Size-Frequency caching policy", HP Laboratories,
// 1998; the clock is that of Cao and Irani, "Cost-aware WWW proxy caching algorithms", USITS 1997.)
//
//   priority:  the clock when it was last used + uses * cost / bytes. The cost is what the next request would wait for
//              if the object were gone (object_info::loss_seconds), or a second where no cost model is given
//   insert:    uses is 1
//   touch:     one use more
//   evict:     the clock moves on to the victim's priority, so that those that stay have aged by it
//   victims:   from the lowest priority on; of equals, whoever was used longest ago
//
// A use nearly always raises the priority. Then the object's place in the order is not mended before it is about to go:
// its place says where it stands at the earliest. So touch is O(1), or O(log objects) when the priority falls; insert
// is O(log objects); victims O(1) a visit and O(log objects) a mended place, at most one a use. No allocation: the tree
// runs through the objects.
#pragma once

#include <kvstrata/replacement/concepts.hpp>

#include <boost/intrusive/set.hpp>

#include <bit>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class gdsf
{
  struct rank
  {
    double priority = 0;
    std::uint64_t used = 0;  // number of the use, counted over all objects

    /// Doubles that are not negative are ordered as their bits are, and integers are quicker to compare.
    [[nodiscard]] friend bool operator<(const rank& a, const rank& b) noexcept
    {
      const auto of_a = std::bit_cast<std::uint64_t>(a.priority);
      const auto of_b = std::bit_cast<std::uint64_t>(b.priority);
      return of_a < of_b || (of_a == of_b && a.used < b.used);
    }
  };

 public:
  using weighs_costs = gdsf;

  class hook : public boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>
  {
    friend class gdsf;
    rank place_;  // where it is in the tree: not above real_
    rank real_;
    double clock_ = 0;  // when it was last used
    double uses_ = 0;
  };

  void insert(hook& object, const object_info& info) noexcept
  {
    object.uses_ = 1;
    object.real_ = object.place_ = rank_now(object, info);
    order_.insert(object);
  }
  void touch(hook& object, const object_info& info) noexcept
  {
    object.uses_ += 1;
    move(object, rank_now(object, info));
  }
  /// Neither a use nor a later clock, but another value per byte.
  void changed(hook& object, const object_info& info) noexcept
  {
    move(object, {priority(object, info), object.real_.used});
  }
  void remove(hook& object) noexcept { order_.erase(order_.iterator_to(object)); }
  void evict(hook& object, const object_info&) noexcept
  {
    if (clock_ < object.real_.priority) clock_ = object.real_.priority;
    remove(object);
  }

  template <class Visit>
  void victims(Visit&& visit)
  {
    for (auto next = order_.begin(); next != order_.end();) {
      hook& object = *next;
      if (object.place_ < object.real_) {  // used since: it may stand further back
        next = order_.erase(next);
        object.place_ = object.real_;
        const auto now = order_.insert(object);
        if (next == order_.end() || object.place_ < next->place_) next = now;
        continue;
      }
      if (!visit(object)) return;
      ++next;
    }
  }

 private:
  struct by_place
  {
    bool operator()(const hook& a, const hook& b) const noexcept { return a.place_ < b.place_; }
  };

  /// From the clock at its last use. Costs in microseconds: priorities are then rounded, and ties decided, as by the
  /// program whose counts this is held against.
  [[nodiscard]] static double priority(const hook& object, const object_info& info) noexcept
  {
    const double cost = info.loss_seconds();
    return object.clock_ +
           object.uses_ * 1.0e6 * (cost > 0 ? cost : 1) / static_cast<double>(info.bytes == 0 ? 1 : info.bytes);
  }

  [[nodiscard]] rank rank_now(hook& object, const object_info& info) noexcept
  {
    object.clock_ = clock_;
    return {priority(object, info), ++uses_};
  }

  void move(hook& object, const rank& to) noexcept
  {
    object.real_ = to;
    if (!(to < object.place_)) return;
    order_.erase(order_.iterator_to(object));
    object.place_ = to;
    order_.insert(object);
  }

  boost::intrusive::multiset<hook, boost::intrusive::compare<by_place>> order_;
  double clock_ = 0;
  std::uint64_t uses_ = 0;
};

static_assert(replacement_policy<gdsf>);

}  // namespace kvstrata
