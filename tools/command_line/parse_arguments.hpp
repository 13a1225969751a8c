// Reads a command line, and says what is wrong with it.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/printable_text.hpp>

#include <CLI/CLI.hpp>

#include <optional>
#include <ostream>
#include <string_view>

namespace tools {

/// Reads the arguments, and calls settle(), which makes of them what is meant and throws kvstrata::config_error where that makes no
/// sense. Nothing where the command goes on, else its exit code: 0 after --help, 2 after a sentence to `err` and then `where`, the
/// sentence that says where the options are listed. What an argument puts into a sentence never moves a terminal.
template <class Settle>
[[nodiscard]] std::optional<int> parse_arguments(CLI::App& app, int count, const char* const* arguments,
                                                 std::string_view where, std::ostream& out, std::ostream& err,
                                                 Settle&& settle)
{
  try {
    app.parse(count, arguments);
    settle();
  } catch (const CLI::Success&) {
    out << app.help();
    return 0;
  } catch (const CLI::ParseError& e) {
    err << "error: " << kvstrata::printable_lines(e.what()) << '\n' << where << '\n';
    return 2;
  } catch (const kvstrata::config_error& e) {
    err << "error: " << kvstrata::printable_lines(e.what()) << ".\n" << where << '\n';
    return 2;
  }
  return std::nullopt;
}

}  // namespace tools
