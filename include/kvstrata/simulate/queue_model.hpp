// A model that only takes its time, on an emulated device.
#pragma once

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/simulate/machine.hpp>

#include <cstddef>

namespace kvstrata {

/// Queues the model's work for a lease on its compute stream, layer by layer: the front that needs nothing of what is on
/// its way, the wait, the rest with the candidates. Kernels that take their time and do nothing.
template <class Lease>
void queue_model(emulated_device& device, stream_id compute, Lease& lease, const cost_model& cost,
                 token_count candidates)
{
  const batch_plan& plan = lease.plan();
  double front = 0;
  double all = 0;
  for (std::size_t r = 0; r < plan.requests.size(); ++r) {
    const request_plan& asked = plan.requests[r];
    front += cost.compute_seconds(lease.front(r), asked.first_token);
    all += layer_seconds(cost, candidates, plan.compute_of(r), asked.history, asked.first_token);
  }
  for (layer_index l = 0; l < cost.layers; ++l) {
    if (front > 0) device.launch(compute, {.label = "front", .seconds = front}, [] {});
    lease.wait(l);
    device.launch(compute, {.label = "layer", .seconds = all - front}, [] {});
    lease.layer_done(l);
  }
}

}  // namespace kvstrata
