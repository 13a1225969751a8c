#include "sim/commands.hpp"
#include "sim/menu.hpp"
#include "sim/sweep.hpp"

int sim::sweep_command(int count, const char* const* arguments, std::ostream& out, std::ostream& err)
{
  const sweep_program program{
      menu(), "kvstrata-sim",
      "\nkvstrata-sim machine --help: what latency and throughput a described machine would reach."
      "\nkvstrata-sim cache --help: what each level of a cache serves, by policy and by codec."
      "\nkvstrata-sim size --help: how large the levels of a cache must be for the users of a trace."
      "\nkvstrata-sim cluster --help: what routing and placement make of a simulated cluster."};
  return sweep(program, count, arguments, out, err);
}
