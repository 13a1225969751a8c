#include "sim/menu.hpp"

#include <kvstrata/simulate/shipped_policies.hpp>

void sim::parts::add_ghosts(kvstrata::policy_menu& menu) { kvstrata::add_ghost_policies(menu); }
