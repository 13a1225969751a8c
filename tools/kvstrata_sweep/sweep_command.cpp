#include <kvstrata_sweep/sweep_command.hpp>

#include "command_line/standard_output.hpp"
#include "sim/sweep.hpp"

#include <filesystem>
#include <iostream>

int kvstrata::sweep_command(int count, const char* const* arguments, const policy_menu& menu)
{
  return tools::run_program([&] {
    const std::string name = count > 0 ? std::filesystem::path(arguments[0]).filename().string() : std::string();
    return sim::sweep({menu, name.empty() ? "sweep" : name, {}}, count, arguments, std::cout, std::cerr);
  });
}
