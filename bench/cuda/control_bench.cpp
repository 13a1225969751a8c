// What the host pays to keep a GPU busy: control.hpp says what is measured. `--dry-run` runs every case at tiny sizes
// on an emulated device, whose host times are real and say nothing about a GPU.
#include "control.hpp"
#include "support/program.hpp"

int main(int argc, char** argv)
{
  bench::control_config c;
  bench::common_options defaults;
  defaults.plan = c.plan;
  return bench::run_program(argc, argv, "control_bench",
                            "host microseconds of the calls to a device, and of queueing an onload by each engine", {},
                            defaults, [&](auto& machine, const bench::common_options& all, bench::report& out) {
                              c.plan = all.plan;
                              c.plan.most = all.plan.rounds;
                              if (all.tiny) {
                                c.shape = kvstrata::geometry{.layers = 2, .kv_heads = 1, .head_dim = 16};
                                c.batches = {{1, 1000}, {3, 200}};
                                c.pieces = {1, 16};
                                c.calls = 20;
                              }
                              bench::control(machine, c, out);
                            });
}
