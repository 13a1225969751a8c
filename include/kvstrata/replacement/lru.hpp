// Least recently used.
//
//   insert, touch:  move the object to the young end of one list
//   victims:        from the old end on
//
// Every operation O(1) and without allocation: the list runs through the objects.
#pragma once

#include <kvstrata/replacement/concepts.hpp>

#include <boost/intrusive/list.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class lru
{
 public:
  using looks_at_no_object = lru;

  struct hook : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>
  {
  };

  void insert(hook& object, const object_info&) noexcept { order_.push_back(object); }
  void touch(hook& object, const object_info&) noexcept
  {
    order_.splice(order_.end(), order_, order_.iterator_to(object));
  }
  void remove(hook& object) noexcept { order_.erase(order_.iterator_to(object)); }

  template <class Visit>
  void victims(Visit&& visit)
  {
    for (hook& object : order_) {
      if (!visit(object)) return;
    }
  }

 private:
  boost::intrusive::list<hook> order_;  // oldest first
};

static_assert(replacement_policy<lru>);

}  // namespace kvstrata
