// On whose behalf a cache works, kept where a tracker hears of it, and nowhere else.
#pragma once

#include <kvstrata/observe/events.hpp>

namespace kvstrata {

/// Not synchronised.
template <bool Heard>
class behalf
{
 public:
  void begin(const on_behalf_of& whom) noexcept { whom_ = whom; }
  [[nodiscard]] const on_behalf_of& whom() const noexcept { return whom_; }

 private:
  on_behalf_of whom_;
};

template <>
class behalf<false>
{
 public:
  constexpr void begin(const on_behalf_of&) const noexcept {}
  [[nodiscard]] constexpr on_behalf_of whom() const noexcept { return {}; }
};

}  // namespace kvstrata
