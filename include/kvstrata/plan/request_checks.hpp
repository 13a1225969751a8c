// What is never right about a request: checked before anything is planned.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/result.hpp>
#include <kvstrata/core/sequence_name.hpp>
#include <kvstrata/plan/kept_tokens.hpp>
#include <kvstrata/plan/request.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Finds users who are twice in a batch. Its memory is reused from batch to batch.
class distinct_users
{
 public:
  /// Throws usage_error when there is one. O(requests) on the average.
  void require(std::span<const request> requests)
  {
    if (requests.size() < 2) return;
    if (seen_.size() < 2 * requests.size()) {
      seen_.assign(std::bit_ceil(2 * requests.size()), mark{});
      batch_ = 0;
    }
    if (++batch_ == 0) {
      std::fill(seen_.begin(), seen_.end(), mark{});
      batch_ = 1;
    }
    const std::size_t mask = seen_.size() - 1;
    for (const request& r : requests) {
      std::size_t at = (to_number(r.user) * 0x9e3779b97f4a7c15U) >> 32U & mask;
      for (; seen_[at].batch == batch_; at = (at + 1) & mask) {
        if (seen_[at].user == r.user) refuse(r.user);
      }
      seen_[at] = {r.user, batch_};
    }
  }

 private:
  struct mark
  {
    user_id user{};
    std::uint32_t batch = 0;  ///< in which the user was seen last
  };

  [[noreturn]] static void refuse(user_id twice)
  {
    throw usage_error("user " + std::to_string(to_number(twice)) +
                      " is twice in one batch; merge a user's requests into the one with the longest history");
  }

  std::vector<mark> seen_;  // a power of two, at most half of them of this batch
  std::uint32_t batch_ = 0;
};

/// Whose epoch is not `now`: no misuse, as a model rolls over while requests are on their way. Not empty, it is the outcome
/// of a call with that request.
[[nodiscard]] inline std::optional<pressure> another_epoch(const request& r, epoch_id now) noexcept
{
  if (r.epoch == now) return std::nullopt;
  return pressure{.why = r.epoch < now ? pressure::reason::stale_epoch : pressure::reason::early_epoch,
                  .user = key_of(r).id,
                  .space = key_of(r).space,
                  .request_epoch = to_number(r.epoch),
                  .cache_epoch = to_number(now)};
}

[[nodiscard]] inline bool are_of_epoch(std::span<const request> requests, epoch_id now) noexcept
{
  return std::all_of(requests.begin(), requests.end(), [now](const request& r) { return r.epoch == now; });
}

/// Every check throws a sentence and changes nothing. Not synchronised.
template <class Residency>
class request_checks
{
 public:
  using entry_type = typename Residency::entry_type;

  explicit request_checks(Residency& r) : residency_(&r) {}

  void require_distinct(std::span<const request> requests) { users_.require(requests); }

  /// What is_right compares a batch's requests with.
  struct limits
  {
    epoch_id epoch;
    token_count longest;
  };
  [[nodiscard]] limits now() const { return {residency_->users().epoch(), residency_->layout().longest_history()}; }

  /// Has the request no fingerprint, and does every check of it by itself find it right? What they throw otherwise, they
  /// say one by one.
  [[nodiscard]] static bool is_right(const request& r, const limits& now)
  {
    return r.epoch == now.epoch && r.first_token <= r.history_tokens && !has_fingerprint(r) && r.time_ms >= 0 &&
           r.time_ms <= latest_ms && r.history_tokens <= now.longest;
  }

  /// Throws nothing: the first request of another epoch than the cache's.
  [[nodiscard]] std::optional<pressure> turned_away(std::span<const request> requests) const noexcept
  {
    for (const request& r : requests) {
      if (auto why = another_epoch(r, residency_->users().epoch())) return why;
    }
    return std::nullopt;
  }

  void require_fits(std::size_t users, std::uint64_t batch_pages) const
  {
    const page_count capacity = residency_->slab().capacity();
    if (batch_pages <= capacity) return;
    throw capacity_error("the batch of " + std::to_string(users) + " users needs " + std::to_string(batch_pages) +
                         " pages, but the slab has " + std::to_string(capacity) +
                         "; send a smaller batch or give the slab more bytes");
  }

  /// The layout must have a place for every token.
  void require_countable(const request& r) const
  {
    const token_count most = residency_->layout().longest_history();
    if (r.history_tokens <= most) return;
    throw capacity_error("the history of " + name_of(key_of(r)) + " has " + std::to_string(r.history_tokens) +
                         " tokens, but the layout has room for at most " + std::to_string(most));
  }

  /// Policies never see time run backwards, so a time that is not in milliseconds would spoil it for good.
  static void require_time(const request& r)
  {
    if (r.time_ms >= 0 && r.time_ms <= latest_ms) return;
    throw usage_error("the request of " + name_of(key_of(r)) + " has the time " + std::to_string(r.time_ms) +
                      " ms, but it must lie between 0 and " + std::to_string(latest_ms) +
                      ", the end of the year 9999; is it in another unit?");
  }

