// Probation: who came once has proved nothing yet.
//
//   insert:   a newcomer joins the end of a queue
//   touch:    who is used again is trusted: to the young end of a list of those
//   victims:  while newcomers are more than SharePercent of all, they go first, the oldest first; else the trusted do,
//             the least recently used first
//
// The policy of docs/tutorials/your-first-policy.md. Every operation is O(1); nothing allocates, because both lists run
// through the objects.
#pragma once

#include <kvstrata/replacement/concepts.hpp>

#include <boost/intrusive/list.hpp>

namespace example {

template <unsigned SharePercent = 10>
class probation
{
 public:
  struct hook : boost::intrusive::list_base_hook<>
  {
    bool trusted = false;
  };

  void insert(hook& object, const kvstrata::object_info&) noexcept
  {
    object.trusted = false;  // it may have been here before
    newcomers_.push_back(object);
  }
  void touch(hook& object, const kvstrata::object_info&) noexcept
  {
    remove(object);
    object.trusted = true;
    trusted_.push_back(object);
  }
  void remove(hook& object) noexcept
  {
    object_list& its = object.trusted ? trusted_ : newcomers_;
    its.erase(its.iterator_to(object));
  }

  template <class Visit>
  void victims(Visit&& visit)
  {
    const bool crowded = 100 * newcomers_.size() > SharePercent * (newcomers_.size() + trusted_.size());
    for (hook& object : crowded ? newcomers_ : trusted_) {
      if (!visit(object)) return;
    }
    for (hook& object : crowded ? trusted_ : newcomers_) {
      if (!visit(object)) return;
    }
  }

 private:
  using object_list = boost::intrusive::list<hook>;
  object_list newcomers_;
  object_list trusted_;
};

static_assert(kvstrata::replacement_policy<probation<>>);

}  // namespace example
