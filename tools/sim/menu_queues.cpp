#include "sim/menu.hpp"

#include <kvstrata/simulate/shipped_policies.hpp>

void sim::parts::add_queues(kvstrata::policy_menu& menu) { kvstrata::add_queue_policies(menu); }
