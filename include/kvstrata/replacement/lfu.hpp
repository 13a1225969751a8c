// Least frequently used, of what is here: counts end with the stay.
//
//   insert:   the object joins the class of frequency 1, at its end
//   touch:    goes to the end of the class of the next frequency, which is made when nobody is in it
//   victims:  class by class from the lowest frequency on, in each whoever is longest in that class first
//
// (The list of lists: Ketan Shah, Anirban Mitra, Dhruv Matani, "An O(1) algorithm for implementing the LFU cache
// eviction scheme", 2010.) Every operation O(1); classes are allocated at construction. Nothing ages: what was
// popular once stays.
#pragma once

#include <kvstrata/replacement/concepts.hpp>

#include <boost/intrusive/list.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class lfu
{
  using link = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>;
  struct frequency_class;

 public:
  /// So many different frequencies at a time are told apart, as many as there are objects if these are fewer. With more
  /// an object stays in its class, at the end. As n frequencies take n * n / 2 touches, that is after 2 * 10^9 touches.
  static constexpr std::size_t most_classes = 65536;

  struct hook : link
  {
    frequency_class* among = nullptr;
  };

  explicit lfu(const tier_size& size)
      : classes_(static_cast<std::size_t>(std::clamp(size.objects, std::uint64_t{1}, std::uint64_t{most_classes})))
  {
    for (frequency_class& one : classes_) unused_.push_back(one);
  }

  void insert(hook& object, const object_info&) noexcept
  {
    const bool found = !used_.empty() && (used_.front().frequency == 1 || unused_.empty());
    join(object, found ? used_.front() : make(1, used_.begin()));
  }

  void touch(hook& object, const object_info&) noexcept
  {
    frequency_class& now = *object.among;
    const auto next = std::next(used_.iterator_to(now));
    const bool found = next != used_.end() && next->frequency == now.frequency + 1;
    if (!found && is_alone(object)) {
      ++now.frequency;
      return;
    }
    frequency_class& then = found ? *next : unused_.empty() ? now : make(now.frequency + 1, next);
    then.members.splice(then.members.end(), now.members, now.members.iterator_to(object));
    object.among = &then;
    if (now.members.empty()) give_back(now);
  }

  void remove(hook& object) noexcept
  {
    frequency_class& now = *object.among;
    now.members.erase(now.members.iterator_to(object));
    if (now.members.empty()) give_back(now);
  }

  template <class Visit>
  void victims(Visit&& visit)
  {
    for (frequency_class& one : used_) {
      for (hook& object : one.members) {
        if (!visit(object)) return;
      }
    }
  }

 private:
  template <class T>
  using list = boost::intrusive::list<T, boost::intrusive::constant_time_size<false>>;

  struct frequency_class : link
  {
    std::uint64_t frequency = 0;
    list<hook> members;  // longest in the class first
  };

  static bool is_alone(const hook& object) noexcept
  {
    return &object.among->members.front() == &object && &object.among->members.back() == &object;
  }

  static void join(hook& object, frequency_class& one) noexcept
  {
    object.among = &one;
    one.members.push_back(object);
  }

  frequency_class& make(std::uint64_t frequency, list<frequency_class>::iterator before) noexcept
  {
    frequency_class& made = unused_.front();
    used_.splice(before, unused_, unused_.begin());
    made.frequency = frequency;
    return made;
  }

  void give_back(frequency_class& empty) noexcept { unused_.splice(unused_.begin(), used_, used_.iterator_to(empty)); }

  std::vector<frequency_class> classes_;
  list<frequency_class> unused_;
  list<frequency_class> used_;  // the lowest frequency first
};

static_assert(replacement_policy<lfu>);

}  // namespace kvstrata
