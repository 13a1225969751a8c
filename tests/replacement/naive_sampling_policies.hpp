// Hyperbolic caching and LHD for objects of one size, written down to be read. They draw the same numbers by chance as the
// library.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

namespace kvstrata_test {

/// A row of keys that chance points into, as the library's.
struct naive_row
{
  std::vector<std::uint64_t> keys;
  std::uint64_t state = 0;

  std::uint64_t drawn()
  {
    std::uint64_t x = state += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30U) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27U) * 0x94d049bb133111eb;
    return keys[((x ^ x >> 31U) >> 32U) * keys.size() >> 32U];
  }
  void drop(std::uint64_t key)
  {
    std::iter_swap(std::find(keys.begin(), keys.end(), key), keys.end() - 1);
    keys.pop_back();
  }
};

/// Blankstein, Sen and Freedman, USENIX ATC 2017.
class naive_hyperbolic
{
 public:
  naive_hyperbolic(std::size_t capacity, int sample) : capacity_(capacity), sample_(sample) {}

  bool request(std::uint64_t key)
  {
    ++now_;
    const bool hit = here_.contains(key);
    if (!hit && here_.size() == capacity_) {
      std::uint64_t victim = row_.drawn();
      for (int i = 1; i < sample_; ++i) {
        const std::uint64_t other = row_.drawn();
        if (priority(other) < priority(victim)) victim = other;
      }
      row_.drop(victim);
      here_.erase(victim);
    }
    if (!hit) {
      row_.keys.push_back(key);
      here_[key].came = now_;
    }
    ++here_[key].uses;
    return hit;
  }

 private:
  struct entry
  {
    std::uint64_t came = 0;
    std::uint64_t uses = 0;
  };
  double priority(std::uint64_t key)
  {
    return static_cast<double>(here_[key].uses) / static_cast<double>(now_ - here_[key].came);
  }

  std::size_t capacity_;
  int sample_;
  std::uint64_t now_ = 0;
  naive_row row_;
  std::map<std::uint64_t, entry> here_;
};

/// Beckmann, Chen and Cidon, NSDI 2018: a class's density at an age is what it hits at that age or later, for the time that
/// its objects take until then, summed from the definition.
class naive_lhd
{
 public:
  naive_lhd(std::size_t capacity, std::size_t steps)
      : capacity_(capacity),
        steps_(steps),
        classes_(16, age_class{std::vector<double>(steps), std::vector<double>(steps), {}})
  {
    for (std::size_t c = 0; c < 16; ++c) {
      for (std::size_t age = 0; age < steps; ++age) classes_[c].density.push_back(double(c + 1) / double(age + 1));
    }
  }

  bool request(std::uint64_t key)
  {
    const auto found = here_.find(key);
    const bool hit = found != here_.end();
    if (hit) {
      const std::size_t age = age_of(found->second);
      class_of(found->second).hits[age] += 1;
      found->second.age_before = found->second.hit_age;
      found->second.hit_age = age;
    } else {
      if (here_.size() == capacity_) evict();
      row_.keys.push_back(key);
      here_[key] = {0, 0, steps_};
      newest_.push_back(key);
      ++came_;
      if (newest_.size() > 8) newest_.pop_front();
    }
    here_[key].used = now_++;
    if (now_ % (8 * std::clamp<std::uint64_t>(capacity_, 512, 1 << 17)) == 0) {
      for (age_class& one : classes_) model(one);
    }
    return hit;
  }

 private:
  struct entry
  {
    std::uint64_t used = 0;
    std::size_t hit_age = 0;
    std::size_t age_before = 0;
  };
  struct age_class
  {
    std::vector<double> hits, evictions, density;
  };

  [[nodiscard]] std::size_t age_of(const entry& one) const
  {
    const std::uint64_t step = std::max<std::uint64_t>(capacity_ / 32, 1);
    return std::min<std::size_t>((now_ - one.used) / step, steps_ - 1);
  }
  age_class& class_of(const entry& one)
  {
    const std::size_t sum = one.hit_age + one.age_before;
    std::size_t c = 15;
    if (sum > 0) {
      for (c = 0; c < 15 && sum << c < steps_;) ++c;
    }
    return classes_[c];
  }
  double rank(std::uint64_t key)
  {
    const entry& one = here_[key];
    const std::size_t age = age_of(one);
    return age == steps_ - 1 ? -1 : class_of(one).density[age];
  }
  void evict()
  {
    std::uint64_t victim = row_.drawn();
    for (int i = 1; i < 32; ++i) {
      const std::uint64_t other = row_.drawn();
      if (rank(other) < rank(victim)) victim = other;
    }
    // In the order of a ring of eight: whoever came first of these is where the next one will be.
    for (std::size_t slot = 0; slot < 8; ++slot) {
      for (std::size_t i = 0; i < newest_.size(); ++i) {
        if ((came_ - newest_.size() + i) % 8 != slot || !here_.contains(newest_[i])) continue;
        if (rank(newest_[i]) < rank(victim)) victim = newest_[i];
      }
    }
    class_of(here_[victim]).evictions[age_of(here_[victim])] += 1;
    row_.drop(victim);
    here_.erase(victim);
  }
  void model(age_class& one)
  {
    for (std::size_t age = 0; age < steps_; ++age) {
      one.hits[age] *= 0.9;
      one.evictions[age] *= 0.9;
    }
    for (std::size_t age = 0; age < steps_; ++age) {
      double hits = 0;
      double events = 0;
      double time = 0;
      for (std::size_t later = steps_; later-- > age;) {
        hits += one.hits[later];
        events += one.hits[later] + one.evictions[later];
        time += events;
      }
      one.density[age] = events > 1e-5 ? hits / time : 0;
    }
  }

  std::size_t capacity_, steps_;
  std::uint64_t now_ = 0;
  std::size_t came_ = 0;
  std::vector<age_class> classes_;
  naive_row row_;
  std::map<std::uint64_t, entry> here_;
  std::deque<std::uint64_t> newest_;
};

}  // namespace kvstrata_test
