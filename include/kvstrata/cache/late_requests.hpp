// Of a lease, the requests that wait for a store: known one by one, because they are decided one by one.
#pragma once

#include <kvstrata/cache/outcomes.hpp>
#include <kvstrata/core/levels.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// For a stack of so many stores. A request is late from the lease's beginning on; it waits until its read is over, and
/// then it has come, and is as good as any other, or it is lost.
template <class Entry, level_index Stores>
class late_requests
{
 public:
  /// Forgets the lease that it was of.
  void clear() noexcept
  {
    all_.clear();
    waiting_ = 0;
    is_over_ = false;
  }

  /// Room for all of a batch, so that add cannot fail.
  void reserve(std::size_t requests) { all_.reserve(requests); }
  void add(std::size_t request, Entry& who, lease_ticket ticket) noexcept
  {
    all_.push_back({request, &who, ticket, stage::waits});
    ++waiting_;
  }
  /// The request of that number, which waits, is decided. Returns which one it is.
  std::size_t decide(std::uint64_t number, bool came) noexcept
  {
    auto one = all_.begin();
    while (one->ticket.number != number) ++one;
    one->is = came ? stage::came : stage::lost;
    --waiting_;
    return one->request;
  }

  [[nodiscard]] bool has(std::uint64_t number) const noexcept
  {
    for (const late& one : all_) {
      if (one.ticket.number == number) return true;
    }
    return false;
  }
  [[nodiscard]] bool waits(std::size_t request) const noexcept { return is(request, stage::waits); }
  [[nodiscard]] bool lost(std::size_t request) const noexcept { return is(request, stage::lost); }
  /// Nothing that the lease computes of the entry is kept now: its request waits, or is lost.
  [[nodiscard]] bool withholds(const Entry& e) const noexcept
  {
    for (const late& one : all_) {
      if (one.who == &e) return one.is != stage::came;
    }
    return false;
  }
  [[nodiscard]] lease_ticket ticket(std::size_t request) const noexcept
  {
    for (const late& one : all_) {
      if (one.request == request) return one.ticket;
    }
    return {};
  }

  /// Requests that wait.
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }
  /// Has the lease been released? Then the rest is ended with its last read.
  [[nodiscard]] bool is_over() const noexcept { return is_over_; }
  void end() noexcept { is_over_ = true; }

 private:
  enum class stage : std::uint8_t { waits, came, lost };
  struct late
  {
    std::size_t request = 0;
    Entry* who = nullptr;
    lease_ticket ticket;
    stage is = stage::waits;
  };

  [[nodiscard]] bool is(std::size_t request, stage what) const noexcept
  {
    for (const late& one : all_) {
      if (one.request == request) return one.is == what;
    }
    return false;
  }

  std::vector<late> all_;
  std::size_t waiting_ = 0;
  bool is_over_ = false;
};

/// Where a stack has no store nothing is late.
template <class Entry>
class late_requests<Entry, 0>
{
 public:
  constexpr void clear() const noexcept {}
  [[nodiscard]] constexpr bool waits(std::size_t) const noexcept { return false; }
  [[nodiscard]] constexpr bool lost(std::size_t) const noexcept { return false; }
  [[nodiscard]] constexpr bool withholds(const Entry&) const noexcept { return false; }
  [[nodiscard]] constexpr lease_ticket ticket(std::size_t) const noexcept { return {}; }
  [[nodiscard]] constexpr std::size_t waiting() const noexcept { return 0; }
  constexpr void end() const noexcept {}
};

}  // namespace kvstrata
