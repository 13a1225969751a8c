// The replay's options on a command line that has others, too.
#pragma once

#include "replay/options.hpp"

#include <CLI/CLI.hpp>

#include <span>
#include <string_view>

namespace replay {

/// Adds every option but those named. What the command line does not set stays as it is in `o`; the caller resolves
/// groups of cases (expand_cases) and checks (check).
void add_options(CLI::App& app, options& o, std::span<const std::string_view> without = {});

}  // namespace replay
