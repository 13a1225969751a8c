// Whole granules: what a layout wants taken and given back together (layout/concepts.hpp).
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/interval.hpp>

#include <string>
#include <string_view>

namespace kvstrata {

/// The granules that `pages` lie in.
[[nodiscard]] constexpr page_interval whole_granules(page_interval pages, page_count granule) noexcept
{
  if (pages.empty() || granule == 1) return pages;
  return {pages.begin / granule * granule, (pages.end + granule - 1) / granule * granule};
}

/// Takes for good what is left of a tier beyond whole granules, so that all it hands out are whole ones. Returns how
/// many frames that are. Throws config_error when there is not one granule.
template <class Tier>
[[nodiscard]] page_count take_remainder(Tier& tier, page_count granule, std::string_view field)
{
  if (tier.capacity() < granule) {
    throw config_error(field, std::to_string(tier.capacity()) + " pages",
                       "one user's range takes " + std::to_string(granule));
  }
  const auto rest = tier.try_take(tier.capacity() % granule);
  return rest ? rest->run.count : 0;
}

}  // namespace kvstrata
