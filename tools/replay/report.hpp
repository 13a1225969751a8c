// A run as one HTML page that needs nothing else: style, script and data are inside, and nothing is fetched.
// The page's parts are report.html, report.css, chart.js and report.js here; CMake builds them into the program.
#pragma once

#include "replay/page.hpp"
#include "replay/results.hpp"

#include <string>

namespace replay {

/// The whole page. Tables and sentences are in the HTML itself; a script draws the charts from the embedded JSON.
[[nodiscard]] std::string report(const results& r);

/// Writes the page. Throws kvstrata::data_error when the file cannot be written.
void write_report(const results& r, const std::string& path);

}  // namespace replay
