// On whose behalf a cache works, kept where a tracker hears of it, and nowhere else.
#pragma once

#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/observe/events.hpp>

#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Not synchronised.
template <bool Heard>
class behalf
{
 public:
  void begin(const on_behalf_of& whom) noexcept { whom_ = whom; }
  [[nodiscard]] const on_behalf_of& whom() const noexcept { return whom_; }
  /// The same of copies.
  [[nodiscard]] on_behalf_of whom_copies() const noexcept { return others_ ? on_behalf_of{.call = whom_.call} : whom_; }
  /// What is copied from now on is for others than the call's lease, or no longer. Returns what held before.
  bool copies_for_others(bool others) noexcept { return std::exchange(others_, others); }

 private:
  on_behalf_of whom_;
  bool others_ = false;
};

template <>
class behalf<false>
{
 public:
  constexpr void begin(const on_behalf_of&) const noexcept {}
  [[nodiscard]] constexpr on_behalf_of whom() const noexcept { return {}; }
  [[nodiscard]] constexpr on_behalf_of whom_copies() const noexcept { return {}; }
  constexpr bool copies_for_others(bool) const noexcept { return false; }
};

/// What is kept for a tracker.
template <tracker T>
using behalf_for = behalf<tracks<T, tokens_evicted> || tracks<T, copies_queued>>;

/// While it lives, copies are for others than the call's lease.
template <class Behalf>
class copies_for_others
{
 public:
  explicit copies_for_others(Behalf& acting) noexcept : acting_(&acting), before_(acting.copies_for_others(true)) {}
  copies_for_others(const copies_for_others&) = delete;
  copies_for_others& operator=(const copies_for_others&) = delete;
  ~copies_for_others() { acting_->copies_for_others(before_); }

 private:
  Behalf* acting_;
  bool before_;
};

}  // namespace kvstrata
