// LRU in thirty lines of Boost.Intrusive: a hash set and a list through the same nodes, which are allocated at once.
#pragma once

#include <kvstrata/replacement/object_info.hpp>
#include <kvstrata/simulate/object_cache.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/unordered_set.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace bench {

class intrusive_lru
{
  struct node : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>>,
                boost::intrusive::unordered_set_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>>
  {
    std::uint64_t key = 0;
  };
  struct key_of
  {
    using type = std::uint64_t;
    const type& operator()(const node& one) const { return one.key; }
  };
  struct scatter
  {
    std::size_t operator()(std::uint64_t key) const
    {
      key *= 0x9e3779b97f4a7c15U;
      return static_cast<std::size_t>(key ^ key >> 32U);
    }
  };
  using set = boost::intrusive::unordered_set<node, boost::intrusive::key_of_value<key_of>,
                                              boost::intrusive::hash<scatter>, boost::intrusive::power_2_buckets<true>,
                                              boost::intrusive::constant_time_size<false>>;

 public:
  explicit intrusive_lru(const kvstrata::tier_size& size)
      : capacity_(size.objects),
        nodes_(std::make_unique<node[]>(capacity_)),
        buckets_(std::make_unique<set::bucket_type[]>(std::bit_ceil(capacity_))),
        index_(set::bucket_traits(buckets_.get(), std::bit_ceil(capacity_)))
  {
  }

  kvstrata::access_outcome request(const kvstrata::trace_access& asked)
  {
    const auto found = index_.find(asked.key);
    if (found != index_.end()) {
      order_.splice(order_.end(), order_, order_.iterator_to(*found));
      return kvstrata::access_outcome::hit;
    }
    node& one = used_ < capacity_ ? nodes_[used_++] : order_.front();
    if (order_.size() == capacity_) {
      index_.erase(index_.iterator_to(one));
      order_.pop_front();
    }
    one.key = asked.key;
    order_.push_back(one);
    index_.insert(one);
    return kvstrata::access_outcome::admitted;
  }
  [[nodiscard]] std::size_t objects() const noexcept { return order_.size(); }

 private:
  std::size_t capacity_;
  std::size_t used_ = 0;
  std::unique_ptr<node[]> nodes_;
  std::unique_ptr<set::bucket_type[]> buckets_;
  set index_;
  boost::intrusive::list<node> order_;  // the least recently used is at the front
};

}  // namespace bench
