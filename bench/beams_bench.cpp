// Beam search: how much of the candidates a selection looks at, what constraining to valid items costs in several ways,
// attention in stages beside beams that carry a copy of their prompt; and whole requests, prompts out of the cache beside prompts
// of one batch and beams copied, on this CPU and in virtual time on a modelled H200.
//
// beams_bench [--quick]   --quick: fewer rounds. At the end one line a target: TARGET name value wanted met|short.
#include "support/beams/constrained.hpp"
#include "support/beams/h200.hpp"
#include "support/beams/selection.hpp"
#include "support/beams/serving.hpp"
#include "support/beams/staged.hpp"
#include "support/target.hpp"

#include "hstu/crew.hpp"

#include <cstdio>
#include <cstring>
#include <exception>
#include <vector>

int main(int count, char** arguments)
{
  bool quick = false;
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "--quick") != 0) {
      std::fprintf(stderr, "beams_bench knows --quick, not '%s'.\n", arguments[i]);
      return 2;
    }
    quick = true;
  }
  try {
    std::vector<bench::target> targets;
    std::printf("All times are of one thread's processor.\n\n");
    // In a crew of one oneDNN's products have one thread, too: either side of a pair has the same.
    hstu::crew(1).each(1, [&](std::size_t, std::size_t) {
      beams_bench::print_selection(quick ? 2 : 5, targets);
      beams_bench::print_constrained(quick ? 3 : 9, targets);
      beams_bench::print_staged(quick ? 3 : 9, targets);
    });
    beams_bench::print_serving(quick, targets);
    beams_bench::print_h200(quick, targets);
    for (const bench::target& t : targets) bench::print(t);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "beams_bench: %s\n", e.what());
    return 1;
  }
}
