// ARC, LIRS and SLRU as their papers have them, for objects of one size: lists, and a map that says where a key is, so
// that whole traces can be run. They share nothing with the library.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// Lists of keys by number, the oldest in front, each key in one of them at most.
class keyed_lists
{
 public:
  explicit keyed_lists(std::size_t lists) : lists_(lists) {}

  static constexpr std::size_t nowhere = ~std::size_t{0};
  [[nodiscard]] std::size_t where(std::uint64_t key) const
  {
    const auto found = places_.find(key);
    return found == places_.end() ? nowhere : found->second.first;
  }
  [[nodiscard]] std::size_t size(std::size_t list) const { return lists_[list].size(); }
  [[nodiscard]] std::uint64_t oldest(std::size_t list) const { return lists_[list].front(); }
  void move(std::uint64_t key, std::size_t list)  // to the young end, from wherever it is
  {
    drop(key);
    lists_[list].push_back(key);
    places_[key] = {list, std::prev(lists_[list].end())};
  }
  void drop(std::uint64_t key)
  {
    const auto found = places_.find(key);
    if (found == places_.end()) return;
    lists_[found->second.first].erase(found->second.second);
    places_.erase(found);
  }

 private:
  std::vector<std::list<std::uint64_t>> lists_;
  std::unordered_map<std::uint64_t, std::pair<std::size_t, std::list<std::uint64_t>::iterator>> places_;
};

/// Megiddo and Modha, FAST 2003, figure 4, case by case. p is a real number.
class figure_4_arc
{
 public:
  explicit figure_4_arc(std::size_t c) : c_(c) {}

  bool request(std::uint64_t x)
  {
    const auto real = [this](std::size_t list) { return static_cast<double>(at_.size(list)); };
    switch (at_.where(x)) {
      case t1:
      case t2:  // case I
        at_.move(x, t2);
        return true;
      case b1: {  // case II
        const double delta = at_.size(b1) >= at_.size(b2) ? 1 : real(b2) / real(b1);
        p_ = (std::min)(p_ + delta, static_cast<double>(c_));
        replace(false);
        at_.move(x, t2);
        return false;
      }
      case b2: {  // case III
        const double delta = at_.size(b2) >= at_.size(b1) ? 1 : real(b1) / real(b2);
        p_ = (std::max)(p_ - delta, 0.0);
        replace(true);
        at_.move(x, t2);
        return false;
      }
      default: break;
    }
    const std::size_t l1 = at_.size(t1) + at_.size(b1);  // case IV
    const std::size_t all = l1 + at_.size(t2) + at_.size(b2);
    if (l1 == c_) {
      if (at_.size(t1) < c_) {
        at_.drop(at_.oldest(b1));
        replace(false);
      } else {
        at_.drop(at_.oldest(t1));
      }
    } else if (all >= c_) {
      if (all == 2 * c_) at_.drop(at_.oldest(b2));
      replace(false);
    }
    at_.move(x, t1);
    return false;
  }

 private:
  static constexpr std::size_t t1 = 0, t2 = 1, b1 = 2, b2 = 3;

  void replace(bool in_b2)
  {
    const auto recent = static_cast<double>(at_.size(t1));
    if (recent > 0 && (recent > p_ || (in_b2 && recent == p_))) at_.move(at_.oldest(t1), b1);
    else at_.move(at_.oldest(t2), b2);
  }

  std::size_t c_;
  double p_ = 0;
  keyed_lists at_{4};
};

/// Jiang and Zhang, SIGMETRICS 2002: a stack S, pruned until a LIR object is at its bottom, and a queue Q of resident HIR
/// objects. Of non-resident ones S holds at most `ghosts`: the deepest leaves first.
class stack_lirs
{
 public:
  stack_lirs(std::size_t capacity, std::size_t hir, std::size_t ghosts)
      : capacity_(capacity), lir_most_(capacity - hir), ghosts_most_(ghosts)
  {
  }

  bool request(std::uint64_t key)
  {
    const bool is_lir = lir_.contains(key);
    const bool hit = is_lir || q_.where(key) == 0;
    if (!hit && lirs_ + q_.size(0) == capacity_) evict();
    const bool in_s = s_.where(key) == 0;
    ghosts_.drop(key);
    limit_ghosts();
    if (is_lir || in_s || lirs_ < lir_most_) {
      if (!is_lir) ++lirs_;
      lir_[key] = true;
      q_.drop(key);
    } else {
      q_.move(key, 0);
    }
    s_.move(key, 0);
    prune();
    if (lirs_ > lir_most_) {
      const std::uint64_t bottom = s_.oldest(0);
      lir_.erase(bottom);
      --lirs_;
      s_.drop(bottom);
      q_.move(bottom, 0);
      prune();
    }
    return hit;
  }

 private:
  void evict()
  {
    const std::uint64_t victim = q_.oldest(0);
    q_.drop(victim);
    if (s_.where(victim) == 0) ghosts_.move(victim, 0);
  }
  void limit_ghosts()
  {
    while (ghosts_.size(0) > ghosts_most_) {
      const std::uint64_t deepest = ghosts_.oldest(0);
      s_.drop(deepest);
      ghosts_.drop(deepest);
    }
  }
  void prune()
  {
    while (s_.size(0) != 0 && !lir_.contains(s_.oldest(0))) {
      const std::uint64_t bottom = s_.oldest(0);
      s_.drop(bottom);
      ghosts_.drop(bottom);
    }
  }

  std::size_t capacity_, lir_most_, ghosts_most_;
  std::size_t lirs_ = 0;
  std::unordered_map<std::uint64_t, bool> lir_;
  keyed_lists s_{1}, q_{1}, ghosts_{1};  // of S the bottom first; ghosts_: who of S is not resident, as they left
};

/// Segments of so many objects each, the lowest first; a use leads one up, and who is pushed out goes one down.
class segments_slru
{
 public:
  segments_slru(std::size_t capacity, std::vector<std::size_t> shares)
      : capacity_(capacity), shares_(std::move(shares)), at_(shares_.size())
  {
  }

  bool request(std::uint64_t key)
  {
    const std::size_t was = at_.where(key);
    if (was != keyed_lists::nowhere) {
      std::size_t to = (std::min)(was + 1, shares_.size() - 1);
      at_.move(key, to);
      for (; to > 0 && at_.size(to) > shares_[to]; --to) {
        while (at_.size(to) > shares_[to] && at_.oldest(to) != key) at_.move(at_.oldest(to), to - 1);
      }
      return true;
    }
    std::size_t all = 0;
    for (std::size_t s = 0; s < shares_.size(); ++s) all += at_.size(s);
    for (std::size_t s = 0; all == capacity_ && s < shares_.size(); ++s) {
      if (at_.size(s) == 0) continue;
      at_.drop(at_.oldest(s));
      break;
    }
    std::size_t to = 0;
    while (to < shares_.size() && at_.size(to) >= shares_[to]) ++to;
    at_.move(key, to == shares_.size() ? 0 : to);
    return false;
  }

 private:
  std::size_t capacity_;
  std::vector<std::size_t> shares_;
  keyed_lists at_;
};

}  // namespace kvstrata_test
