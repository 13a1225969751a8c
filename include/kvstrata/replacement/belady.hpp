// Belady's rule: whoever is asked for again latest goes first. The optimum for objects of one size, among all that must
// let every object in. For a simulator only: it needs the future. (L. A. Belady, "A study of replacement algorithms for
// a virtual-storage computer", IBM Systems Journal, 1966.)
//
//   insert, touch:  the object is ordered by the position of its next request, which the caller must tell
//   victims:        those that are never requested again, then from the latest next request on; among equals, whoever
//                   was told of first
//
// With sizes it stays a good order, but no optimum: a large object may be worth less than several small ones that
// return later. Those that return stand in a heap, the others in a queue. Whoever is asked for is the one whose next
// request was the nearest, so a leaf of the heap, and rises from there: O(1) on average, an eviction O(log objects), a whole
// order O(objects log objects). Allocates at construction for as many objects as the tier has room for, or, where those
// are more than a million, while the heap grows beyond a million.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/concepts.hpp>

#include <boost/intrusive/list.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class belady
{
 public:
  struct hook : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>
  {
    std::uint64_t next_request = 0;
    std::uint64_t told = 0;  // when, counted over all objects
    std::size_t place = 0;   // in the heap
  };

  belady() = default;
  /// Throws std::bad_alloc.
  explicit belady(const tier_size& size)
  {
    constexpr std::uint64_t most = 1 << 20;
    heap_.reserve(static_cast<std::size_t>((std::min)(size.objects, most)));
  }

  /// Throws usage_error when the caller does not tell the next request, or std::bad_alloc beyond a million objects; the
  /// object is not in the policy then.
  void insert(hook& object, const object_info& info)
  {
    require_future(info);
    if (info.hint.next_request != reuse_hint::never) heap_.emplace_back();
    tell(object, info.hint.next_request);
    join(object);
  }
  /// Throws usage_error likewise; the object keeps its place then.
  void touch(hook& object, const object_info& info)
  {
    require_future(info);
    const std::uint64_t next = info.hint.next_request;
    const bool returns = next != reuse_hint::never;
    if (object.is_linked() || !returns) {
      if (returns && heap_.size() == heap_.capacity()) heap_.reserve(2 * heap_.size() + 1);
      leave(object);
      if (returns) heap_.emplace_back();
      tell(object, next);
      join(object);
      return;
    }
    const bool is_later = next > object.next_request;
    tell(object, next);
    if (is_later) rise(object.place, {next, &object});
    else sink(object.place, {next, &object});
  }
  void remove(hook& object) noexcept { leave(object); }

  template <class Visit>
  void victims(Visit&& visit)
  {
    for (hook& object : never_) {
      if (!visit(object)) return;
    }
    if (heap_.empty() || !visit(*heap_.front().object)) return;
    // Somebody wants more than the first: a row in order is a heap as well.
    std::sort(heap_.begin(), heap_.end(), before);
    for (std::size_t i = 0; i < heap_.size(); ++i) heap_[i].object->place = i;
    for (std::size_t i = 1; i < heap_.size(); ++i) {
      if (!visit(*heap_[i].object)) return;
    }
  }

 private:
  struct item
  {
    std::uint64_t next_request = 0;
    hook* object = nullptr;
  };
  static constexpr std::size_t children = 4;

  [[nodiscard]] static bool before(const item& a, const item& b) noexcept
  {
    if (a.next_request != b.next_request) return a.next_request > b.next_request;
    return a.object->told < b.object->told;
  }

  static void require_future(const object_info& info)
  {
    if (info.hint.next_request != reuse_hint::unknown) return;
    throw usage_error(
        "belady is not told when user " + std::to_string(to_number(info.user)) +
        " is requested next (reuse_hint::next_request); it runs in a simulator that knows its trace only");
  }

  void tell(hook& object, std::uint64_t next_request) noexcept
  {
    object.next_request = next_request;
    object.told = ++told_;
  }

  /// For one who returns there is an empty place at the heap's end.
  void join(hook& object) noexcept
  {
    if (object.next_request == reuse_hint::never) never_.push_back(object);
    else rise(heap_.size() - 1, {object.next_request, &object});
  }
  void leave(hook& object) noexcept
  {
    if (object.is_linked()) {
      never_.erase(never_.iterator_to(object));
      return;
    }
    const item last = heap_.back();
    heap_.pop_back();
    if (last.object == &object) return;
    const std::size_t gap = object.place;
    if (gap > 0 && before(last, heap_[(gap - 1) / children])) rise(gap, last);
    else sink(gap, last);
  }

  void put(std::size_t at, const item& one) noexcept
  {
    heap_[at] = one;
    one.object->place = at;
  }
  void rise(std::size_t at, const item& one) noexcept
  {
    for (; at > 0 && before(one, heap_[(at - 1) / children]); at = (at - 1) / children) {
      put(at, heap_[(at - 1) / children]);
    }
    put(at, one);
  }
  void sink(std::size_t at, const item& one) noexcept
  {
    for (;;) {
      const std::size_t first = at * children + 1;
      if (first >= heap_.size()) break;
      std::size_t best = first;
      for (std::size_t i = first + 1; i < (std::min)(first + children, heap_.size()); ++i) {
        if (before(heap_[i], heap_[best])) best = i;
      }
      if (!before(heap_[best], one)) break;
      put(at, heap_[best]);
      at = best;
    }
    put(at, one);
  }

  std::vector<item> heap_;  // of those that return, the last of them first
  boost::intrusive::list<hook, boost::intrusive::constant_time_size<false>> never_;
  std::uint64_t told_ = 0;
};

static_assert(replacement_policy<belady>);

}  // namespace kvstrata
