// Random replacement: every object is as likely to go as any other.
//
//   insert:   the object takes a random place in one row, and whoever was there goes to the row's end
//   touch:    nothing
//   victims:  from the end of the row on
//   remove:   whoever is at the end takes the place
//
// The row is at any time a random permutation, so its end is a random object, and asking twice gives the same answer.
// Needs no history, so it is the yardstick for policies that do; loops longer than the tier do not ruin it. Every
// operation O(1). Allocates at construction for as many objects as the tier has room for, or, where those are more than
// a million, while the row grows beyond a million. The sequence of random numbers is always the same.
#pragma once

#include <kvstrata/replacement/concepts.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class random_replacement
{
 public:
  struct hook
  {
    std::size_t place = 0;
  };

  /// Throws std::bad_alloc.
  explicit random_replacement(const tier_size& size)
  {
    constexpr std::uint64_t most = 1 << 20;
    row_.reserve(static_cast<std::size_t>((std::min)(size.objects, most)));
  }

  void insert(hook& object, const object_info&)
  {
    row_.push_back(&object);
    const std::size_t place = below(row_.size());
    put(*row_[place], row_.size() - 1);
    put(object, place);
  }
  void touch(hook&, const object_info&) noexcept {}
  void remove(hook& object) noexcept
  {
    put(*row_.back(), object.place);
    row_.pop_back();
  }

  template <class Visit>
  void victims(Visit&& visit)
  {
    for (auto at = row_.rbegin(); at != row_.rend(); ++at) {
      if (!visit(**at)) return;
    }
  }

 private:
  void put(hook& object, std::size_t place) noexcept
  {
    object.place = place;
    row_[place] = &object;
  }

  /// splitmix64, of which the upper half is scaled.
  std::size_t below(std::size_t limit) noexcept
  {
    std::uint64_t x = state_ += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30U) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27U) * 0x94d049bb133111eb;
    return ((x ^ x >> 31U) >> 32U) * limit >> 32U;
  }

  std::vector<hook*> row_;
  std::uint64_t state_ = 0;
};

static_assert(replacement_policy<random_replacement>);

}  // namespace kvstrata
