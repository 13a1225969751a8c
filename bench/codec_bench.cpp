// What codecs save, what they cost in time, and what lossy ones cost in answers. K and V of a trained HSTU lie in
// ../shared/data/trained_hstu; without them the bench says so and draws values.
//
//   ratios   by layer: of trained pages, of golden users and cases, of the example's random weights, of Gaussian values; beside the
//            bound that the values' own distribution sets. exp4 with a table counted on other weights, too
//   speed    beside memcpy of the raw bytes, pair by pair
//   errors   of K, V and the attention's output by layer, and of what is recommended
//
// codec_bench [--quick]   --quick: fewer rounds and users. At the end one line a target: TARGET name value wanted met|short.
#include "support/codec/errors.hpp"
#include "support/codec/golden_cases.hpp"
#include "support/codec/page_set.hpp"
#include "support/codec/ratios.hpp"
#include "support/codec/speeds.hpp"
#include "support/target.hpp"

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>
#include <vector>

namespace {

using namespace codec_bench;

void run(int rounds, std::size_t users)
{
  std::vector<bench::target> targets;
  const std::optional<page_set> trained = trained_pages();
  const page_set random = random_pages();
  const page_set gaussian = drawn_pages(false);
  if (!trained)
    std::printf("../shared/data/trained_hstu is not on this machine: SiLU of Gaussian values in its place.\n\n");
  const page_set main = trained ? *trained : drawn_pages(true);
  print_ratios(main, random);
  if (const auto golden = golden_pages()) print_ratios(*golden, random);
  for (const char* made_elsewhere : {"meta_research_own_time", "nvidia_full"}) {
    if (const auto golden = golden_case_pages(made_elsewhere)) print_ratios(*golden, random);
  }
  print_ratios(random, main);
  print_ratios(gaussian, main);
  if (trained)
    std::printf(
        "pcodec, level 8, on the trained pages in pieces of 16 KiB: 1.629, as its authors' library gave "
        "it when the pages were made; not measured here.\n\n");

  const std::vector<std::byte> pages = all_layers(main);
  targets.push_back({"codec.exp4_ratio", page_ratio<kvstrata::codec::exp4>(pages, main.piece, {counted(main).table()}),
                     bench::better::more, 1.32});
  constexpr std::size_t sixteen = 16'384, many = 131'072;
  if (const auto bodies = zstd_bodies(piece_of_bytes(main, sixteen)); !bodies.empty()) {
    if (trained) {
      targets.push_back(
          {"codec.exp_zstd_ratio_trained_16k", ratio_of(bodies[0], pages, sixteen, true), bench::better::more, 1.55});
    }
    const auto large = zstd_bodies(piece_of_bytes(gaussian, many));
    targets.push_back({"codec.exp_zstd_ratio_gaussian_128k", ratio_of(large[0], all_layers(gaussian), many, true),
                       bench::better::more, 1.45});
  }
  print_speeds(main, rounds, targets);
  print_errors(users, targets);
  for (const bench::target& t : targets) print(t);
}

}  // namespace

int main(int count, char** arguments)
{
  bool quick = false;
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "--quick") != 0) {
      std::fprintf(stderr, "codec_bench knows --quick, not '%s'.\n", arguments[i]);
      return 2;
    }
    quick = true;
  }
  try {
    quick ? run(3, 80) : run(9, 400);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "codec_bench: %s\n", e.what());
    return 1;
  }
}
