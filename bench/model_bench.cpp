// What a forward pass without a cache costs on the CPU, and how near it is to what this machine's matrix products reach:
// the baseline that every cache is measured against has to be an honest one. In f32, and in bf16 where the machine has it.
//
//   model_bench [ROUNDS [PART OF A SHAPE'S NAME]]
//
// Products: oneDNN's own on the same threads, 2048 x 2048 x 2048, taken in turn with the passes. What counts are processor
// seconds, all threads together, the least of all rounds on both sides: on a shared machine a wall clock counts others' work.
// It is shown beside, and so is the spread of a ratio from round to round. Where KVSTRATA_TORCH_PYTHON names a Python with
// PyTorch, the same layers run there too (bench/support/model/torch_layers.py), in turn as well.
#include "support/model/cost.hpp"
#include "support/model/plain_product.hpp"
#include "support/model/shapes.hpp"
#include "support/model/torch_costs.hpp"
#include "support/target.hpp"

#include "hstu/elementwise.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using bench::cost;
using hstu::precision;

/// A pass and oneDNN's product in one precision, measured in turn.
class contest
{
 public:
  contest(const bench::shape& s, precision in, bench::plain_product& product) : pass_(s, in), product_(product)
  {
    pass_.run();
    product_.run();
  }

  void round()
  {
    const cost a = bench::cost_of([this] { pass_.run(); });
    const cost b = bench::cost_of([this] { product_.run(); });
    mine.take_best(a);
    theirs.take_best(b);
    shares_.push_back(share_of(a, b));
  }

  [[nodiscard]] double rate() const { return pass_.flops() / mine.processor; }
  [[nodiscard]] double product_rate() const { return product_.flops() / theirs.processor; }
  [[nodiscard]] double share() const { return share_of(mine, theirs); }
  [[nodiscard]] std::string spread() const
  {
    const auto [least, most] = std::minmax_element(shares_.begin(), shares_.end());
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.0f-%.0f%%", 100 * *least, 100 * *most);
    return text.data();
  }

  cost mine, theirs;

 private:
  [[nodiscard]] double share_of(const cost& a, const cost& b) const
  {
    return pass_.flops() / a.processor / (product_.flops() / b.processor);
  }

  bench::pass_of pass_;
  bench::plain_product& product_;
  std::vector<double> shares_;
};

/// Nanoseconds a value of a table's silu_offset, by one thread, out of the first-level cache.
double silu_nanoseconds(const hstu::elementwise& loops, int rounds)
{
  std::vector<float> values(4096);
  double best = 1e9;
  for (int round = 0; round < 20 * rounds; ++round) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 17) - 8;
    best = (std::min)(best, bench::cost_of([&] { loops.silu_offset(values.data(), 0.1f, values.size()); }).wall);
  }
  return best / static_cast<double>(values.size()) * 1e9;
}

std::string times(double slower)
{
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2fx", slower);
  return slower > 0 ? text.data() : "-";
}

void print(const bench::shape& s, precision in, const contest& c, std::map<std::string, cost>& torch)
{
  const std::string name(hstu::name_of(in));
  const bool beside = torch.contains(name);
  std::printf("%-24s %-5s %8.1f %8.1f %9.1f %7.1f%% %10s %10s %10s\n", s.name.c_str(), name.c_str(),
              c.mine.processor * 1e3, c.mine.wall * 1e3, c.rate() / 1e9, 100 * c.share(), c.spread().c_str(),
              times(beside ? torch[name].processor / c.mine.processor : 0).c_str(),
              times(beside ? torch[name].wall / c.mine.wall : 0).c_str());
}

std::string why_no_torch(const std::string& python)
{
  const char* const told = std::getenv("KVSTRATA_NO_TORCH");
  if (told != nullptr && *told != 0) return told;
  if (python.empty()) return "KVSTRATA_TORCH_PYTHON names no Python that has it (./dev bench model fetches one)";
  return "'" + python + "' does not run bench/support/model/torch_layers.py";
}

/// Did PyTorch run beside?
bool run_shape(const bench::shape& s, int rounds, const std::string& python, bench::plain_product& in_f32,
               std::optional<bench::plain_product>& in_bf16, std::vector<bench::target>& targets)
{
  contest f32(s, precision::f32, in_f32);
  std::optional<contest> bf16;
  if (in_bf16) bf16.emplace(s, precision::bf16, *in_bf16);
  std::map<std::string, cost> torch;
  for (int round = 0; round < rounds; ++round) {
    f32.round();
    if (bf16) bf16->round();
    if (python.empty() || round % 3 != 0) continue;
    for (const auto& [in, one] : bench::torch_costs(python, s, in_f32.threads())) torch[in].take_best(one);
  }
  print(s, precision::f32, f32, torch);
  if (bf16) print(s, precision::bf16, *bf16, torch);
  using bench::better;
  if (s.wide) targets.push_back({"model_share_of_products", f32.share(), better::more, 0.9, s.name});
  if (torch.contains("f32")) {
    targets.push_back({"model_over_torch_f32", torch["f32"].processor / f32.mine.processor, better::more,
                       s.wide ? 1.1 : 1.3, s.name});
  }
  if (!bf16 || !s.wide) return torch.contains("f32");
  const double products = bf16->product_rate() / f32.product_rate();
  std::printf("%-24s bf16 %.2fx f32, where oneDNN's own products have %.2fx\n", "",
              f32.mine.processor / bf16->mine.processor, products);
  targets.push_back({"model_bf16_over_f32", f32.mine.processor / bf16->mine.processor, better::more,
                     (std::min)(2.0, 0.7 * products), s.name});
  return torch.contains("f32");
}

int run(int rounds, std::string_view only)
{
  bench::plain_product in_f32(precision::f32);
  std::optional<bench::plain_product> in_bf16;
  if (hstu::is_fast(precision::bf16)) in_bf16.emplace(precision::bf16);
  const char* const set = std::getenv("KVSTRATA_TORCH_PYTHON");
  const std::string python = set == nullptr ? "" : set;
  std::vector<bench::target> targets;
  std::printf(
      "%zu threads; ms and GFLOP/s by processor seconds; share of oneDNN's own products in the same precision\n"
      "%-24s %-5s %8s %8s %9s %8s %10s %10s %10s\n",
      in_f32.threads(), "", "", "ms", "wall ms", "GFLOP/s", "share", "spread", "torch", "(wall)");
  bool torch_ran = false;
  for (const bench::shape& s : bench::shapes) {
    if (s.name.find(only) == std::string::npos) continue;
    torch_ran = run_shape(s, rounds, python, in_f32, in_bf16, targets) || torch_ran;
  }
  std::printf("silu_offset: %.3f ns a value (%s)\n", silu_nanoseconds(hstu::best_elementwise(), rounds),
              "4,096 values in the first-level cache");
  if (!in_bf16) std::puts("SKIPPED: bf16 because this processor has neither AMX nor AVX-512 BF16");
  if (!torch_ran) std::printf("SKIPPED: PyTorch because %s\n", why_no_torch(python).c_str());
  for (const bench::target& t : targets) bench::print(t);
  return 0;
}

}  // namespace

int main(int argc, char** argv)
{
  return run(argc > 1 ? (std::max)(1, std::atoi(argv[1])) : 9, argc > 2 ? argv[2] : "");
}
