// Frames as a user gets them: pages of a history, and what must come to pass before they are written.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/tiers/frame_run.hpp>

#include <cstdint>
#include <optional>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Pages of a history that got frames, and what must come to pass before these are written.
struct taken_pages
{
  page_interval pages;
  fence last_use;
};

/// Others, whose points one had better not wait for (tiers/run_pool.hpp): here, nobody.
struct no_others
{
  [[nodiscard]] static constexpr bool any() noexcept { return false; }
  [[nodiscard]] constexpr bool operator()(event) const noexcept { return false; }
};

namespace detail {

/// A run of a tier, frames that `others` still use last, and counted; of a tier that cannot tell them, what comes first.
template <class Tier, class Others>
[[nodiscard]] std::optional<taken_run> take_run(Tier& tier, page_count most, const Others& others,
                                                std::uint64_t& waited_for)
{
  if constexpr (requires { tier.try_take(most, others); }) {
    if (others.any()) {
      auto run = tier.try_take(most, others);
      if (run && run->waits) waited_for += run->run.count;
      return run;
    }
  }
  return tier.try_take(most);
}

}  // namespace detail

}  // namespace kvstrata
