// The data path on a GPU: data_path.hpp says what is measured. `--dry-run` runs every case at tiny sizes on an emulated
// device and measures nothing.
#include "data_path.hpp"
#include "support/program.hpp"

#include <vector>

int main(int argc, char** argv)
{
  bench::data_path_config c;
  std::vector<unsigned> pages;
  bool quick = false;
  return bench::run_program(
      argc, argv, "data_path_bench",
      "every layout, copy engine and page size, onload, offload and both at once, beside the plain pinned copy",
      [&](bench::option_list& options) {
        options.numbers("--pages", "tokens a page (default 16,32,64,128)", pages, 1, 4096);
        options.flag("--quick", "only the main rows: pages of 32 tokens, or of --pages, scattered", quick);
      },
      {},
      [&](auto& machine, const bench::common_options& all, bench::report& out) {
        c.plan = all.plan;
        if (quick) c.only_main_rows();
        if (!pages.empty()) c.pages = pages;
        if (all.tiny) {
          c.shape = kvstrata::geometry{.layers = 2, .kv_heads = 1, .head_dim = 16};
          c.batches = {{1, 1000}, {3, 200}};
          c.ceiling_bytes = std::size_t{1} << 16;
        }
        bench::data_path(machine, c, out);
      });
}
