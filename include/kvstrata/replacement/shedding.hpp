// How much of a victim goes.
//
//   evict_front   only as many pages as are wanted, from the front. The rear stays: it is the dear part to recompute,
//                 because a late token attends to all before it. Our default.
//   evict_whole   all of it: the paper's way. Simple, and frees the most per decision.
//
// expression                                meaning
// ----------------------------------------- -----------------------------------------------------------------------
// typename S::option_kind                   shedding_option
// S::pages_to_shed(resident, wanted)        of a victim with `resident` pages, how many go, from the front, when
//   -> page_count                           `wanted` are missing: at most `resident`, and at least the smaller of both
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/options.hpp>

#include <concepts>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct shedding_option;

struct evict_front
{
  using option_kind = shedding_option;
  /// Pages to take from the front of a victim with `resident` pages when `wanted` pages are missing.
  [[nodiscard]] static constexpr page_count pages_to_shed(page_count resident, page_count wanted) noexcept
  {
    return wanted < resident ? wanted : resident;
  }
};

struct evict_whole
{
  using option_kind = shedding_option;
  [[nodiscard]] static constexpr page_count pages_to_shed(page_count resident, page_count) noexcept { return resident; }
};

template <class S>
concept shedding_policy =
    option<S> && std::same_as<typename S::option_kind, shedding_option> && requires(page_count pages) {
      { S::pages_to_shed(pages, pages) } -> std::same_as<page_count>;
    };

static_assert(shedding_policy<evict_front> && shedding_policy<evict_whole>);

}  // namespace kvstrata
