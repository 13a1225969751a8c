// What a tool's command returns when something throws, and what it says.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/printable_text.hpp>

#include <exception>
#include <new>
#include <ostream>
#include <string_view>

namespace tools {

/// Returns what run() returns; after a sentence to `err` 2 for a configuration that makes no sense, and 1 for all else.
/// `no_memory` says what to ask for less of. What a file or its name puts into a sentence never moves a terminal.
template <class Run>
[[nodiscard]] int run_command(std::ostream& err, std::string_view no_memory, Run&& run)
{
  try {
    return run();
  } catch (const kvstrata::config_error& e) {
    err << "error: " << kvstrata::printable_lines(e.what()) << ".\n";
    return 2;
  } catch (const std::bad_alloc&) {
    err << "error: this machine has not the memory for " << no_memory << '\n';
  } catch (const std::exception& e) {
    err << "error: " << kvstrata::printable_lines(e.what()) << '\n';
  }
  return 1;
}

}  // namespace tools
