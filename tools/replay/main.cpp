// replay: serves a stream of recommendation requests from several caches in one run and compares them.
#include "replay/command.hpp"

#include "command_line/standard_output.hpp"

#include <iostream>

int main(int argc, char** argv)
{
  return tools::run_program([&] { return replay::command(argc, argv, std::cout, std::cerr); });
}
