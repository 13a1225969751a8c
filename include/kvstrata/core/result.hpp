// A value, or why there is none just now. C++20 has no std::expected; this is the small part of it we need.
#pragma once

#include <kvstrata/core/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace kvstrata {

/// Why a call could not be served now although it was right. Nothing was changed; try again later.
struct pressure
{
  enum class reason : std::uint8_t {
    held,       ///< leases hold too many pages; release some
    user_held,  ///< another lease holds this user
    arriving,   ///< what a store has of this user is on its way: call again when it has come (arrival_of)
  };
  reason why = reason::held;
  std::uint64_t pages_needed = 0;     ///< pages the call must take beyond what its users have
  std::uint64_t pages_free = 0;       ///< pages nobody has
  std::uint64_t pages_evictable = 0;  ///< pages of users under no lease
  std::uint64_t pages_held = 0;       ///< pages under leases
  std::uint64_t user = 0;             ///< the user, for user_held and arriving
  std::uint32_t stream = 0;           ///< for arriving: the point to wait for, as device/arrival.hpp reads it
  std::uint64_t point = 0;
};

[[nodiscard]] inline std::string to_string(const pressure& p)
{
  if (p.why == pressure::reason::user_held) {
    return "user " + std::to_string(p.user) + " is under another lease; release it first";
  }
  if (p.why == pressure::reason::arriving) {
    return "what a store has of user " + std::to_string(p.user) + " is on its way; call again when it has arrived";
  }
  return std::to_string(p.pages_needed) + " pages are needed, but only " + std::to_string(p.pages_free) +
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
