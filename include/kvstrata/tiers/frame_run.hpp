// Runs of consecutive page frames, and what must come to pass before one is written.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/device/event.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Frames [first, first + count).
struct frame_run
{
  page_count first = 0;
  page_count count = 0;

  [[nodiscard]] constexpr page_count end() const noexcept { return first + count; }

  friend constexpr bool operator==(frame_run, frame_run) = default;
};

/// A run that was taken, and what must come to pass before it is written.
struct taken_run
{
  frame_run run;
  fence last_use;
  bool waits = false;  ///< others still use it, and there was nothing else: who asked for such frames last is told
};

}  // namespace kvstrata
