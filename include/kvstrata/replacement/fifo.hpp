// First in, first out.
//
//   insert:   the object joins the end of one queue
//   touch:    nothing
//   victims:  from the head on
//
// Every operation O(1) and without allocation: the queue runs through the objects.
#pragma once

#include <kvstrata/replacement/concepts.hpp>

#include <boost/intrusive/list.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class fifo
{
 public:
  struct hook : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>
  {
  };

  void insert(hook& object, const object_info&) noexcept { queue_.push_back(object); }
  void touch(hook&, const object_info&) noexcept {}
  void remove(hook& object) noexcept { queue_.erase(queue_.iterator_to(object)); }

  template <class Visit>
  void victims(Visit&& visit)
  {
    for (hook& object : queue_) {
      if (!visit(object)) return;
    }
  }

 private:
  boost::intrusive::list<hook> queue_;  // oldest first
};

static_assert(replacement_policy<fifo>);

}  // namespace kvstrata
