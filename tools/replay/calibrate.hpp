// How fast this machine computes and copies, measured in the run whose figures it explains.
#pragma once

#include "replay/break_even.hpp"
#include "replay/workload.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/transfer/cost_model.hpp>

namespace replay {

/// F from recomputing histories of this workload (warming the model up as it goes), B from copies over the emulated
/// link. Under a second each.
[[nodiscard]] break_even calibrate(const workload& w, const hstu::model& m, const kvstrata::link_model& link);

/// What a token costs to compute and to fetch, a layer, by transfer/calibrate.hpp: for caches that weigh the one
/// against the other. About a second.
[[nodiscard]] kvstrata::cost_model measure_costs(const workload& w, const hstu::model& m,
                                                 const kvstrata::link_model& link);

}  // namespace replay
