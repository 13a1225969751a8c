// kvstrata-sim: hit ratios of many policies and sizes on a trace, what a described machine would do with it, what each level
// of a cache serves of it, how large the levels must be for its users, and what a simulated cluster makes of routing and placement.
#include "sim/commands.hpp"

#include "command_line/standard_output.hpp"

#include <iostream>
#include <string_view>

int main(int argc, char** argv)
{
  return tools::run_program([&] {
    const std::string_view first = argc > 1 ? argv[1] : "";
#ifdef SIM_HAS_MACHINE
    if (first == "machine") return sim::machine_command(argc - 1, argv + 1, std::cout, std::cerr);
#endif
    if (first == "cache") return sim::cache_command(argc - 1, argv + 1, std::cout, std::cerr);
    if (first == "cluster") return sim::cluster_command(argc - 1, argv + 1, std::cout, std::cerr);
    if (first == "size") return sim::size_command(argc - 1, argv + 1, std::cout, std::cerr);
    const int skipped = first == "sweep" ? 1 : 0;
    return sim::sweep_command(argc - skipped, argv + skipped, std::cout, std::cerr);
  });
}
