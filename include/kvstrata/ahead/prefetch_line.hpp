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

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Names one request that was launched, among several of its user, too. One that no prefetcher gave names nothing.
struct prefetch_ticket
{
  user_id user{};
  std::uint64_t number = 0;  ///< of a prefetcher's requests, in the order of launching, from 1 on
  friend bool operator==(const prefetch_ticket&, const prefetch_ticket&) = default;
};

/// A request's place in the queue.
struct prefetch_turn
{
  prefetch_turn(const request& r, stop_rule rule, std::uint64_t n) : number(n) { ask(r, rule); }
  prefetch_turn(prefetch_turn&&) noexcept = default;  // visits and parts stay where they are
  prefetch_turn& operator=(prefetch_turn&&) = delete;

  /// Keeps a request beyond the call that it comes with: copies what its hint shows, and leaves fingerprints out. When
  /// it throws, nothing has changed.
  void ask(const request& r, stop_rule rule)
  {
    std::vector<std::int64_t> seen(r.hint.visits_ms.begin(), r.hint.visits_ms.end());
    std::vector<part> all(r.parts.begin(), r.parts.end());
    for (part& p : all) p.fingerprint = {};
    visits.swap(seen);
    parts.swap(all);
    what = r;
    what.parts = parts;
    what.fingerprint = {};
    what.stretches = {};
    what.hint.visits_ms = visits;
    stop = rule;
    open = true;
    left = 0;
  }

  /// Takes what came for another request of the user.
  void inherit(const prefetch_turn& other) noexcept
  {
    queued += other.queued;
    arrived += other.arrived;
    pages += other.pages;
    under_way += other.under_way;
  }

  request what;  ///< its hint's visits and its parts are these:
  std::vector<std::int64_t> visits;
  std::vector<part> parts;
  stop_rule stop = stop_rule::wait();
  std::uint64_t number = 0;
  bool open = true;             ///< there may be more to queue
  std::uint32_t going = 0;      ///< calls that prepare it at this moment
  std::uint64_t queued = 0;     ///< tokens
  std::uint64_t arrived = 0;    ///< of these
  token_count left = 0;         ///< tokens that were not queued, as far as known
  page_count pages = 0;         ///< of the budget
  page_count displaced = 0;     ///< of displaced_pages
  std::uint32_t under_way = 0;  ///< steps
};

/// One turn a request. Not synchronised.
class prefetch_line
{
 public:
  prefetch_line() = default;
  prefetch_line(const prefetch_line&) = delete;  // its parts refer to each other
  prefetch_line& operator=(const prefetch_line&) = delete;

  /// The user's oldest turn, but for that with the number `but_for`; null when there is none. O(turns of the user), as all
  /// that follow.
  [[nodiscard]] prefetch_turn* find(user_id user, std::uint64_t but_for = 0) noexcept
  {
    prefetch_turn* oldest = nullptr;
    each_of(user, [&](prefetch_turn& t) {
      if (t.number != but_for && (oldest == nullptr || t.number < oldest->number)) oldest = &t;
    });
    return oldest;
  }
  /// The user's newest turn, or null.
  [[nodiscard]] prefetch_turn* newest(user_id user) noexcept
  {
    prefetch_turn* found = nullptr;
    each_of(user, [&](prefetch_turn& t) {
      if (found == nullptr || t.number > found->number) found = &t;
    });
    return found;
  }
  /// Null when the request does not wait.
  [[nodiscard]] prefetch_turn* find(const prefetch_ticket& ticket) noexcept
  {
    prefetch_turn* found = nullptr;
    each_of(ticket.user, [&](prefetch_turn& t) {
      if (t.number == ticket.number) found = &t;
    });
    return found;
  }

  /// Calls see(turn) for each of the user's turns, in no order; it must not end one.
  template <class See>
  void each_of(user_id user, See&& see)
  {
    const auto [first, last] = places_.equal_range(to_number(user));
    for (auto at = first; at != last; ++at) see(*at->second);
  }

  /// At the end of the line. When it throws, nothing has changed.
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
    auto at = places_.equal_range(to_number(t.what.user)).first;
    while (&*at->second != &t) ++at;
    turns_.erase(at->second);
    places_.erase(at);
  }

  [[nodiscard]] std::size_t size() const noexcept { return turns_.size(); }
  [[nodiscard]] auto begin() noexcept { return turns_.begin(); }
  [[nodiscard]] auto end() noexcept { return turns_.end(); }

 private:
  std::list<prefetch_turn> turns_;
  std::unordered_multimap<std::uint64_t, std::list<prefetch_turn>::iterator> places_;
};

}  // namespace kvstrata
