// CLOCK: first in, first out, with one reference bit. (F. J. Corbato, "A paging experiment with the Multics system",
// MIT Project MAC, 1968. Also known as second chance.)
//
//   insert:   the object joins the end of one queue, unmarked
//   touch:    marks it; nothing moves, which is what makes CLOCK cheap
//   victims:  from the head on; who is marked loses the mark and goes to the end instead
//
// One bit an object. Every operation O(1), victims amortised over the touches before it, and without allocation: the
// queue runs through the objects.
#pragma once

#include <kvstrata/replacement/concepts.hpp>

#include <boost/intrusive/list.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class clock_sweep
{
 public:
  struct hook : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>
  {
    bool marked = false;
  };

  void insert(hook& object, const object_info&) noexcept
  {
    object.marked = false;  // it may have been here before
    queue_.push_back(object);
  }
  void touch(hook& object, const object_info&) noexcept { object.marked = true; }
  void remove(hook& object) noexcept { queue_.erase(queue_.iterator_to(object)); }

  /// Nobody is marked after one round, so it ends; who was passed comes up again at the end, once.
  template <class Visit>
  void victims(Visit&& visit)
  {
    for (auto hand = queue_.begin(); hand != queue_.end();) {
      hook& object = *hand;
      if (!object.marked) {
        if (!visit(object)) return;
        ++hand;
        continue;
      }
      object.marked = false;
      if (const auto passed = hand++; hand != queue_.end()) queue_.splice(queue_.end(), queue_, passed);
      else hand = passed;  // the last: it is next again
    }
  }

 private:
  boost::intrusive::list<hook> queue_;  // the hand is at its head
};

static_assert(replacement_policy<clock_sweep>);

}  // namespace kvstrata
