// tmp
#include "support/nvme/flows.hpp"
int main(int argc, char** argv)
{
  using namespace nvme_bench;
  const scratch_folder folder("/tmp");
  const ring_engine ring = find_ring_engine(folder / "try");
  std::vector<bench::target> targets;
  flow_effort e;
  record_shape s;
  if (argc > 1) e.rounds = e.mixed_rounds = std::atoi(argv[1]);
  if (argc > 2) e.region_bytes = std::stoull(argv[2]) << 20U;
  {
    flows f(folder, ring, e, s);
    f.alone(targets);
    if (argc>3) f.beside(targets);
  }
  for (auto& t : targets) bench::print(t);
}
