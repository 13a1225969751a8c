// Caches that remember who left, written straight from the papers with lists and maps, every key looked for by walking.
// As in the library, room is made before the newcomer is looked for among the ghosts, except by ARC, and the oldest ghosts
// go last.
// Sizes are bytes, fixed when an object comes in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <vector>

namespace kvstrata_test {

struct naive_object
{
  std::uint64_t key = 0;
  std::uint64_t bytes = 0;
  unsigned uses = 0;
};

/// The oldest is in front.
struct naive_list
{
  std::list<naive_object> all;

  [[nodiscard]] std::uint64_t bytes() const
  {
    std::uint64_t sum = 0;
    for (const naive_object& one : all) sum += one.bytes;
    return sum;
  }
  [[nodiscard]] std::list<naive_object>::iterator find(std::uint64_t key)
  {
    return std::find_if(all.begin(), all.end(), [key](const naive_object& one) { return one.key == key; });
  }
  std::optional<naive_object> take(std::uint64_t key)
  {
    const auto found = find(key);
    if (found == all.end()) return std::nullopt;
    const naive_object one = *found;
    all.erase(found);
    return one;
  }
  naive_object pop()
  {
    const naive_object one = all.front();
    all.pop_front();
    return one;
  }
  void limit(std::uint64_t most)
  {
    while (bytes() > most) all.pop_front();
  }
};

/// Derived gives hit(key) -> bool, evict() and insert(object), and says in resident() how much it holds; expect(object)
/// comes before the evictions.
template <class Derived>
struct naive_cache
{
  std::uint64_t capacity = 0;

  void expect(const naive_object&) {}

  /// Was it a hit?
  bool request(std::uint64_t key, std::uint64_t bytes)
  {
    Derived& self = static_cast<Derived&>(*this);
    if (self.hit(key)) return true;
    if (bytes > capacity) return false;
    self.expect({key, bytes, 0});
    while (self.resident() + bytes > capacity) self.evict();
    self.insert({key, bytes, 0});
    return false;
  }
};

/// Yang and others, SOSP 2023, algorithm 1.
struct naive_s3_fifo : naive_cache<naive_s3_fifo>
{
  naive_list small, main, ghosts;

  [[nodiscard]] std::uint64_t resident() const { return small.bytes() + main.bytes(); }
  bool hit(std::uint64_t key)
  {
    for (naive_list* queue : {&small, &main}) {
      const auto found = queue->find(key);
      if (found == queue->all.end()) continue;
      found->uses = (std::min)(found->uses + 1, 3U);
      return true;
    }
    return false;
  }
  void evict()
  {
    if (small.bytes() >= (std::max)(capacity / 10, std::uint64_t{1}) || main.all.empty()) {
      while (!small.all.empty()) {
        naive_object tail = small.pop();
        if (tail.uses <= 1) return ghosts.all.push_back(tail);
        tail.uses = 0;
        main.all.push_back(tail);
      }
    }
    for (;;) {
      naive_object tail = main.pop();
      if (tail.uses == 0) return;
      --tail.uses;
      main.all.push_back(tail);
    }
  }
  void insert(const naive_object& one)
  {
    const bool is_ghost = ghosts.take(one.key).has_value();
    ghosts.limit(capacity * 9 / 10);
    (is_ghost ? main : small).all.push_back(one);
  }
};

/// Johnson and Shasha, VLDB 1994, "2Q, full version".
struct naive_two_q : naive_cache<naive_two_q>
{
  naive_list in, hot, out;

