// Policies written straight from their papers, with nothing in mind but to be read: lists, maps, linear searches.
#pragma once

#include <kvstrata/replacement/frequency_sketch.hpp>
#include <kvstrata/replacement/object_info.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>

namespace kvstrata_test {

/// LIRS as published: one stack S of everybody who was used after the oldest LIR object, a queue Q of resident HIR
/// objects. Objects of one size; its ghosts are bounded by the stack alone.
class naive_lirs
{
 public:
  naive_lirs(std::size_t capacity, std::size_t hir_capacity)
      : lir_capacity_(capacity - hir_capacity), capacity_(capacity)
  {
  }

  /// Is it a hit?
  bool request(std::uint64_t key)
  {
    const auto in_q = std::find(q_.begin(), q_.end(), key);
    const auto in_s = std::find_if(s_.begin(), s_.end(), [key](const entry& e) { return e.key == key; });
    const bool lir = in_s != s_.end() && in_s->lir;
    const bool hit = lir || in_q != q_.end();
    if (!hit && lirs_ + q_.size() == capacity_) q_.pop_front();  // a ghost now, where it is in S
    if (lir) {
      s_.splice(s_.end(), s_, in_s);
    } else if (in_s != s_.end() || lirs_ < lir_capacity_) {
      if (hit) q_.erase(in_q);
      if (in_s != s_.end()) s_.erase(in_s);
      s_.push_back({key, true});
      ++lirs_;
    } else {
      if (hit) q_.erase(in_q);
      s_.push_back({key, false});
      q_.push_back(key);
    }
    prune();
    if (lirs_ > lir_capacity_) {
      q_.push_back(s_.front().key);
      s_.pop_front();
      --lirs_;
      prune();
    }
    return hit;
  }

 private:
  struct entry
  {
    std::uint64_t key;
    bool lir;
  };

  void prune()
  {
    while (!s_.empty() && !s_.front().lir) s_.pop_front();
  }

  std::size_t lir_capacity_;
  std::size_t capacity_;
  std::size_t lirs_ = 0;
  std::list<entry> s_;  // bottom first
  std::list<std::uint64_t> q_;
};

/// Greedy-Dual-Size-Frequency as published.
class naive_gdsf
{
 public:
  explicit naive_gdsf(std::uint64_t capacity) : capacity_(capacity) {}

  bool request(std::uint64_t key, std::uint64_t bytes, double cost)
  {
    const auto found = objects_.find(key);
    const bool hit = found != objects_.end();
    if (!hit) {
      while (used_ + bytes > capacity_) {
        const auto victim = std::min_element(objects_.begin(), objects_.end(), [](const auto& a, const auto& b) {
          return a.second.priority != b.second.priority ? a.second.priority < b.second.priority
                                                        : a.second.used < b.second.used;
        });
        clock_ = victim->second.priority;
        used_ -= victim->second.bytes;
        objects_.erase(victim);
      }
      used_ += bytes;
    }
    object& one = objects_[key];
    one.bytes = bytes;
    one.uses += 1;
    one.used = ++requests_;
    one.priority = clock_ + one.uses * cost / static_cast<double>(bytes);
    return hit;
  }

 private:
  struct object
  {
    double priority = 0;
    double uses = 0;
    std::uint64_t used = 0;
    std::uint64_t bytes = 0;
  };
  std::uint64_t capacity_;
  std::uint64_t used_ = 0;
  std::uint64_t requests_ = 0;
  double clock_ = 0;
  std::map<std::uint64_t, object> objects_;
};

/// Window TinyLFU for objects of one size: judges before the newcomer comes in. Counts with the same sketch.
class naive_w_tiny_lfu
{
 public:
  explicit naive_w_tiny_lfu(std::size_t capacity)
      : capacity_(capacity),
        window_(std::max<std::size_t>(1, capacity / 100)),
        protected_((capacity - capacity / 100) * 80 / 100),
        sketch_({.bytes = capacity, .objects = capacity})
  {
  }

  bool request(std::uint64_t key)
  {
    const auto erase = [key](std::list<std::uint64_t>& from) {
      const auto at = std::find(from.begin(), from.end(), key);
      if (at == from.end()) return false;
      from.erase(at);
      return true;
    };
    const bool was_in_window = erase(in_window_);
    const bool hit = was_in_window || erase(on_probation_) || erase(in_protection_);
    if (!hit && in_window_.size() + on_probation_.size() + in_protection_.size() == capacity_) evict();
    sketch_.add(key, 1);
    if (hit && !was_in_window) {
      in_protection_.push_back(key);
      if (in_protection_.size() > std::max<std::size_t>(1, protected_)) age(in_protection_);
    } else {
      in_window_.push_back(key);
      if (in_window_.size() > window_) age(in_window_);
    }
    return hit;
  }

 private:
  void evict()
  {
    std::list<std::uint64_t>& main = on_probation_.empty() ? in_protection_ : on_probation_;
    const bool full = in_window_.size() >= window_;
    const bool window_loses =
        main.empty() || (full && sketch_.frequency(in_window_.front()) <= sketch_.frequency(main.front()));
    (window_loses ? in_window_ : main).pop_front();
  }
  void age(std::list<std::uint64_t>& from)
  {
    on_probation_.push_back(from.front());
    from.pop_front();
  }

  std::size_t capacity_;
  std::size_t window_;
  std::size_t protected_;
  std::list<std::uint64_t> in_window_;
  std::list<std::uint64_t> on_probation_;
  std::list<std::uint64_t> in_protection_;
  kvstrata::frequency_sketch sketch_;
};

}  // namespace kvstrata_test
