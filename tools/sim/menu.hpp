// The policies that the tool offers. Compiled in three parts, so that a build with several jobs is sooner done.
#pragma once

#include <kvstrata/simulate/policy_menu.hpp>

#include <string>
#include <vector>

namespace sim {

[[nodiscard]] const kvstrata::policy_menu& menu();

/// "all", or names; each once, in the menu's order. Throws kvstrata::config_error.
[[nodiscard]] std::vector<const kvstrata::menu_policy*> choose(const std::vector<std::string>& names);

/// The menus of policies and admissions, for people.
[[nodiscard]] std::string describe_menu();

namespace parts {
void add_queues(kvstrata::policy_menu& menu);
void add_ghosts(kvstrata::policy_menu& menu);
void add_weighing(kvstrata::policy_menu& menu);
}  // namespace parts

}  // namespace sim
