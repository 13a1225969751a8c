// The random walks on a cache on any device: nothing but the device concept is used, so device memory is read and written
// by copies on the compute streams.
//
//   my_device d;
//   any_device_walk(d, any_point_of<my_device, hybrid_layer_first, ...>, {.seed = 1, .steps = 200});
#pragma once

#include "cache/copying_model.hpp"
#include "cache/parts_walker.hpp"
#include "cache/subject.hpp"
#include "cache/walker.hpp"

namespace kvstrata_test {

template <kvstrata::device Device>
void any_device_walk(Device& device, const point_on<Device>& where, const walk& how, const sizes& s = {})
{
  const auto cache = where.make(device, s);
  walker<Device, copying_model<Device>>(*cache, device, where.about(s), how).run();
}

/// With requests of parts among the others.
template <kvstrata::device Device>
void any_device_parts_walk(Device& device, const point_on<Device>& where, const walk& how, const sizes& s = {})
{
  const auto cache = where.make(device, s);
  walking_parts::walker<Device, copying_model<Device>>(*cache, device, where.about(s), how).run();
}

}  // namespace kvstrata_test
