// How fast this machine computes and copies, measured in the run whose figures it explains.
#pragma once

#include "replay/break_even.hpp"
#include "replay/workload.hpp"

#include <kvstrata/device/emulated_device.hpp>

namespace replay {

/// F from recomputing histories of this workload (warming the model up as it goes), B from copies over the emulated
/// link. Under a second each.
[[nodiscard]] break_even calibrate(const workload& w, const hstu::model& m, const kvstrata::link_model& link);

}  // namespace replay
