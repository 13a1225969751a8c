// tmp
#include "support/nvme/flows.hpp"
#include "support/nvme/recovery.hpp"
int main(int argc, char** argv)
{
  using namespace nvme_bench;
  const scratch_folder folder("/tmp");
  std::vector<bench::target> targets;
  recovery(folder, 3, targets);
  for (auto& t : targets) bench::print(t);
}