  [[nodiscard]] std::uint64_t resident() const { return in.bytes() + hot.bytes(); }
  bool hit(std::uint64_t key)
  {
    if (const auto found = hot.take(key)) {
      hot.all.push_back(*found);
      return true;
    }
    return in.find(key) != in.all.end();
  }
  void evict()
  {
    if (in.bytes() > capacity / 4 || hot.all.empty()) out.all.push_back(in.pop());
    else hot.all.pop_front();
  }
  void insert(const naive_object& one)
  {
    const bool is_ghost = out.take(one.key).has_value();
    out.limit(capacity / 2);
    (is_ghost ? hot : in).all.push_back(one);
  }
};

/// Megiddo and Modha, FAST 2003, figure 4, with sizes: evicts until there is room.
struct naive_arc : naive_cache<naive_arc>
{
  naive_list t1, t2, b1, b2;
  double p = 0;
  bool from_b1 = false, from_b2 = false;  // the one who comes

  [[nodiscard]] std::uint64_t resident() const { return t1.bytes() + t2.bytes(); }
  bool hit(std::uint64_t key)
  {
    for (naive_list* from : {&t1, &t2}) {
      if (const auto found = from->take(key)) {
        t2.all.push_back(*found);
        return true;
      }
    }
    return false;
  }
  void expect(const naive_object& one)
  {
    const auto ratio = [](const naive_list& a, const naive_list& b) {
      return (std::max)(static_cast<double>(a.bytes()) / static_cast<double>(b.bytes()), 1.0);
    };
    const auto first = b1.find(one.key);
    const auto second = b2.find(one.key);
    from_b1 = first != b1.all.end();
    from_b2 = second != b2.all.end();
    if (from_b1) p = (std::min)(p + static_cast<double>(first->bytes) * ratio(b2, b1), static_cast<double>(capacity));
    if (from_b2) p = (std::max)(p - static_cast<double>(second->bytes) * ratio(b1, b2), 0.0);
  }
  void evict()
  {
    const auto recent = static_cast<double>(t1.bytes());
    const bool exceeds = recent > p || (from_b2 && recent == p);
    const bool from_t1 = t2.all.empty() || (!t1.all.empty() && exceeds);
    (from_t1 ? b1 : b2).all.push_back((from_t1 ? t1 : t2).pop());
  }
  void insert(const naive_object& one)
  {
    if (from_b1) b1.take(one.key);
    if (from_b2) b2.take(one.key);
    (from_b1 || from_b2 ? t2 : t1).all.push_back(one);
    b1.limit(capacity - t1.bytes());
    b2.limit(2 * capacity - t1.bytes() - t2.bytes() - b1.bytes());
  }
};

/// O'Neil, O'Neil and Weikum, SIGMOD 1993, figure 2.1, without correlated references.
template <std::size_t K>
struct naive_lru_k : naive_cache<naive_lru_k<K>>
{
  struct history
  {
    naive_object object;
    std::vector<std::uint64_t> uses;  // the latest first
  };
  std::list<history> present, past;  // in order of arrival
  std::uint64_t now = 0;

  static std::uint64_t sum(const std::list<history>& all)
  {
    std::uint64_t bytes = 0;
    for (const history& one : all) bytes += one.object.bytes;
    return bytes;
  }
  [[nodiscard]] std::uint64_t resident() const { return sum(present); }
  void use(history& one) { one.uses.insert(one.uses.begin(), ++now); }
  bool hit(std::uint64_t key)
  {
    for (history& one : present) {
      if (one.object.key != key) continue;
      use(one);
      return true;
    }
    return false;
  }
  void evict()
  {
    const auto last = [](const history& one, std::size_t k) { return one.uses.size() < k ? 0 : one.uses[k - 1]; };
    const auto victim = std::min_element(present.begin(), present.end(), [&last](const history& a, const history& b) {
      return last(a, K) != last(b, K) ? last(a, K) < last(b, K) : last(a, 1) < last(b, 1);
    });
    past.splice(past.end(), present, victim);
  }
  void insert(const naive_object& one)
  {
    const auto known =
        std::find_if(past.begin(), past.end(), [&one](const history& h) { return h.object.key == one.key; });
    if (known != past.end()) present.splice(present.end(), past, known);
    else present.emplace_back();
    while (sum(past) > this->capacity) past.pop_front();
    present.back().object = one;
    use(present.back());
  }
};

}  // namespace kvstrata_test
