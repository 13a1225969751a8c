// kvstrata-store: what lies in a store on NVMe, whether it is whole, and the same without gaps.
#include "store/command.hpp"

#include "command_line/standard_output.hpp"

#include <iostream>

int main(int argc, char** argv)
{
  return tools::run_program([&] { return store_tool::command(argc, argv, std::cout, std::cerr); });
}
