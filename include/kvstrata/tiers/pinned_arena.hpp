// The host tier: one bounded reservation of page-locked memory that hands out extents.
//
//   pinned_arena<[a write policy], [evict_front | evict_whole], [replaced_by<Policy>], [an admission policy]>
//
// It is bounded and has a replacement policy of its own: what a host tier without a limit does to a machine shows
// only in production.
#pragma once

#include <kvstrata/replacement/admission/concepts.hpp>
#include <kvstrata/tiers/concepts.hpp>
#include <kvstrata/tiers/frame_store.hpp>

namespace kvstrata {

template <option... Options>
struct pinned_arena
{
  using shedding = find_option_t<shedding_option, evict_front, Options...>;
  using replacement = find_option_t<replacement_option, replaced_as_cache, Options...>;
  using admission = find_option_t<admission_option, always, Options...>;
  using writes = find_option_t<write_policy_option, page_write_through, Options...>;
  static constexpr std::string_view name = "arena";

  struct config
  {
    std::size_t bytes = 0;  ///< pinned host memory to reserve; rounded down to whole pages
  };

  template <device Device>
  class on : public frame_store<Device, typename Device::memory>
  {
   public:
    /// Reserves the arena. Throws config_error when not one page fits, capacity_error when the memory cannot be had.
    on(Device& d, const config& sizes, std::size_t frame_bytes)
        : on(d, frames_in("arena.bytes", sizes.bytes, frame_bytes), frame_bytes)
    {
    }

   private:
    on(Device& d, page_count frames, std::size_t frame_bytes)
        : frame_store<Device, typename Device::memory>(d, d.allocate_pinned(frames * frame_bytes, "arena"), frames)
    {
    }
  };
};

}  // namespace kvstrata
