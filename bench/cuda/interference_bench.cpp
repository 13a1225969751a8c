// What copying costs the model on a GPU: interference.hpp says what is measured. `--dry-run` runs every case at tiny
// sizes on an emulated device, on which copies cost a computation nothing.
#include "interference.hpp"
#include "support/program.hpp"

int main(int argc, char** argv)
{
  bench::interference_config c;
  bench::common_options defaults;
  defaults.plan = c.plan;
  return bench::run_program(
      argc, argv, "interference_bench",
      "what each copy engine, and each budget of multiprocessors, costs a computation that runs beside it",
      [&](bench::option_list& options) {
        options.seconds("--compute-seconds", "how long the computation runs alone (default 0.04)", c.seconds);
      },
      defaults,
      [&](auto& machine, const bench::common_options& all, bench::report& out) {
        c.plan = all.plan;
        c.plan.most = all.plan.rounds;
        if (all.tiny) {
          c.shape = kvstrata::geometry{.layers = 2, .kv_heads = 1, .head_dim = 16};
          c.batch = {2, 200};
          c.copied_bytes = std::size_t{1} << 14;
          c.ceiling_bytes = std::size_t{1} << 16;
          c.seconds = 0.002;
          c.chunks = 4;
          c.most_steps = 40;
        }
        bench::interference(machine, c, out);
      });
}
