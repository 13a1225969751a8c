#include "sim/menu.hpp"

#include <kvstrata/simulate/shipped_policies.hpp>

void sim::parts::add_weighing(kvstrata::policy_menu& menu) { kvstrata::add_weighing_policies(menu); }
