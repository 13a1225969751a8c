// Belady's rule: whoever is asked for again latest goes first. The optimum for objects of one size, among all that must
// let every object in. For a simulator only: it needs the future. (L. A. Belady, "A study of replacement algorithms for
// a virtual-storage computer", IBM Systems Journal, 1966.)
//
//   insert, touch:  the object is ordered by the position of its next request, which the caller must tell
//   victims:        those that are never requested again, then from the latest next request on; among equals, whoever
//                   was told of first
//
// With sizes it stays a good order, but no optimum: a large object may be worth less than several small ones that
// return later. O(log objects) an operation, without allocation: the tree runs through the objects.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/concepts.hpp>

#include <boost/intrusive/set.hpp>

#include <cstdint>
#include <string>

namespace kvstrata {

class belady
{
 public:
  struct hook : boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>
  {
    std::uint64_t next_request = 0;
  };

  /// Throws usage_error when the caller does not tell the next request; the object is not in the policy then.
  void insert(hook& object, const object_info& info)
  {
    require_future(info);
    object.next_request = info.hint.next_request;
    order_.insert(object);
  }
  /// Throws usage_error likewise; the object keeps its place then.
  void touch(hook& object, const object_info& info)
  {
    require_future(info);
    order_.erase(order_.iterator_to(object));
    object.next_request = info.hint.next_request;
    order_.insert(object);
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
  struct later
  {
    bool operator()(const hook& a, const hook& b) const noexcept { return a.next_request > b.next_request; }
  };

  static void require_future(const object_info& info)
  {
    if (info.hint.next_request != reuse_hint::unknown) return;
    throw usage_error(
        "belady is not told when user " + std::to_string(to_number(info.user)) +
        " is requested next (reuse_hint::next_request); it runs in a simulator that knows its trace only");
  }

  boost::intrusive::multiset<hook, boost::intrusive::compare<later>> order_;  // the latest next request first
};

static_assert(replacement_policy<belady>);

}  // namespace kvstrata
