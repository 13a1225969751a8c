// Residents in a row from which some are drawn by chance: for policies that look at a sample instead of keeping an order.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A Hook has a member `std::size_t place`, which is the row's. O(1) an operation; a whole order costs a sample for each.
/// Reserves at construction room for as many as the tier has objects, for a million if these are more; beyond, it grows.
/// The sequence of random numbers is always the same. Not synchronised.
template <class Hook>
class row_of_residents
{
 public:
  /// Throws std::bad_alloc.
  explicit row_of_residents(std::uint64_t objects)
  {
    constexpr std::uint64_t most = 1 << 20;
    row_.reserve(static_cast<std::size_t>((std::min)(objects, most)));
  }

  /// May throw std::bad_alloc: beyond a million.
  void add(Hook& one)
  {
    one.place = row_.size();
    row_.push_back(&one);
  }
  void take(Hook& one) noexcept
  {
    put(*row_.back(), one.place);
    row_.pop_back();
  }
  [[nodiscard]] std::size_t size() const noexcept { return row_.size(); }

  /// Offers all to `visit` until it returns false: each time whoever has the lowest `rank(Hook&)` among `sample` draws of
  /// those that were not offered yet, and among `also`, which may name any that are in the row; the first of equals.
  template <class Rank, class Also, class Visit>
  void offer(std::uint32_t sample, const Rank& rank, const Also& also, Visit&& visit)
  {
    for (std::size_t left = row_.size(); left > 0; --left) {
      Hook* least = nullptr;
      auto lowest = (std::numeric_limits<decltype(rank(*row_[0]))>::max)();
      const auto consider = [&](Hook& one) {
        const auto ranked = rank(one);
        if (least != nullptr && !(ranked < lowest)) return;
        least = &one;
        lowest = ranked;
      };
      for (std::uint32_t i = 0; i < sample; ++i) consider(*row_[draw(left)]);
      also([&](Hook& one) {
        if (one.place < left) consider(one);
      });
      Hook& last = *row_[left - 1];
      put(last, least->place);
      put(*least, left - 1);
      if (!visit(*least)) return;
    }
  }

  /// Uniform below `limit`, which is not 0: splitmix64, of which the upper half is scaled.
  std::size_t draw(std::size_t limit) noexcept
  {
    std::uint64_t x = state_ += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30U) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27U) * 0x94d049bb133111eb;
    return ((x ^ x >> 31U) >> 32U) * limit >> 32U;
  }

 private:
  void put(Hook& one, std::size_t place) noexcept
  {
    one.place = place;
    row_[place] = &one;
  }

  std::vector<Hook*> row_;
  std::uint64_t state_ = 0;
};

}  // namespace kvstrata
