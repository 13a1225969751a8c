// Requests that wait for their prefetch, in the order of launching, and found by their user.
#pragma once

#include <kvstrata/ahead/stop_rule.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/plan/request.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

namespace kvstrata {

/// A request's place in the queue.
struct prefetch_turn
{
  explicit prefetch_turn(const request& r, stop_rule rule) : stop(rule) { ask(r); }
  prefetch_turn(prefetch_turn&&) noexcept = default;  // the visits stay where they are
  prefetch_turn& operator=(prefetch_turn&&) = delete;

  /// Keeps a request beyond the call that it comes with: copies what its hint shows, and leaves fingerprints out. When
  /// it throws, nothing has changed.
  void ask(const request& r)
  {
    std::vector<std::int64_t> seen(r.hint.visits_ms.begin(), r.hint.visits_ms.end());
    visits.swap(seen);
    what = r;
    what.fingerprint = {};
    what.stretches = {};
    what.hint.visits_ms = visits;
  }

  request what;  ///< its hint's visits are these:
  std::vector<std::int64_t> visits;
  stop_rule stop = stop_rule::wait();
  bool open = true;             ///< there may be more to queue
  std::uint64_t queued = 0;     ///< tokens
  std::uint64_t arrived = 0;    ///< of these
  token_count left = 0;         ///< tokens that were not queued, as far as known
  page_count pages = 0;         ///< of the budget
  page_count displaced = 0;     ///< of displaced_pages
  std::uint32_t under_way = 0;  ///< steps
};

/// One turn a user. Not synchronised.
class prefetch_line
{
 public:
  prefetch_line() = default;
  prefetch_line(const prefetch_line&) = delete;  // its parts refer to each other
  prefetch_line& operator=(const prefetch_line&) = delete;

  /// Null for users without a turn. O(1), as the two that follow.
  [[nodiscard]] prefetch_turn* find(user_id user) noexcept
  {
    const auto at = places_.find(to_number(user));
    return at == places_.end() ? nullptr : &*at->second;
  }

  /// At the end of the line. The user must have no turn.
  void join(prefetch_turn t)
  {
    std::list<prefetch_turn> one;
    one.push_back(std::move(t));
    places_.emplace(to_number(one.front().what.user), one.begin());
    turns_.splice(turns_.end(), one);
  }

  /// Ends a turn that is in the line.
  void leave(const prefetch_turn& t) noexcept
  {
    const auto at = places_.find(to_number(t.what.user));
    turns_.erase(at->second);
    places_.erase(at);
  }

  [[nodiscard]] std::size_t size() const noexcept { return turns_.size(); }
  [[nodiscard]] auto begin() noexcept { return turns_.begin(); }
  [[nodiscard]] auto end() noexcept { return turns_.end(); }

 private:
  std::list<prefetch_turn> turns_;
  std::unordered_map<std::uint64_t, std::list<prefetch_turn>::iterator> places_;
};

}  // namespace kvstrata
