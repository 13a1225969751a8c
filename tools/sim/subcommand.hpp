// What the commands of kvstrata-sim have in common: a --help of their own, sentences about what is wrong, exit codes.
#pragma once

#include "command_line/output_paths.hpp"
#include "command_line/parse_arguments.hpp"
#include "command_line/run_command.hpp"

#include <CLI/CLI.hpp>

#include <iosfwd>
#include <string>
#include <string_view>

namespace sim {

struct subcommand
{
  std::string name;  ///< as the user types it: kvstrata-sim cache
  std::string_view about;
  std::string_view examples;   ///< the end of --help
  std::string_view no_memory;  ///< "these caches; ask for fewer": what this machine has not the memory for

  /// Calls add(app), reads the arguments, and calls run(app), which throws what is wrong with them before it writes anything.
  /// Returns the exit code, as commands.hpp has them.
  template <class Add, class Run>
  [[nodiscard]] int operator()(int count, const char* const* arguments, std::ostream& out, std::ostream& err, Add&& add,
                               Run&& run) const
  {
    CLI::App app{std::string(about), name};
    app.get_formatter()->column_width(34);
    app.footer(std::string(tools::output_rule) + "\n" + std::string(examples));
    add(app);
    const std::string where = name + " --help lists the options.";
    if (const auto code = tools::parse_arguments(app, count, arguments, where, out, err, [] {})) return *code;
    return tools::run_command(err, no_memory, [&] {
      run(app);
      return 0;
    });
  }
};

}  // namespace sim
