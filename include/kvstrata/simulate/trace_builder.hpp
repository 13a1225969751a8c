// Collects the rows of logs, in any order, into a trace: users and items get dense numbers, histories become
// contiguous.
#pragma once

#include <kvstrata/simulate/repeated_events.hpp>
#include <kvstrata/simulate/request_stream.hpp>
#include <kvstrata/simulate/trace.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Users and items are numbered in order of first appearance. 24 bytes a row, and 16 more while finish() runs.
class trace_builder
{
 public:
  /// An event of a log.
  void add(std::uint64_t user, std::int64_t time_ms, std::uint64_t item, std::uint32_t action_code)
  {
    const std::uint32_t u = number_of(user_numbers_, user);
    if (u == first_ms_.size()) {
      users_.push_back(user_id{user});
      first_ms_.push_back((std::numeric_limits<std::int64_t>::max)());
    }
    first_ms_[u] = (std::min)(first_ms_[u], time_ms);
    log_begin_ms_ = (std::min)(log_begin_ms_, time_ms);
    log_end_ms_ = (std::max)(log_end_ms_, time_ms);
    rows_.push_back({time_ms, u, number_item(item), action_code, false});
  }

  /// An event that a summary of a user's past tells of. It goes before all events of the user's log, whatever its time,
  /// and never makes a request. User and item are numbers from find_user() and number_item().
  void add_earlier(std::uint32_t user, std::int64_t time_ms, std::uint32_t item, std::uint32_t action_code)
  {
    rows_.push_back({time_ms, user, item, action_code, true});
  }

  [[nodiscard]] std::optional<std::uint32_t> find_user(std::uint64_t user) const
  {
    const auto found = user_numbers_.find(user);
    return found == user_numbers_.end() ? std::nullopt : std::optional(found->second);
  }

  /// Time of the first event of a user's log.
  [[nodiscard]] std::int64_t first_ms(std::uint32_t user) const { return first_ms_[user]; }

  /// The dense number of an item, given to it now if it is new.
  [[nodiscard]] std::uint32_t number_item(std::uint64_t item) { return number_of(item_numbers_, item); }

