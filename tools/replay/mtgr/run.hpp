// Serves one stream through MTGR's cases, which take turns batch by batch.
#pragma once

#include "replay/mtgr/load.hpp"
#include "replay/mtgr/results.hpp"
#include "replay/progress.hpp"

namespace replay {

/// Throws kvstrata::error with a sentence when it cannot.
[[nodiscard]] mtgr_results run_mtgr(const mtgr_options& o, progress& shown);

/// One pass of it: all chosen cases, `candidates` of each request. `m` is of the load's config.
[[nodiscard]] mtgr_pass serve_mtgr(const mtgr_options& o, const mtgr_load& load, const mtgr::model& m,
                                   std::uint32_t candidates, progress& shown);

}  // namespace replay
