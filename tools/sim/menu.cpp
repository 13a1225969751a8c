#include "sim/menu.hpp"

namespace sim {

const kvstrata::policy_menu& menu()
{
  static const kvstrata::policy_menu all = [] {
    kvstrata::policy_menu made;
    parts::add_queues(made);
    parts::add_ghosts(made);
    parts::add_weighing(made);
    return made;
  }();
  return all;
}

}  // namespace sim
