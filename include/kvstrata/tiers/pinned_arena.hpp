// The host tier: one bounded reservation of page-locked memory that hands out extents.
//
//   pinned_arena<[a write policy], [evict_front | evict_whole], [replaced_by<Policy>], [an admission policy]>
//
// It is bounded and has a replacement policy of its own: what a host tier without a limit does to a machine shows
// only in production.
#pragma once

#include <kvstrata/codec/identity.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/numa.hpp>
#include <kvstrata/device/device_archetype.hpp>
#include <kvstrata/replacement/admission/concepts.hpp>
#include <kvstrata/tiers/concepts.hpp>
#include <kvstrata/tiers/frame_store.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <option... Options>
struct pinned_arena
{
  using shedding = find_option_t<shedding_option, evict_front, Options...>;
  using replacement = find_option_t<replacement_option, replaced_as_cache, Options...>;
  using admission = find_option_t<admission_option, always, Options...>;
  using writes = find_option_t<write_policy_option, page_write_through, Options...>;
  using codec = find_option_t<codec_option, kvstrata::codec::identity, Options...>;
  using codec_config = typename codec::config;
  static constexpr std::string_view name = "arena";

  struct config
  {
    std::size_t bytes = 0;  ///< pinned host memory to reserve; rounded down to whole pages
    /// The NUMA node that the memory comes from, that of the GPU's socket as a rule; empty: wherever it is touched first.
    std::optional<std::uint32_t> numa_node = {};
    /// Where the node has no memory left: fail. Where it cannot be had at all: config_error. Else the memory comes from
    /// elsewhere then, of which warnings_of (cache/warnings.hpp) speaks.
    bool numa_required = false;
    [[no_unique_address]] codec_config codec = {};  ///< what the codec is told, if there is one
    /// Of `bytes`, with a codec: for pages as they are, those on their way among them (books/level_codes.hpp). What a batch
    /// computes beyond it goes down in turns, or not at all where it is evicted meanwhile. How it was found: docs/codecs.md.
    double raw_share = 1.0 / 16;
  };

  template <device Device>
  class on : public frame_store<Device, typename Device::memory>
  {
   public:
    /// Reserves the arena. Throws config_error when not one page fits or its node is required and cannot be had,
    /// capacity_error when the memory cannot be had.
    on(Device& d, const config& sizes, std::size_t frame_bytes)
        : on(d, sizes, frames_in("arena.bytes", sizes.bytes, frame_bytes), frame_bytes)
    {
    }

   private:
    on(Device& d, const config& sizes, page_count frames, std::size_t frame_bytes)
        : frame_store<Device, typename Device::memory>(d, reserve(d, sizes, frames * frame_bytes), frames)
    {
    }

    static typename Device::memory reserve(Device& d, const config& sizes, std::size_t bytes)
    {
      if (!sizes.numa_node) return d.allocate_pinned(bytes, "arena");
      if (sizes.numa_required) {
        if (const std::string why = why_not_numa_node(*sizes.numa_node); !why.empty()) {
          throw config_error("arena.numa_node", *sizes.numa_node, "it is required, and " + why);
        }
      }
      // A device touches its memory when it allocates it, or leaves that to whoever writes first.
      const numa_scope touched_here(*sizes.numa_node, sizes.numa_required);
      typename Device::memory own = d.allocate_pinned(bytes, "arena");
      place_on_numa_node(own.data(), own.size(), *sizes.numa_node, sizes.numa_required);
      return own;
    }
  };
};

static_assert(memory_tier<pinned_arena<>, detail::device_archetype>);

}  // namespace kvstrata
