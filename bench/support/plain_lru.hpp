// What the replacement policies are measured against: LRU as one writes it on an afternoon, with std::list and
// std::unordered_map.
#pragma once

#include <kvstrata/replacement/object_info.hpp>
#include <kvstrata/simulate/object_cache.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>

namespace bench {

class plain_lru
{
 public:
  explicit plain_lru(const kvstrata::tier_size& size) : capacity_(size.objects) {}

  kvstrata::access_outcome request(const kvstrata::trace_access& asked)
  {
    const auto found = index_.find(asked.key);
    if (found != index_.end()) {
      order_.splice(order_.end(), order_, found->second);
      return kvstrata::access_outcome::hit;
    }
    if (index_.size() == capacity_) {
      index_.erase(order_.front());
      order_.pop_front();
    }
    index_.emplace(asked.key, order_.insert(order_.end(), asked.key));
    return kvstrata::access_outcome::admitted;
  }
  [[nodiscard]] std::size_t objects() const noexcept { return index_.size(); }

 private:
  std::size_t capacity_;
  std::list<std::uint64_t> order_;  // the least recently used is at the front
  std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator> index_;
};

}  // namespace bench
