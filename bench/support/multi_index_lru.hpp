// LRU as Boost.MultiIndex makes it in a dozen lines.
#pragma once

#include <kvstrata/replacement/object_info.hpp>
#include <kvstrata/simulate/object_cache.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/identity.hpp>
#include <boost/multi_index/sequenced_index.hpp>
#include <boost/multi_index_container.hpp>

#include <cstddef>
#include <cstdint>

namespace bench {

class multi_index_lru
{
 public:
  explicit multi_index_lru(const kvstrata::tier_size& size) : capacity_(size.objects) {}

  kvstrata::access_outcome request(const kvstrata::trace_access& asked)
  {
    const auto [at, is_new] = keys_.push_back(asked.key);
    if (!is_new) {
      keys_.relocate(keys_.end(), at);
      return kvstrata::access_outcome::hit;
    }
    if (keys_.size() > capacity_) keys_.pop_front();
    return kvstrata::access_outcome::admitted;
  }
  [[nodiscard]] std::size_t objects() const noexcept { return keys_.size(); }

 private:
  using key_list = boost::multi_index_container<
      std::uint64_t,
      boost::multi_index::indexed_by<boost::multi_index::sequenced<>,
                                     boost::multi_index::hashed_unique<boost::multi_index::identity<std::uint64_t>>>>;

  std::size_t capacity_;
  key_list keys_;  // the least recently used is at the front
};

}  // namespace bench
