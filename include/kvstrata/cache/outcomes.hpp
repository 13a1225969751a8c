// What became of requests whose lease began before all that it served had come from a store.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of one request of a lease; good for as long as its cache.
struct lease_ticket
{
  std::uint64_t number = 0;  ///< 0: nothing was on its way, so nothing can be lost
  std::uint32_t shard = 0;   ///< of a sharded cache

  friend constexpr bool operator==(const lease_ticket&, const lease_ticket&) = default;
};

enum class lease_outcome : std::uint8_t {
  pending,  ///< a read has not come to pass: do not answer yet
  kept,     ///< what was served is what was put: answer
  lost,     ///< what was computed rests on a read that was lost: do not answer, and ask again
};

[[nodiscard]] constexpr std::string_view name_of(lease_outcome o) noexcept
{
  switch (o) {
    case lease_outcome::pending: return "pending";
    case lease_outcome::kept: return "kept";
    case lease_outcome::lost: return "lost";
  }
  return "unknown";
}

/// Hands out tickets and remembers what became of them: of those that are pending, and of the last that were lost; whatever
/// is older than these counts as lost, whatever became of it. Not synchronised.
class outcome_book
{
 public:
  /// A new ticket, which is pending. When this throws there is none; whatever happens to it later cannot fail.
  [[nodiscard]] lease_ticket open()
  {
    pending_.reserve(pending_.size() + 1);
    lost_.reserve((std::min)(most_lost, lost_.size() + pending_.size() + 1));
    pending_.push_back(++last_);
    return {last_};
  }

  /// Of a pending ticket.
  void decide(lease_ticket ticket, bool kept) noexcept
  {
    pending_.erase(std::find(pending_.begin(), pending_.end(), ticket.number));
    if (kept) return;
    if (lost_.size() == most_lost) {
      forgotten_until_ = (std::max)(forgotten_until_, lost_.front());  // who is decided late may be older
      lost_.erase(lost_.begin());
    }
    lost_.insert(std::lower_bound(lost_.begin(), lost_.end(), ticket.number), ticket.number);
  }

  /// O(pending tickets + log tickets lost). A ticket of another cache is lost.
  [[nodiscard]] lease_outcome of(lease_ticket ticket) const noexcept
  {
    if (ticket.number == 0) return lease_outcome::kept;
    if (std::find(pending_.begin(), pending_.end(), ticket.number) != pending_.end()) return lease_outcome::pending;
    if (ticket.number <= forgotten_until_ || ticket.number > last_) return lease_outcome::lost;
    return std::binary_search(lost_.begin(), lost_.end(), ticket.number) ? lease_outcome::lost : lease_outcome::kept;
  }

  [[nodiscard]] std::size_t pending() const noexcept { return pending_.size(); }

 private:
  static constexpr std::size_t most_lost = 4096;

  std::uint64_t last_ = 0;
  std::uint64_t forgotten_until_ = 0;
  std::vector<std::uint64_t> pending_;
  std::vector<std::uint64_t> lost_;  // ascending
};

}  // namespace kvstrata
