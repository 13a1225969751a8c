// A cache as it is in steady state, without simulating its past: of the requests that came before, only each user's last one
// is served, the longest ago first, and of these only the youngest that fill the cache.
//
// What LRU holds at a time depends on nothing else: the users in the order of their last request. So for LRU the users and
// their order are those of the whole past; what differs is at which page the oldest of them was cut, and the histories' ages
// where they grew. A policy that counts more than the last use (LFU, LIRS, ghosts) begins with less knowledge than it would
// have. tests/simulate/warm_start_test.cpp compares with a long cold run.
#pragma once

#include <kvstrata/plan/request.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Each user's last request. O(1) a request, some 100 bytes a user.
class last_requests
{
 public:
  /// In the order of coming.
  void add(const request& asked) { last_[asked.user] = {asked, count_++}; }

  /// The youngest that together have at least `tokens` tokens, or all there are; the one that came first is first.
  [[nodiscard]] std::vector<request> youngest(std::uint64_t tokens) const
  {
    std::vector<seen> all;
    all.reserve(last_.size());
    for (const auto& one : last_) all.push_back(one.second);
    std::sort(all.begin(), all.end(), [](const seen& a, const seen& b) { return a.number > b.number; });
    std::vector<request> out;
    std::uint64_t sum = 0;
    for (const seen& one : all) {
      if (sum >= tokens) break;
      sum += window_of(one.asked).size();
      out.push_back(one.asked);
    }
    std::reverse(out.begin(), out.end());
    return out;
  }

  [[nodiscard]] std::size_t users() const noexcept { return last_.size(); }

 private:
  struct seen
  {
    request asked;
    std::uint64_t number;
  };

  boost::unordered_flat_map<user_id, seen> last_;
  std::uint64_t count_ = 0;
};

}  // namespace kvstrata
