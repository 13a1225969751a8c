// The link by itself: plain_copies.hpp says what is measured. `--dry-run` copies small pieces on an emulated device.
#include "plain_copies.hpp"
#include "support/program.hpp"

int main(int argc, char** argv)
{
  bench::plain_copies_config c;
  return bench::run_program(argc, argv, "plain_copies_bench",
                            "the runtime's own copies, by the size of a piece, and the library's product", {}, {},
                            [&](auto& machine, const bench::common_options& all, bench::report& out) {
                              c.plan = all.plan;
                              if (all.tiny) c.piece_bytes = {1 << 10, 1 << 16};
                              bench::copies_by_size(machine, c, out);
                            });
}
