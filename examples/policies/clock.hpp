// CLOCK: first in, first out, with one reference bit. (Corbato, "A paging experiment with the Multics system", 1968;
// also known as second chance.)
//
//   insert:   the object joins the end of a queue, unmarked
//   touch:    marks it; nothing moves, which is what makes CLOCK cheap
//   victims:  from the head on; who is marked loses the mark and goes to the end instead
//
// A replacement policy of a third party: it uses nothing of the library but the concept. Every operation is O(1),
// victims amortised; nothing allocates, because the queue runs through the objects.
#pragma once

#include <kvstrata/replacement/concepts.hpp>

#include <boost/intrusive/list.hpp>

namespace example {

class clock
{
 public:
  /// What CLOCK keeps inside each object: its place in the queue, and the mark.
  struct hook : boost::intrusive::list_base_hook<>
  {
    bool marked = false;
  };

  void insert(hook& object, const kvstrata::object_info&) noexcept
  {
    object.marked = false;  // the object may have been in the tier before
    queue_.push_back(object);
  }
  void touch(hook& object, const kvstrata::object_info&) noexcept { object.marked = true; }
  void remove(hook& object) noexcept { queue_.erase(queue_.iterator_to(object)); }

  /// The hand: whom it passes loses the mark. Terminates, because at the end of one round nobody is marked; and visits
  /// each object once, because one that was passed comes up again at the end.
  template <class Visit>
  void victims(Visit&& visit)
  {
    for (auto hand = queue_.begin(); hand != queue_.end();) {
      hook& object = *hand;
      if (object.marked) {
        object.marked = false;
        const auto passed = hand++;
        queue_.splice(queue_.end(), queue_, passed);
        if (hand == queue_.end()) hand = queue_.iterator_to(object);  // it was the last: it is next again
      } else {
        if (!visit(object)) return;
        ++hand;
      }
    }
  }

 private:
  boost::intrusive::list<hook> queue_;  // the hand is at its head
};

static_assert(kvstrata::replacement_policy<clock>);

}  // namespace example
