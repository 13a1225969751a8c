// The requests that one batch answers: a user has one place in it, however often they ask.
#pragma once

#include <kvstrata/plan/request.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Up to `most` requests in the order of coming; those of one user share the answer of the longest (of requests of parts, the last
/// one), as a cache takes a user once a batch. So who merges is bounded, and a stream of few users is as many batches as one of many. O(1) a call.
class request_batch
{
 public:
  explicit request_batch(std::uint32_t most) : most_(most) {}

  /// It must not be full. Returns whose answer it gets: an index into requests().
  std::size_t add(const request& asked)
  {
    const auto [at, fresh] = place_.try_emplace(asked.user, distinct_.size());
    if (fresh) {
      distinct_.push_back(asked);
    } else {
      request& both = distinct_[at->second];
      const bool exact = both.exact || asked.exact;  // the answer is for either
      if (asked.history_tokens >= both.history_tokens) both = asked;
      both.exact = exact;
    }
    ++answers_;
    return at->second;
  }

  /// One a user.
  [[nodiscard]] std::span<const request> requests() const noexcept { return distinct_; }
  /// Requests that it answers.
  [[nodiscard]] std::uint64_t answers() const noexcept { return answers_; }
  /// Of these, those that share another's answer.
  [[nodiscard]] std::uint64_t merged() const noexcept { return answers_ - distinct_.size(); }
  [[nodiscard]] bool full() const noexcept { return answers_ == most_; }
  [[nodiscard]] bool empty() const noexcept { return answers_ == 0; }

  void clear() noexcept
  {
    distinct_.clear();
    place_.clear();
    answers_ = 0;
  }

 private:
  std::uint32_t most_;
  std::uint64_t answers_ = 0;
  std::vector<request> distinct_;
  boost::unordered_flat_map<user_id, std::size_t> place_;  // of a user in distinct_
};

}  // namespace kvstrata
