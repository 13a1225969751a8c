// A model that only takes its time, on an emulated device.
#pragma once

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/simulate/machine.hpp>
#include <kvstrata/simulate/request_work.hpp>

#include <cstddef>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Queues the model's work for a lease on its compute stream, layer by layer: the front that needs nothing of what is on
/// its way, the wait, the rest with the candidates. Kernels that take their time and do nothing.
template <class Lease>
void queue_model(emulated_device& device, stream_id compute, Lease& lease, const cost_model& cost,
                 token_count candidates)
{
  const batch_plan& plan = lease.plan();
  double front = 0;
  double all = 0;
  for (std::size_t r = 0; r < plan.size(); ++r) {
    request_work work(cost, candidates);
    for (std::size_t part = 0; part < plan.parts(r); ++part) {
      const request_plan& asked = plan.requests[plan.row(r, part)];
      const token_interval first = lease.front(r, part);
      if (asked.mode == part_mode::append) front += cost.compute_seconds(first, asked.first_token);
      work.add(asked.mode, {asked.first_token, asked.history}, plan.compute_of(asked));
    }
    all += work.layer_seconds();
  }
  for (layer_index l = 0; l < cost.layers; ++l) {
    if (front > 0) device.launch(compute, {.label = "front", .seconds = front}, [] {});
    lease.wait(l);
    device.launch(compute, {.label = "layer", .seconds = all - front}, [] {});
    lease.layer_done(l);
  }
}

}  // namespace kvstrata
