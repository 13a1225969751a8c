// The leases that began before all they serve had come from a store, until the last of it has come or is lost.
#pragma once

#include <kvstrata/cache/outcomes.hpp>
#include <kvstrata/core/levels.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of a stack with so many stores. `State`: a lease_state. Not synchronised.
template <class State, level_index Stores>
class late_leases
{
 public:
  /// Leases that were released and still wait.
  [[nodiscard]] std::size_t over() const noexcept { return over_; }
  [[nodiscard]] lease_outcome outcome_of(lease_ticket ticket) const noexcept { return outcomes_.of(ticket); }

  /// Makes a request late, if read(number), which begins to wait for its store, does not throw. The lease must have room for
  /// all of its requests.
  template <class Entry, class Read>
  void begin(State& s, std::size_t request, Entry& who, Read&& read)
  {
    waiting_.reserve(waiting_.size() + 1);
    const lease_ticket ticket = outcomes_.open();
    try {
      read(ticket.number);
    } catch (...) {
      outcomes_.decide(ticket, false);
      throw;
    }
    if (s.late.waiting() == 0) waiting_.push_back(&s);
    s.late.add(request, who, ticket);
  }

  struct decided
  {
    State* lease = nullptr;
    std::size_t request = 0;
  };
  /// What the request of that number waited for is over.
  decided decide(std::uint64_t number, bool came) noexcept
  {
    outcomes_.decide({number}, came);
    auto at = waiting_.begin();
    while (!(*at)->late.has(number)) ++at;
    State& s = **at;
    const std::size_t request = s.late.decide(number, came);
    if (s.late.waiting() == 0) waiting_.erase(at);
    return {&s, request};
  }

  /// The lease is released. True when it is over by that; else it still waits.
  [[nodiscard]] bool release(State& s) noexcept
  {
    if (s.late.waiting() == 0) return true;
    s.late.end();
    ++over_;
    return false;
  }
  /// A request of a lease that was released is decided. True when that was the last.
  [[nodiscard]] bool ends(const State& s) noexcept
  {
    if (s.late.waiting() != 0) return false;
    --over_;
    return true;
  }

 private:
  std::size_t over_ = 0;
  std::vector<State*> waiting_;
  outcome_book outcomes_;
};

/// Where a stack has no store no lease waits.
template <class State>
class late_leases<State, 0>
{
 public:
  [[nodiscard]] constexpr std::size_t over() const noexcept { return 0; }
  [[nodiscard]] constexpr lease_outcome outcome_of(lease_ticket) const noexcept { return lease_outcome::kept; }
  [[nodiscard]] constexpr bool release(const State&) const noexcept { return true; }
};

}  // namespace kvstrata
