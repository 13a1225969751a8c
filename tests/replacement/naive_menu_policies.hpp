// LRFU, LHD, hyperbolic caching and LRU-K with its correlated period, for objects of one size, written down to be read:
// vectors and maps, whole sums, linear searches. Those that draw by chance draw the same numbers as the library.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

namespace kvstrata_test {

/// Lee and others, SIGMETRICS 1999: the sum over all uses, each time anew.
class naive_lrfu
{
 public:
  naive_lrfu(std::size_t capacity, double half_life, std::size_t ghosts)
      : capacity_(capacity), half_life_(half_life), ghosts_most_(ghosts)
  {
  }

  bool request(std::uint64_t key)
  {
    const bool hit = here_.contains(key);
    if (!hit && here_.size() == capacity_) {
      const auto victim = std::min_element(here_.begin(), here_.end(), [this](const auto& a, const auto& b) {
        const long double of_a = score(a.second);
        const long double of_b = score(b.second);
        return of_a != of_b ? of_a < of_b : a.second.back() < b.second.back();
      });
      left_.push_back(victim->first);
      gone_[victim->first] = victim->second;
      here_.erase(victim);
    }
    if (const auto ghost = gone_.find(key); ghost != gone_.end()) {
      here_[key] = ghost->second;
      gone_.erase(ghost);
      left_.erase(std::find(left_.begin(), left_.end(), key));
    }
    while (left_.size() > ghosts_most_) {
      gone_.erase(left_.front());
      left_.pop_front();
    }
    here_[key].push_back(++now_);
    return hit;
  }

 private:
  [[nodiscard]] long double score(const std::vector<std::uint64_t>& uses) const
  {
    long double sum = 0;
    for (const std::uint64_t use : uses) sum += std::exp2(-static_cast<long double>(now_ - use) / half_life_);
    return sum;
  }

  std::size_t capacity_;
  long double half_life_;
  std::size_t ghosts_most_;
  std::uint64_t now_ = 0;
  std::map<std::uint64_t, std::vector<std::uint64_t>> here_, gone_;
  std::deque<std::uint64_t> left_;
};

/// O'Neil, O'Neil and Weikum, SIGMOD 1993, figure 2.1, with the names of the figure.
class figure_2_1_lru_k
{
 public:
  figure_2_1_lru_k(std::size_t capacity, std::size_t k, std::uint64_t period)
      : capacity_(capacity), k_(k), correlated_reference_period_(period)
  {
  }

  bool request(std::uint64_t p)
  {
    const std::uint64_t t = ++now_;
    const bool hit = std::find(buffer_.begin(), buffer_.end(), p) != buffer_.end();
    if (hit) {
      if (t - last_[p] > correlated_reference_period_) {
        const std::uint64_t correl_period = last_[p] - hist_[p][0];
        for (std::size_t i = k_ - 1; i > 0; --i)
          hist_[p][i] = hist_[p][i - 1] == 0 ? 0 : hist_[p][i - 1] + correl_period;
        hist_[p][0] = t;
      }
      last_[p] = t;
      return true;
    }
    if (buffer_.size() == capacity_) replace(t);
    buffer_.push_back(p);
    const auto known = std::find(retained_.begin(), retained_.end(), p);
    if (known != retained_.end()) retained_.erase(known);
    else hist_[p].assign(k_, 0);
    if (retained_.size() > capacity_) retained_.pop_front();
    for (std::size_t i = k_ - 1; i > 0; --i) hist_[p][i] = hist_[p][i - 1];
    hist_[p][0] = last_[p] = t;
    return false;
  }

 private:
  void replace(std::uint64_t t)
  {
    auto victim = buffer_.end();
    for (auto q = buffer_.begin(); q != buffer_.end(); ++q) {
      if (t - last_[*q] <= correlated_reference_period_) continue;  // not eligible
      if (victim == buffer_.end() || hist_[*q][k_ - 1] < hist_[*victim][k_ - 1] ||
          (hist_[*q][k_ - 1] == hist_[*victim][k_ - 1] && last_[*q] < last_[*victim])) {
        victim = q;
      }
    }
    if (victim == buffer_.end()) {
      victim = std::min_element(buffer_.begin(), buffer_.end(),
                                [this](std::uint64_t a, std::uint64_t b) { return last_[a] < last_[b]; });
    }
    retained_.push_back(*victim);
    buffer_.erase(victim);
  }

  std::size_t capacity_, k_;
  std::uint64_t correlated_reference_period_;
  std::uint64_t now_ = 0;
  std::vector<std::uint64_t> buffer_;
  std::deque<std::uint64_t> retained_;
  std::map<std::uint64_t, std::vector<std::uint64_t>> hist_;
  std::map<std::uint64_t, std::uint64_t> last_;
};

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

 public:
  bool count_and_request(std::uint64_t key)
  {
    const bool comes = !here_.contains(key);
    const bool hit = request(key);
    if (comes) ++came_;
    return hit;
  }
};

}  // namespace kvstrata_test
