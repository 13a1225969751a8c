// kvstrata-sim's sweep with a policy of this program, on a machine file of the installed package.
#include <kvstrata/replacement/lru.hpp>

#include <kvstrata_sweep/sweep_command.hpp>

namespace {

struct mine : kvstrata::lru
{
  using lru::lru;
};

}  // namespace

int main(int argc, char** argv)
{
  kvstrata::policy_menu menu;
  menu.add<kvstrata::lru>("lru", "least recently used").add<mine>("mine", "the same");
  const char* const usual[] = {"consumer", "--users", "50", "--machine", "h200_pcie5", "--sizes", "growing"};
  return argc > 1 ? kvstrata::sweep_command(argc, argv, menu) : kvstrata::sweep_command(7, usual, menu);
}
