// What a batch needs done, as plain data, decided before anything moves.
#pragma once

#include <kvstrata/core/interval.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata {

/// Where a request's tokens come from. device_hit, lower_hits and the compute intervals partition [0, history).
struct request_plan
{
  user_id user{};
  token_count history = 0;
  token_count first_token = 0;        ///< the device needs [first_token, history): all, but for a prefetch
  token_interval device_hit;          ///< lie in device pages already
  token_interval lower_hits[2] = {};  ///< to be onloaded: before and behind device_hit; either may be empty
  token_interval recomputed = {};     ///< the lower tier has them, but computing them is quicker: left to the model
  std::uint32_t compute_begin = 0;    ///< batch_plan::compute[compute_begin, compute_end) is left to the model
  std::uint32_t compute_end = 0;
  page_count pages_taken = 0;  ///< pages beyond those that the user has

  [[nodiscard]] token_count lower_tokens() const noexcept { return lower_hits[0].size() + lower_hits[1].size(); }
  [[nodiscard]] token_count computed_tokens() const noexcept { return history - device_hit.size() - lower_tokens(); }
};

/// A user whose pages make room for the batch. A user of the batch itself, when the device has more of them than the
/// request wants: then it goes from the rear, or all of it where it lies apart from the request's history.
struct victim_plan
{
  user_id user{};
  page_count pages = 0;          ///< to shed
  bool rear = false;             ///< from the rear; else from the front
  token_count tokens = 0;        ///< that leave the device with them
  token_count dirty_tokens = 0;  ///< of these, how many the lower tier lacks when the plan is made
  bool stale = false;            ///< of an old epoch: goes whole, from every tier
};

struct batch_plan
{
  std::vector<request_plan> requests;
  std::vector<token_interval> compute;  ///< of all requests, one after the other, each ascending
  std::vector<victim_plan> victims;
  page_count pages_needed = 0;  ///< taken by all requests together
  page_count pages_free = 0;    ///< free before anything is evicted

  [[nodiscard]] std::span<const token_interval> compute_of(std::size_t request) const
  {
    const request_plan& r = requests[request];
    return std::span(compute).subspan(r.compute_begin, r.compute_end - r.compute_begin);
  }

  void clear() noexcept
  {
    requests.clear();
    compute.clear();
    victims.clear();
    pages_needed = 0;
  }
};

}  // namespace kvstrata
