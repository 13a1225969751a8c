// Least hit density: whoever is expected to hit least for the room and the time that they still take goes first.
// (Beckmann, Chen, Cidon, "LHD: improving cache hit rate by maximizing hit density", NSDI 2018.)
//
//   age:       requests since the last use, in steps; the last of the steps is all that is older
//   class:     of the sum of the ages of an object's last two hits, by octaves: 16, the first for those who never hit
//   density:   of a class at an age: the hits at this age and later, for each step until then that objects of the class
//              are still here. By bytes. What is too old has none
//   touch:     counts a hit of its class at its age;  evict: counts an eviction
//   now and then (every 8 requests for each of the tier's objects) counts are multiplied by 0.9 and densities computed
//   victims:   of 32 drawn by chance, and the last eight who came, whoever has the lowest density; then of the others
//
// After the authors' program, with the steps' length told by the tier's size, and without the classes of applications and
// the few objects that it keeps for exploration. Parameter: steps, of which there are 32 to as many requests as the tier
// has objects. No ghosts, but 16 classes x steps x 24 bytes: 786 KB. O(1) but for the sample; allocates at construction
// only, for up to a million objects.
#pragma once

#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/row_of_residents.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <std::uint32_t Steps = 2048>
class basic_lhd
{
  static_assert(Steps >= 2);

 public:
  class hook
  {
    friend class basic_lhd;
    friend class row_of_residents<hook>;
    std::size_t place = 0;
    std::uint64_t used_ = 0;  // the number of the request
    std::uint64_t bytes_ = 1;
    std::uint32_t hit_age_ = 0;  // of its last hit, in steps
    std::uint32_t age_before_ = Steps;
  };

  /// Throws std::bad_alloc.
  explicit basic_lhd(const tier_size& size)
      : step_((std::max)((std::min)(size.objects, size.bytes) / 32, std::uint64_t{1})),
        period_(std::clamp((std::min)(size.objects, size.bytes), std::uint64_t{512}, std::uint64_t{1} << 17U) * 8),
        row_(size.objects),
        counted_(std::size_t{classes} * Steps)
  {
    for (std::uint32_t c = 0; c < classes; ++c) {  // at first the lately used stay
      for (std::uint32_t age = 0; age < Steps; ++age) at(c, age).density = double(c + 1) / double(age + 1);
    }
  }

  void insert(hook& object, const object_info& info)
  {
    row_.add(object);
    object.hit_age_ = 0;
    object.age_before_ = Steps;
    object.bytes_ = (std::max)(info.bytes, std::uint64_t{1});
    object.used_ = now_;
    newest_[came_++ % newest_.size()] = &object;
    tick();
  }
  void touch(hook& object, const object_info& info) noexcept
  {
    const std::uint32_t age = age_of(object);
    at(class_of(object), age).hits += 1;
    object.age_before_ = object.hit_age_;
    object.hit_age_ = age;
    object.bytes_ = (std::max)(info.bytes, std::uint64_t{1});
    object.used_ = now_;
    tick();
  }
  void changed(hook& object, const object_info& info) noexcept
  {
    object.bytes_ = (std::max)(info.bytes, std::uint64_t{1});
  }
  void remove(hook& object) noexcept
  {
    std::replace(newest_.begin(), newest_.end(), &object, static_cast<hook*>(nullptr));
    row_.take(object);
  }
  void evict(hook& object, const object_info&) noexcept
  {
    at(class_of(object), age_of(object)).evictions += 1;
    remove(object);
  }

  template <class Visit>
  void victims(Visit&& visit)
  {
    const auto density = [this](const hook& one) {
      const std::uint32_t age = age_of(one);
      return age == Steps - 1 ? -1.0 : at(class_of(one), age).density / static_cast<double>(one.bytes_);
    };
    const auto also = [this](const auto& consider) {
      for (hook* one : newest_) {
        if (one != nullptr) consider(*one);
      }
    };
    row_.offer(sample, density, also, visit);
  }

 private:
  static constexpr std::uint32_t classes = 16;
  static constexpr std::uint32_t sample = 32;

  struct cell
  {
    double hits = 0;
    double evictions = 0;
    double density = 0;
  };

  [[nodiscard]] cell& at(std::uint32_t c, std::uint32_t age) noexcept { return counted_[std::size_t{c} * Steps + age]; }
  [[nodiscard]] std::uint32_t age_of(const hook& one) const noexcept
  {
    return static_cast<std::uint32_t>((std::min)((now_ - one.used_) / step_, std::uint64_t{Steps - 1}));
  }
  [[nodiscard]] static std::uint32_t class_of(const hook& one) noexcept
  {
    std::uint64_t age = std::uint64_t{one.hit_age_} + one.age_before_;
    if (age == 0) return classes - 1;
    std::uint32_t octave = 0;
    for (; age < Steps && octave < classes - 1; ++octave) age *= 2;
    return octave;
  }

  void tick() noexcept
  {
    if (++now_ % period_ != 0) return;
    for (std::uint32_t c = 0; c < classes; ++c) model(c);
  }
  /// From the oldest on: events until now, and the steps that objects were here for them, summed.
  void model(std::uint32_t c) noexcept
  {
    double hits = 0;
    double events = 0;
    double steps = 0;
    for (std::uint32_t age = Steps; age-- > 0;) {
      cell& one = at(c, age);
      one.hits *= 0.9;
      one.evictions *= 0.9;
      hits += one.hits;
      events += one.hits + one.evictions;
      steps += events;
      one.density = events > 1e-5 ? hits / steps : 0;
    }
  }

  std::uint64_t step_;    // requests
  std::uint64_t period_;  // likewise
  std::uint64_t now_ = 0;
  row_of_residents<hook> row_;
  std::array<hook*, 8> newest_{};
  std::size_t came_ = 0;
  std::vector<cell> counted_;
};

using lhd = basic_lhd<>;

static_assert(replacement_policy<lhd> && remembers_evicted<lhd>);

}  // namespace kvstrata