  /// Times of the first and the last event of the logs; only when there is one.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> times_ms() const noexcept { return {log_begin_ms_, log_end_ms_}; }

  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }

  /// From here on, finish() leaves out events of a log that repeat another one: user, time, item and action.
  void drop_repeated() noexcept { drops_ = true; }

  /// How many events of the log repeat another one, in what finish() made last.
  [[nodiscard]] std::uint64_t repeated() const noexcept { return repeated_; }

  /// The trace, without requests; trace::earlier counts the events of add_earlier() and those before `from_ms`. Events
  /// of one time stay in the order they were added. The builder is empty afterwards. O(n), and O(n log n) for users
  /// whose rows did not come in order.
  [[nodiscard]] trace finish(std::string name, std::int64_t from_ms)
  {
    trace t = build(std::move(name), from_ms);
    clear();
    return t;
  }

  /// The same, with requests: make_requests(), but of one time in the order in which their events were added. 16 more
  /// bytes a request for a while. Throws config_error.
  [[nodiscard]] trace finish(std::string name, std::int64_t from_ms, const request_options& options)
  {
    trace t = build(std::move(name), from_ms);
    t.requests = make_requests(t, options);
    order_ties(t.requests);
    clear();
    return t;
  }

 private:
  struct row
  {
    std::int64_t time_ms;
    std::uint32_t user;
    std::uint32_t item;
    std::uint32_t action_code;
    bool is_earlier;
  };
  using numbering = boost::unordered_flat_map<std::uint64_t, std::uint32_t>;

  static std::uint32_t number_of(numbering& numbers, std::uint64_t key)
  {
    return numbers.try_emplace(key, static_cast<std::uint32_t>(numbers.size())).first->second;
  }

  void clear()
  {
    const std::uint64_t repeated = repeated_;
    *this = trace_builder();
    repeated_ = repeated;
  }

  trace build(std::string name, std::int64_t from_ms)
  {
    trace t;
    t.name = std::move(name);
    t.items = static_cast<std::uint32_t>(item_numbers_.size());
    t.users = std::move(users_);
    t.event_begin.assign(t.users.size() + 1, 0);
    t.earlier.assign(t.users.size(), 0);
    for (const row& r : rows_) {
      ++t.event_begin[r.user + 1];
      if (r.is_earlier || r.time_ms < from_ms) ++t.earlier[r.user];
    }
    for (std::size_t u = 0; u < t.users.size(); ++u) t.event_begin[u + 1] += t.event_begin[u];

    // Two stable passes, so that a user's earlier events end up in front.
    std::vector<std::uint64_t> next(t.event_begin.begin(), t.event_begin.end() - 1);
    t.events.resize(rows_.size());
    std::vector<std::uint64_t> log_begin;
    for (const bool is_earlier : {true, false}) {
      for (const row& r : rows_) {
        if (r.is_earlier == is_earlier) t.events[next[r.user]++] = {r.time_ms, r.item, r.action_code};
      }
      if (is_earlier) log_begin = next;
    }
    const auto before = [](const trace_event& a, const trace_event& b) { return a.time_ms < b.time_ms; };
    const auto sort = [&t, &before](std::uint64_t from, std::uint64_t to) {
      const auto first = t.events.begin() + static_cast<std::ptrdiff_t>(from);
      const auto last = t.events.begin() + static_cast<std::ptrdiff_t>(to);
      if (!std::is_sorted(first, last, before)) std::stable_sort(first, last, before);
    };
    for (std::size_t u = 0; u < t.users.size(); ++u) {
      sort(t.event_begin[u], log_begin[u]);
      sort(log_begin[u], t.event_begin[u + 1]);
    }
    repeated_ = detail::find_repeated(t, log_begin, from_ms, drops_);
    return t;
  }

  /// Requests of one time come in the order of their users; puts them in that of the rows.
  void order_ties(std::vector<trace_request>& requests) const
  {
    const auto other_time = [&requests](std::size_t from) {
      std::size_t end = from + 1;
      while (end < requests.size() && requests[end].time_ms == requests[from].time_ms) ++end;
      return end;
    };
    boost::unordered_flat_map<std::int64_t, std::vector<std::uint32_t>> users_at;  // in the order of their rows
    for (std::size_t r = 0, end = 0; r < requests.size(); r = end) {
      end = other_time(r);
      if (requests[r].user != requests[end - 1].user) users_at.try_emplace(requests[r].time_ms);
    }
    if (users_at.empty()) return;
    for (const row& one : rows_) {
      if (one.is_earlier) continue;
      if (const auto found = users_at.find(one.time_ms); found != users_at.end()) found->second.push_back(one.user);
    }

    std::vector<trace_request> ordered;
    boost::unordered_flat_map<std::uint32_t, std::size_t> next;  // of a user, the request that comes next
    for (std::size_t r = 0, end = 0; r < requests.size(); r = end) {
      end = other_time(r);
      const auto tied = users_at.find(requests[r].time_ms);
      if (tied == users_at.end()) continue;
      ordered.clear();
      next.clear();
      for (std::size_t k = end; k-- > r;) next[requests[k].user] = k;
      for (const std::uint32_t user : tied->second) {
        const auto mine = next.find(user);
        if (mine == next.end() || mine->second == end || requests[mine->second].user != user) continue;
        ordered.push_back(requests[mine->second++]);
      }
      std::copy(ordered.begin(), ordered.end(), requests.begin() + static_cast<std::ptrdiff_t>(r));
    }
  }

  std::vector<row> rows_;
  std::vector<user_id> users_;
  std::vector<std::int64_t> first_ms_;  // [users_]
  std::int64_t log_begin_ms_ = (std::numeric_limits<std::int64_t>::max)();
  std::int64_t log_end_ms_ = (std::numeric_limits<std::int64_t>::min)();
  numbering user_numbers_;
  numbering item_numbers_;
  bool drops_ = false;
  std::uint64_t repeated_ = 0;
};

}  // namespace kvstrata
