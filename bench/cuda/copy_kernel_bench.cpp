// The copy kernel beside CUB's and the runtime's copies: copy_kernel.hpp says what is measured. `--dry-run` runs every
// case but CUB's at tiny sizes on an emulated device.
#include "copy_kernel.hpp"
#include "support/program.hpp"

int main(int argc, char** argv)
{
  bench::copy_kernel_config c;
  bench::common_options defaults;
  defaults.plan = c.plan;
  return bench::run_program(
      argc, argv, "copy_kernel_bench",
      "our copy kernel against CUB's and the runtime's copies, within device memory and to the host", {}, defaults,
      [&](auto& machine, const bench::common_options& all, bench::report& out) {
        c.plan = all.plan;
        if (all.tiny) {
          c.page_bytes = {4 << 10, 16 << 10};
          c.total_bytes = {16 << 10, 64 << 10};
          c.sms = {1, 0};
          c.pinned_page_bytes = 4 << 10;
        }
        bench::copy_kernels(machine, c, out);
      });
}
