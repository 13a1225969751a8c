#include "sim/menu.hpp"

#include <algorithm>
#include <sstream>

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

std::vector<const kvstrata::menu_policy*> choose(const std::vector<std::string>& names)
{
  std::vector<const kvstrata::menu_policy*> wanted;
  for (const std::string& name : names) {
    if (name != "all") wanted.push_back(&menu().find(name));
  }
  const bool all = std::find(names.begin(), names.end(), "all") != names.end();
  std::vector<const kvstrata::menu_policy*> out;
  for (const kvstrata::menu_policy& one : menu().entries()) {
    if (all || std::find(wanted.begin(), wanted.end(), &one) != wanted.end()) out.push_back(&one);
  }
  return out;
}

std::string describe_menu()
{
  std::ostringstream out;
  out << "Policies:\n";
  for (const kvstrata::menu_policy& one : menu().entries()) {
    out << "  " << one.name << std::string(one.name.size() < 14 ? 14 - one.name.size() : 1, ' ') << one.about
        << (one.needs_future ? " (knows the future; no cache can)" : "") << '\n';
  }
  out << "Admission policies:\n"
         "  always        everybody comes in\n"
         "  second_use    who was turned away once before\n"
         "  lru_k_admission\n"
         "                who an LRU-2 cache of the size would hold\n"
         "  tiny_lfu      who a sketch finds more frequent than the victim\n"
         "  worth_writing who is expected to be read once before they go, or as --write-rate allows\n"
         "  write_rate    so many bytes a second and no more: --write-rate\n";
  return out.str();
}

}  // namespace sim
