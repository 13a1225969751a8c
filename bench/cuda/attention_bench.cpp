// The model's attention kernel against its roofline: attention.hpp says what is measured. `--dry-run` runs every case at
// tiny sizes on an emulated device, by emulated blocks.
#include "attention.hpp"
#include "support/program.hpp"

#include "hstu/gpu/cuda_runner.hpp"
#include "hstu/gpu/emulated_runner.hpp"

#include <type_traits>

namespace {

template <class Machine>
using runner_of = std::conditional_t<std::is_same_v<typename Machine::device_type, kvstrata::cuda_device>,
                                     hstu::gpu::cuda_runner, hstu::gpu::emulated_runner>;

void make_tiny(bench::attention_config& c)
{
  c.ceiling_bytes = std::size_t{1} << 16;
  c.cold_bytes = std::size_t{1} << 15;  // a batch holds 12 or 24 KiB
  c.shapes = {{"tiny, 1 x 64", 1, 64, 8, 5, 2, {20, 48}}};
}

}  // namespace

int main(int argc, char** argv)
{
  bench::attention_config c;
  bool quick = false;
  bench::common_options defaults;
  defaults.plan = c.plan;
  return bench::run_program(
      argc, argv, "attention_bench", "the model's attention kernel against what its bytes and operations need",
      [&](bench::option_list& options) {
        options.flag("--position-bias", "add the bias by distance", c.position_bias);
        options.flag("--time-bias", "add the bias by time", c.time_bias);
        options.flag("--quick", "only the main shapes: of each model a short, a middle and the longest history", quick);
      },
      defaults,
      [&](auto& machine, const bench::common_options& all, bench::report& out) {
        c.plan = all.plan;
        if (all.tiny) make_tiny(c);
        if (quick) c.only_main_shapes();
        runner_of<std::remove_cvref_t<decltype(machine)>> runner(machine.device());
        bench::attention(machine, runner, c, out);
      });
}
