// A value, or why there is none just now. C++20 has no std::expected; this is the small part of it we need.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/sequence_name.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Why a call could not be served now although it was right. Nothing was changed, but for copy_refused, which is as a lease
/// that was dropped; try again later, or wait for it (cache::wait_sync).
struct pressure
{
  enum class reason : std::uint8_t {
    held,       ///< leases hold too many pages; release some
    user_held,  ///< another lease holds this user; to read a replace or read part, as many as are counted
    arriving,   ///< this user's tokens are on their way: from a store (arrival_of tells when they have come), or, where
                ///< by_commit, from another lease, which computes them
    stale_epoch,   ///< this user's request is of a model whose time is over: never right again, stamp it anew
    early_epoch,   ///< it is of a model that has not begun here: call again after advance_epoch
    copy_refused,  ///< the device did not take a copy that brings this user up: call again, or erase those whose tokens
                   ///< are below and have them computed
  };
  reason why = reason::held;
  bool by_commit = false;             ///< for arriving: no device tells when, as that is with another lease's commit
  std::uint64_t pages_needed = 0;     ///< pages the call must take beyond what its users have
  std::uint64_t pages_free = 0;       ///< pages nobody has
  std::uint64_t pages_evictable = 0;  ///< pages of users under no lease
  std::uint64_t pages_held = 0;       ///< pages under leases
  std::uint64_t user = 0;             ///< the user, for all but held; or the id of a sequence,
  std::uint32_t space = 0;            ///< where this is not 0
  std::uint32_t stream = 0;           ///< for arriving, else: the point to wait for, as device/arrival.hpp reads it
  std::uint64_t point = 0;
  std::uint64_t request_epoch = 0;  ///< for stale_epoch and early_epoch: the request's,
  std::uint64_t cache_epoch = 0;    ///< and the cache's
  std::uint32_t shard = no_shard;   ///< of several, the one that turned the call away: all figures are its own

  static constexpr std::uint32_t no_shard = ~std::uint32_t{0};
};

/// Reasons that there are: numbers of them are below.
inline constexpr std::uint8_t pressure_reasons = static_cast<std::uint8_t>(pressure::reason::copy_refused) + 1;

[[nodiscard]] constexpr std::string_view name_of(pressure::reason why) noexcept
{
  switch (why) {
    case pressure::reason::held: return "held";
    case pressure::reason::user_held: return "user_held";
    case pressure::reason::arriving: return "arriving";
    case pressure::reason::stale_epoch: return "stale_epoch";
    case pressure::reason::early_epoch: return "early_epoch";
    case pressure::reason::copy_refused: return "copy_refused";
  }
  return "unknown";
}

[[nodiscard]] inline std::string to_string(const pressure& p)
{
  const std::string where = p.shard == pressure::no_shard ? "" : "shard " + std::to_string(p.shard) + ": ";
  const std::string user = name_of(sequence_key{p.space, p.user});
  const auto epochs = [&] {
    return where + "the request of " + user + " names epoch " + std::to_string(p.request_epoch) +
           ", but the cache is at epoch " + std::to_string(p.cache_epoch);
  };
  switch (p.why) {
    case pressure::reason::held: break;
    case pressure::reason::user_held: return where + user + " is under another lease; release it first";
    case pressure::reason::arriving:
      if (p.by_commit)
        return where + user + " is being computed by another lease; call again when that is committed or released";
      return where + "what a store has of " + user + " is on its way; call again when it has arrived";
    case pressure::reason::stale_epoch: return epochs() + "; a model of an older epoch cannot be served any more";
    case pressure::reason::early_epoch:
      return epochs() + "; call advance_epoch before the first request of a new model";
    case pressure::reason::copy_refused:
      return where + "the device refused a copy to the slab, for " + user +
             " or others of the batch; call again, or erase them to have them computed";
  }
  return where + std::to_string(p.pages_needed) + " pages are needed, but only " + std::to_string(p.pages_free) +
         " are free and " + std::to_string(p.pages_evictable) + " can be evicted; leases hold " +
         std::to_string(p.pages_held);
}

/// Thrown by result::value() for a caller who did not expect pressure.
struct pressure_error : error
{
  explicit pressure_error(const pressure& p) : error(to_string(p)), why(p) {}
  pressure why;
};

template <class T>
class [[nodiscard]] result
{
 public:
  result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  result(pressure why) : state_(std::in_place_index<1>, why) {}

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

  /// The value; throws pressure_error when there is none.
  [[nodiscard]] T& value() &
  {
    require();
    return std::get<0>(state_);
  }
  [[nodiscard]] const T& value() const&
  {
    require();
    return std::get<0>(state_);
  }
  [[nodiscard]] T value() &&
  {
    require();
    return std::get<0>(std::move(state_));
  }

  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] T operator*() && { return std::move(*this).value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }

  /// Why there is no value. Only when has_value() is false.
  [[nodiscard]] const pressure& why() const { return std::get<1>(state_); }

 private:
  void require() const
  {
    if (!has_value()) throw pressure_error(std::get<1>(state_));
  }

  std::variant<T, pressure> state_;
};

}  // namespace kvstrata
