// Hyperbolic caching: whoever was used least often for the time that they are here goes first. (Blankstein, Sen,
// Freedman, "Hyperbolic caching: flexible caching for web applications", USENIX ATC 2017.)
//
//   priority:  uses since it came x cost / (bytes x requests since it came). The cost is what the next request would wait
//              for (object_info::loss_seconds), or 1 where no cost model is given
//   insert:    one use
//   touch:     one use more
//   victims:   of `Sample` drawn by chance (64) whoever has the lowest priority; then likewise of the others
//
// Priorities fall with time, each at its own pace, so there is no order to keep: they are computed when they are compared.
// Without the paper's classes of cost and its first guess for newcomers. No ghosts. O(1) but for the sample; allocates at
// construction only, for up to a million objects.
#pragma once

#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/row_of_residents.hpp>

#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <std::uint32_t Sample = 64>
class basic_hyperbolic
{
  static_assert(Sample > 0);

 public:
  using weighs_costs = basic_hyperbolic;

  struct hook
  {
    std::size_t place = 0;
    std::uint64_t came = 0;  // the number of the request
    std::uint64_t uses = 0;
    double worth = 1;  // cost by byte
  };

  /// Throws std::bad_alloc.
  explicit basic_hyperbolic(const tier_size& size) : row_(size.objects) {}

  void insert(hook& object, const object_info& info)
  {
    row_.add(object);
    object.came = ++now_;
    object.uses = 1;
    object.worth = worth_of(info);
  }
  void touch(hook& object, const object_info& info) noexcept
  {
    ++now_;
    ++object.uses;
    object.worth = worth_of(info);
  }
  void changed(hook& object, const object_info& info) noexcept { object.worth = worth_of(info); }
  void remove(hook& object) noexcept { row_.take(object); }

  template <class Visit>
  void victims(Visit&& visit)
  {
    const auto priority = [now = now_ + 1](const hook& one) {
      return static_cast<double>(one.uses) * one.worth / static_cast<double>(now - one.came);
    };
    row_.offer(Sample, priority, [](const auto&) {}, visit);
  }

 private:
  [[nodiscard]] static double worth_of(const object_info& info) noexcept
  {
    const double cost = info.loss_seconds();
    return (cost > 0 ? cost : 1) / static_cast<double>(info.bytes == 0 ? 1 : info.bytes);
  }

  row_of_residents<hook> row_;
  std::uint64_t now_ = 0;
};

using hyperbolic = basic_hyperbolic<>;

static_assert(replacement_policy<hyperbolic> && weighs_costs<hyperbolic>);

}  // namespace kvstrata
