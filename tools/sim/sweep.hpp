// A sweep with a menu: what kvstrata-sim [sweep] and programs with policies of their own run.
#pragma once

#include <kvstrata/simulate/policy_menu.hpp>

#include <iosfwd>
#include <string>

namespace sim {

struct sweep_program
{
  const kvstrata::policy_menu& menu;
  std::string name;       ///< as its user calls it
  std::string more_help;  ///< behind what --help says
};

/// Exit code 0: done; 1: a trace is broken, or the run could not be finished; 2: a bad argument.
[[nodiscard]] int sweep(const sweep_program& program, int count, const char* const* arguments, std::ostream& out,
                        std::ostream& err);

}  // namespace sim
