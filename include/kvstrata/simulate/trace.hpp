// A trace as plain data: what users did, in order, and at which points they asked for a recommendation.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/ids.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What a user did with an item: one bit a kind of feedback, together an action code below `action_codes`.
namespace action {
inline constexpr std::uint32_t none = 0;
inline constexpr std::uint32_t click = 1U << 0;
inline constexpr std::uint32_t like = 1U << 1;
inline constexpr std::uint32_t follow = 1U << 2;
inline constexpr std::uint32_t comment = 1U << 3;
inline constexpr std::uint32_t forward = 1U << 4;
inline constexpr std::uint32_t hate = 1U << 5;
inline constexpr std::uint32_t long_view = 1U << 6;
inline constexpr std::uint32_t unknown = 1U << 7;  ///< the data says that the item was seen, but not what was done
}  // namespace action

/// Action codes are smaller than this: the size of a model's action vocabulary.
inline constexpr std::uint32_t action_codes = 256;

/// One element of a user's history: one token.
struct trace_event
{
  std::int64_t time_ms = 0;  ///< since 1970 UTC
  std::uint32_t item = 0;    ///< dense: below trace::items
  std::uint32_t action = 0;  ///< bits of namespace action

  friend constexpr bool operator==(const trace_event&, const trace_event&) = default;
};

/// A user asks: the first `history` events of this user are known at this time.
struct trace_request
{
  std::int64_t time_ms = 0;
  std::uint32_t user = 0;   ///< index into trace::users
  token_count history = 0;  ///< events of the user before the request; 0 for one who was never seen before

  friend constexpr bool operator==(const trace_request&, const trace_request&) = default;
};

/// Users' append-only histories, each contiguous and ascending in time, and the requests on them, ascending in time.
/// A request's history is a prefix of its user's events, so an earlier request's is a prefix of a later one's.
/// 16 bytes an event and a request. Spans into it live until it is changed.
struct trace
{
  std::string name;                        ///< where it comes from, for people
  std::uint32_t items = 0;                 ///< size of the item vocabulary
  std::vector<user_id> users;              ///< [user_count()] the users as their source numbers them
  std::vector<std::uint64_t> event_begin;  ///< [user_count() + 1] user u: events[event_begin[u] .. event_begin[u + 1])
  std::vector<token_count> earlier;        ///< [user_count()] how many of them lie before the part that makes requests
  std::vector<trace_event> events;         ///< of all users
  std::vector<trace_request> requests;     ///< ascending in time, and of one user also in history

  [[nodiscard]] std::size_t user_count() const noexcept { return users.size(); }

  /// All events of a user, those after the last request included.
  [[nodiscard]] std::span<const trace_event> events_of(std::uint32_t user) const
  {
    return std::span(events).subspan(event_begin[user], event_begin[user + 1] - event_begin[user]);
  }

  /// What is known of the user when the request comes.
  [[nodiscard]] std::span<const trace_event> history(const trace_request& asked) const
  {
    return events_of(asked.user).first(asked.history);
  }
};

/// Throws data_error, with the reason, when `t` is not what the comments above promise. O(events + requests).
inline void check(const trace& t)
{
  const auto require = [&t](bool holds, const char* reason, std::uint64_t which) {
    if (!holds) throw data_error(t.name.empty() ? "trace" : t.name, 0, reason + std::to_string(which));
  };
  const std::size_t users = t.user_count();
  require(t.event_begin.size() == users + 1 && t.earlier.size() == users && t.event_begin.front() == 0 &&
              t.event_begin.back() == t.events.size(),
          "the arrays of users and events disagree on the number of users, ", users);
  for (std::size_t u = 0; u < users; ++u) {
    require(t.event_begin[u] <= t.event_begin[u + 1], "the events overlap of user index ", u);
  }
  for (std::uint32_t u = 0; u < users; ++u) {
    const auto mine = t.events_of(u);
    require(t.earlier[u] <= mine.size(), "the earlier history is longer than all events of user index ", u);
    for (std::size_t k = 0; k < mine.size(); ++k) {
      require(k == 0 || mine[k - 1].time_ms <= mine[k].time_ms, "time runs backwards in the events of user index ", u);
      require(mine[k].item < t.items, "an item lies outside the vocabulary in the events of user index ", u);
      require(mine[k].action < action_codes, "an action code is too large in the events of user index ", u);
    }
  }
  std::vector<token_count> known(users, 0);
  for (std::size_t r = 0; r < t.requests.size(); ++r) {
    const trace_request& asked = t.requests[r];
    require(r == 0 || t.requests[r - 1].time_ms <= asked.time_ms, "time runs backwards at request ", r);
    require(asked.user < users, "no such user at request ", r);
    const auto mine = t.events_of(asked.user);
    require(asked.history <= mine.size(), "the history is longer than the user's events at request ", r);
    require(asked.history >= known[asked.user], "the history shrank at request ", r);
    require(asked.history == 0 || mine[asked.history - 1].time_ms <= asked.time_ms,
            "the history holds an event of the future at request ", r);
    known[asked.user] = asked.history;
  }
}

}  // namespace kvstrata
