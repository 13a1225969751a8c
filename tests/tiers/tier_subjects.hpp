// The tiers that the conformance suites are run on, for any device.
#pragma once

#include "tiers/mapped_file.hpp"

#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/tiers/device_slab.hpp>
#include <kvstrata/tiers/pinned_arena.hpp>

#include <cstddef>
#include <memory>

namespace kvstrata_test {

struct arena_subject
{
  template <kvstrata::device Device>
  static auto make(Device& d, std::size_t bytes, std::size_t frame_bytes)
  {
    using tier = kvstrata::pinned_arena<>;
    return std::make_unique<tier::on<Device>>(d, tier::config{.bytes = bytes}, frame_bytes);
  }
};

struct file_subject
{
  template <kvstrata::device Device>
  static auto make(Device& d, std::size_t bytes, std::size_t frame_bytes)
  {
    using tier = example::mapped_file<>;
    return std::make_unique<tier::on<Device>>(d, tier::config{.bytes = bytes}, frame_bytes);
  }
};

inline constexpr kvstrata::geometry small_shape{
    .layers = 2, .kv_heads = 1, .head_dim = 16, .element = kvstrata::element_type::f32};
inline constexpr kvstrata::paged_layout small_pages{.page_tokens = 16};
static_assert(kvstrata::page_bytes(small_shape, 16) == 4096);

struct slab_subject
{
  template <kvstrata::device Device>
  static auto make(Device& d, std::size_t bytes, std::size_t)
  {
    using tier = kvstrata::device_slab<Device>;
    return std::make_unique<typename tier::bound>(d, typename tier::config{bytes}, small_shape, small_pages);
  }
};

}  // namespace kvstrata_test
