// What a batch needs done, as plain data, decided before anything moves.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/observe/events.hpp>

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace kvstrata {

/// What a request makes of all that is cached of its user. By default it keeps everything.
struct kept_tokens
{
  /// What lies outside is forgotten, in every tier, before anything else happens.
  token_interval tokens{0, (std::numeric_limits<token_count>::max)()};
  token_count earlier_until = 0;  ///< kept tokens before it were computed in windows that began earlier
  bool forgets = false;           ///< is anything forgotten?
  tokens_forgotten forgotten{};   ///< how many tokens that are, and why
};

/// Where a request's tokens come from. device_hit, lower_hits and the compute intervals partition [first_token, history).
struct request_plan
{
  user_id user{};
  token_count history = 0;
  token_count first_token = 0;        ///< of the window; of a prefetch: the first that the device shall have
  token_count lasting = 0;            ///< a commit keeps [first_token, lasting): all but the volatile tail
  kept_tokens kept{};                 ///< of what is cached; the hits are of it
  token_interval device_hit;          ///< lie in device pages already
  token_interval lower_hits[2] = {};  ///< to be onloaded: before and behind device_hit; either may be empty
  token_interval recomputed = {};     ///< the lower tier has them, but computing them is quicker: left to the model
  std::uint32_t compute_begin = 0;    ///< batch_plan::compute[compute_begin, compute_end) is left to the model
  std::uint32_t compute_end = 0;
  page_count pages_forgotten = 0;  ///< pages that the user has and that keep nothing; they are given back first
  page_count pages_taken = 0;      ///< pages beyond those that the user then has

  [[nodiscard]] token_count lower_tokens() const noexcept { return lower_hits[0].size() + lower_hits[1].size(); }
  [[nodiscard]] token_count computed_tokens() const noexcept
  {
    return history - first_token - device_hit.size() - lower_tokens();
  }
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
  page_count pages_needed = 0;     ///< taken by all requests together
  page_count pages_free = 0;       ///< free before anything is forgotten or evicted
  page_count pages_forgotten = 0;  ///< given back by all requests together

  [[nodiscard]] std::span<const token_interval> compute_of(std::size_t request) const
  {
    const request_plan& r = requests[request];
    return std::span(compute).subspan(r.compute_begin, r.compute_end - r.compute_begin);
  }

  /// Of a request's compute list the tokens from the beginning of its window on; empty when that is served.
  [[nodiscard]] token_interval front_of(std::size_t request) const
  {
    const std::span<const token_interval> all = compute_of(request);
    return all.empty() || all.front().begin != requests[request].first_token ? token_interval{} : all.front();
  }

  void clear() noexcept
  {
    requests.clear();
    compute.clear();
    victims.clear();
    pages_needed = pages_forgotten = 0;
  }
};

}  // namespace kvstrata
