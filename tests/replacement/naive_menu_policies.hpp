// LRFU and LRU-K with its correlated period, for objects of one size, written down to be read: vectors and maps, whole
// sums, linear searches.
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

}  // namespace kvstrata_test