  /// What must hold of every request, whatever is cached and whatever model serves.
  static void require_right(const request& r)
  {
    require_window(r);
    require_hashes(r);
    require_time(r);
  }

  /// What is cached of its sequence is what the request goes on with, or it may start anew; `found` may be null.
  static void require_goes_on(const request& r, const entry_type* found)
  {
    require_version(r, found);
    require_known(r, found);
  }

  /// Throws where a request has another mode than what is cached of its sequence, an older version, or the same version with
  /// another number of tokens and it does not allow for that; `found` may be null.
  static void require_version(const request& r, const entry_type* found)
  {
    if (found == nullptr) return;
    if (found->atomic != is_shared(mode_of(r))) {
      throw usage_error(name_of(key_of(r)) + " is asked for as a part to " + std::string(name_of(mode_of(r))) +
                        ", but was cached as " + (found->atomic ? "one to replace or read" : "one to append") +
                        "; give each kind of part a space of its own");
    }
    if (!found->atomic) return;
    const std::uint64_t has = found->known().version;
    if (version_of(r) < has) {
      throw history_error("version " + std::to_string(version_of(r)) + " of " + name_of(key_of(r)) +
                          " is asked for, but version " + std::to_string(has) + " is cached; versions only go forward");
    }
    token_count tokens = 0;
    each_level<0, Residency::memories>(
        [&](auto i) { tokens = (std::max)(tokens, found->template look<i()>().tokens.end); });
    if (version_of(r) > has || tokens == 0 || tokens == r.history_tokens) return;
    throw history_error("version " + std::to_string(has) + " of " + name_of(key_of(r)) + " has " +
                        std::to_string(r.history_tokens) + " tokens in the request, but " + std::to_string(tokens) +
                        " in the cache; give what is changed another version");
  }

  /// Throws history_error when the request's fingerprints contradict what is cached of its user and it does not allow for
  /// that; `found` may be null. One version has one content, whatever a request allows for: rows that rest on it, of anybody and in
  /// stores, too, tell it by its number alone.
  static void require_known(const request& r, const entry_type* found)
  {
    if (found == nullptr || !has_fingerprint(r) || version_of(r) != found->known().version ||
        (r.if_rewritten != rewritten_history::refuse && !is_shared(mode_of(r))))
      return;
    if (const contradiction against = contradiction_of(r, *found); !against.tokens.empty())
      refuse_rewritten(r, against);
  }

 private:
  static constexpr std::int64_t latest_ms = 253'402'300'799'999;  // the year 9999 ends

  static void require_window(const request& r)
  {
    if (r.first_token <= r.history_tokens) return;
    throw usage_error("the request of " + name_of(key_of(r)) + " begins at token " + std::to_string(r.first_token) +
                      ", but their history has " + std::to_string(r.history_tokens) +
                      " tokens; first_token counts from the beginning of the history, and so does history_tokens");
  }

  static void require_hashes(const request& r)
  {
    const auto require = [&r](std::size_t has, std::size_t needs, token_count stride) {
      if (has >= needs) return;
      throw usage_error("the fingerprint of " + name_of(key_of(r)) + " has " + std::to_string(has) + " hashes, but " +
                        (r.first_token == 0 ? "a history of " : "a window up to token ") +
                        std::to_string(r.history_tokens) + (r.first_token == 0 ? " tokens" : "") + " at stride " +
                        std::to_string(stride) + " needs " + std::to_string(needs));
    };
    const history_fingerprint& f = r.fingerprint;
    if (f.stride != 0) require(f.prefix_hashes.size(), r.history_tokens / f.stride, f.stride);
    const stretch_fingerprint& s = r.stretches;
    if (s.stride != 0) require(s.hashes.size(), whole_stretches(window_of(r), s.stride).size(), s.stride);
  }

  [[noreturn]] static void refuse_rewritten(const request& r, const contradiction& against)
  {
    const std::string which =
        against.tokens.begin == 0
            ? "their first " + std::to_string(against.tokens.end) + " tokens"
            : "their tokens [" + std::to_string(against.tokens.begin) + ", " + std::to_string(against.tokens.end) + ")";
    if (is_shared(mode_of(r))) {
      throw history_error("version " + std::to_string(version_of(r)) + " of " + name_of(key_of(r)) +
                          " contradicts what is cached of it: " + which +
                          " have another fingerprint; give what is changed another version");
    }
    throw history_error("the request of " + name_of(key_of(r)) + " contradicts the cached history: " + which +
                        " have another fingerprint; histories are append-only, so erase the user before sending a "
                        "rewritten one, or let request.if_rewritten start anew");
  }

  Residency* residency_;
  distinct_users users_;
};

}  // namespace kvstrata
