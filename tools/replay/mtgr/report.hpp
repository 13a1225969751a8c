// A run of MTGR's cases as one HTML page that needs nothing else.
#pragma once

#include "replay/mtgr/results.hpp"

#include <string>

namespace replay {

/// The whole page: by number of candidates the cases side by side, each part's tokens and FLOPs drawn, and every figure. No script.
[[nodiscard]] std::string mtgr_report(const mtgr_results& r);

/// Writes the page. Throws kvstrata::data_error where the file cannot be written.
void write_mtgr_report(const mtgr_results& r, const std::string& file);

}  // namespace replay
