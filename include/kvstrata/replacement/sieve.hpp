// SIEVE. (Yazhuo Zhang, Juncheng Yang, Yao Yue, Ymir Vigfusson, K. V. Rashmi, "SIEVE is simpler than LRU: an efficient
// turn-key eviction algorithm for web caches", NSDI 2024.)
//
//   insert:   the object joins the young end of one queue, unmarked
//   touch:    marks it; nothing moves
//   victims:  a hand goes from the old end to the young one, and then begins anew at the old end. Who is marked loses
//             the mark and stays where it is, unlike in CLOCK: what is worth keeping gathers behind the hand, and what
//             just came in is looked at soon
//   remove:   under the hand: the hand goes to the next younger one
//
// Every operation O(1), victims amortised over the touches before it, and without allocation.
#pragma once

#include <kvstrata/replacement/concepts.hpp>

#include <boost/intrusive/list.hpp>

#include <cstdint>
#include <iterator>
#include <limits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class sieve
{
  static constexpr std::uint32_t marked = (std::numeric_limits<std::uint32_t>::max)();

 public:
  struct hook : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>
  {
    std::uint32_t unmarked_by = 0;  // the call of victims that took the mark, or `marked`
  };

  void insert(hook& object, const object_info&) noexcept
  {
    object.unmarked_by = 0;  // it may have been here before
    queue_.push_back(object);
  }
  void touch(hook& object, const object_info&) noexcept { object.unmarked_by = marked; }
  void remove(hook& object) noexcept
  {
    const auto next = queue_.erase(queue_.iterator_to(object));
    if (hand_ == &object) hand_ = next == queue_.end() ? nullptr : &*next;
  }

  /// One round, and, when that was not enough, those who lost their mark in it. The hand stays on the object for which
  /// visit returned false; on whom it skipped it does not wait.
  template <class Visit>
  void victims(Visit&& visit)
  {
    if (queue_.empty()) return;
    if (++calls_ == marked) forget_calls();
    const auto start = hand_ == nullptr ? queue_.begin() : queue_.iterator_to(*hand_);
    const auto offers = [&](auto at) {
      if (visit(*at)) return true;
      hand_ = &*at;
      return false;
    };
    auto at = start;
    do {
      if (at->unmarked_by == marked) at->unmarked_by = calls_;
      else if (!offers(at)) return;
      if (++at == queue_.end()) at = queue_.begin();
    } while (at != start);
    do {
      if (at->unmarked_by == calls_ && !offers(at)) return;
      if (++at == queue_.end()) at = queue_.begin();
    } while (at != start);
  }

 private:
  /// Calls are numbered anew. O(objects), once in 2^32 calls.
  void forget_calls() noexcept
  {
    calls_ = 1;
    for (hook& one : queue_) {
      if (one.unmarked_by != marked) one.unmarked_by = 0;
    }
  }

  boost::intrusive::list<hook> queue_;  // oldest first
  hook* hand_ = nullptr;                // null: at the old end, whoever is there by then
  std::uint32_t calls_ = 0;
};

static_assert(replacement_policy<sieve>);

}  // namespace kvstrata
