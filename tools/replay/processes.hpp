// Several processes that serve the requests of a workload over one cluster.
#pragma once

#include "replay/options.hpp"
#include "replay/progress.hpp"
#include "replay/sizes.hpp"
#include "replay/workload.hpp"

#include "hstu/model_file.hpp"

#include <string>
#include <vector>

namespace replay {

/// Of the keys of this run alone: what others left is not served.
[[nodiscard]] std::string run_prefix();

/// Serves all requests over in o.processes processes at a time, once for each of o.routers, handed out as replay/handing_out.hpp says,
/// and once more for the last of them with a process that is killed in the middle and replaced. Compares answers as o.verify says. Returns a sentence for each
/// on where hits came from. Blocks; to be called while this process has no threads. Throws kvstrata::error for what a process
/// says that cannot go on, and for answers that are not those of recomputation.
[[nodiscard]] std::vector<std::string> serve_in_processes(const options& o, const workload& load, cache_sizes sizes,
                                                          const hstu::trained_model& made_of, progress& shown);

}  // namespace replay
