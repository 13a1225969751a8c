// kvstrata-sim's sweep with a policy of one's own beside those that ship; docs/tutorials/your-first-policy.md ends here.
//
//   example_29_sweep_your_policy --help
#include "policies/probation.hpp"

#include <kvstrata/simulate/shipped_policies.hpp>

#include <kvstrata_sweep/sweep_command.hpp>

int main(int argc, char** argv)
{
  kvstrata::policy_menu menu = kvstrata::shipped_policies();
  menu.add<example::probation<33>>("probation", "newcomers wait for a second use");
  return kvstrata::sweep_command(argc, argv, menu);
}
