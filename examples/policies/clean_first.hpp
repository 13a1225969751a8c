// Clean first: the least recently used goes first, but among the oldest few whoever costs no write. (CFLRU: Park, Jung,
// Kang, Kim, Lee, "CFLRU: a replacement algorithm for flash memory", CASES 2006. There a write wears flash out; here it
// holds up whoever takes the pages.)
//
//   insert, touch:   to the young end of one list
//   victims:         among the `window` oldest, those that need no write, from the old end on; then these oldest again,
//                    the dirty ones, the fewest bytes to write first; then everybody else, from the old end on
//
// A replacement policy of a third party: whether an object is clean, and what writing it back would move, are in the
// object_info that every policy gets. O(1) but for victims, which sort the window.
#pragma once

#include <kvstrata/replacement/concepts.hpp>

#include <boost/intrusive/list.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace example {

class clean_first
{
 public:
  struct hook : boost::intrusive::list_base_hook<>
  {
    std::uint64_t dirty_bytes = 0;
  };

  void insert(hook& object, const kvstrata::object_info& info) noexcept
  {
    object.dirty_bytes = info.dirty_bytes;
    order_.push_back(object);
  }
  void touch(hook& object, const kvstrata::object_info& info) noexcept
  {
    object.dirty_bytes = info.dirty_bytes;
    order_.splice(order_.end(), order_, order_.iterator_to(object));
  }
  /// Told when an object's size or dirtiness changes other than by its use.
  void changed(hook& object, const kvstrata::object_info& info) noexcept { object.dirty_bytes = info.dirty_bytes; }
  void remove(hook& object) noexcept { order_.erase(order_.iterator_to(object)); }

  template <class Visit>
  void victims(Visit&& visit)
  {
    std::array<hook*, window> oldest{};
    std::size_t count = 0;
    auto next = order_.begin();
    for (; count < window && next != order_.end(); ++next, ++count) {  // insertion: of equals the older goes first
      hook** const end = oldest.data() + count;
      *end = &*next;
      const auto costs_less = [](const hook* a, const hook* b) { return a->dirty_bytes < b->dirty_bytes; };
      std::rotate(std::upper_bound(oldest.data(), end, *end, costs_less), end, end + 1);
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (!visit(*oldest[i])) return;
    }
    for (; next != order_.end(); ++next) {
      if (!visit(*next)) return;
    }
  }

 private:
  static constexpr std::size_t window = 8;
  boost::intrusive::list<hook> order_;  // oldest first
};

static_assert(kvstrata::replacement_policy<clean_first>);

}  // namespace example
