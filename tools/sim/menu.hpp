// The policies that kvstrata-sim offers. Compiled in three parts, so that a build with several jobs is sooner done.
#pragma once

#include <kvstrata/simulate/policy_menu.hpp>

namespace sim {

[[nodiscard]] const kvstrata::policy_menu& menu();

namespace parts {
void add_queues(kvstrata::policy_menu& menu);
void add_ghosts(kvstrata::policy_menu& menu);
void add_weighing(kvstrata::policy_menu& menu);
}  // namespace parts

}  // namespace sim
