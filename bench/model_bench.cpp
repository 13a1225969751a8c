// What a forward pass without a cache costs on the CPU, and how near it is to what this machine's matrix products reach:
// the baseline that every cache is measured against has to be an honest one.
//
//   model_bench [ROUNDS [PART OF A SHAPE'S NAME]]
//
// Products: oneDNN's own on the same threads, 2048 x 2048 x 2048, taken in turn with the passes. What counts are processor
// seconds, all threads together, the least of all rounds on both sides: on a shared machine a wall clock counts others' work.
// It is shown beside. Where KVSTRATA_TORCH_PYTHON names a Python with PyTorch,
// the same layers run there too (bench/support/torch_layers.py), in turn as well.
#include "support/target.hpp"

#include "command_line/source_dir.hpp"
#include "hstu/crew.hpp"
#include "hstu/elementwise.hpp"
#include "hstu/flops.hpp"
#include "hstu/matmul.hpp"
#include "hstu/recompute.hpp"

#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct cost
{
  double processor = 1e9;  // seconds, of all threads
  double wall = 1e9;

  void take_best(const cost& other)
  {
    processor = (std::min)(processor, other.processor);
    wall = (std::min)(wall, other.wall);
  }
};

double processor_seconds()
{
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

cost cost_of(const auto& run)
{
  const double before = processor_seconds();
  const auto start = std::chrono::steady_clock::now();
  run();
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return {processor_seconds() - before, wall};
}

struct shape
{
  std::string name;
  std::uint32_t layers, hidden, heads, head_dim;
  std::size_t users;
  kvstrata::token_count tokens;
  std::uint32_t candidates;
  double share_wanted;  ///< of the products' rate; 0: shown
  double torch_wanted;  ///< times as fast as PyTorch
};

const std::array<shape, 4> shapes{{{"replay's shape, 4 users", 4, 256, 4, 64, 4, 1200, 32, 0, 1.3},
                                   {"replay's shape, long", 4, 256, 4, 64, 1, 4800, 32, 0, 1.3},
                                   {"MTServe's layers", 2, 1024, 4, 128, 1, 4096, 128, 0.9, 1.1},
                                   {"NVIDIA's layers", 2, 1024, 4, 256, 1, 2048, 128, 0.9, 1.1}}};

/// A model of a shape, and a batch for it.
class pass_of
{
 public:
  explicit pass_of(const shape& s) : model_(config_of(s))
  {
    for (std::size_t u = 0; u < s.users; ++u) {
      users_.push_back(std::make_unique<user>());
      user& one = *users_.back();
      for (kvstrata::token_count e = 0; e < s.tokens / 2; ++e) {
        one.items.push_back(1000 * u + e);
        one.actions.push_back(e % 16);
      }
      for (std::uint32_t c = 0; c < s.candidates; ++c) one.candidates.push_back(77'777 + c);
      hstu::request r;
      r.items = one.items;
      r.actions = one.actions;
      r.history = s.tokens;
      r.candidates = one.candidates;
      batch_.push_back(r);
      one.all = {0, s.tokens};
      flops_ += hstu::flops(model_.options(), {s.tokens, std::span(&one.all, 1), s.candidates});
    }
  }

  void run() { static_cast<void>(hstu::recompute(model_, batch_, memory_)); }
  [[nodiscard]] double flops() const { return flops_; }

 private:
  struct user
  {
    std::vector<std::uint64_t> items, candidates;
    std::vector<std::uint32_t> actions;
    kvstrata::token_interval all;
  };

  static hstu::config config_of(const shape& s)
  {
    hstu::config c;
    c.layers = s.layers;
    c.hidden = s.hidden;
    c.heads = s.heads;
    c.head_dim = s.head_dim;
    c.max_tokens = 8192;
    c.position_buckets = c.time_buckets = 0;  // as in the replay
    return c;
  }

  hstu::model model_;
  std::vector<std::unique_ptr<user>> users_;
  std::vector<hstu::request> batch_;
  hstu::scratch_pages memory_;
  double flops_ = 0;
};

/// oneDNN's own product, its rows shared by as many threads as a pass has.
class plain_product
{
 public:
  static constexpr std::size_t side = 2048;

  plain_product() : a_(side * side, 0.5f), b_(side * side, 0.25f), c_(side * side) {}
  void run()
  {
    const std::size_t rows = side / crew_.size();
    crew_.each(crew_.size(), [&](std::size_t part, std::size_t) {
      hstu::multiply(rows, side, side, {a_.data() + part * rows * side, side}, {b_.data(), side},
                     {c_.data() + part * rows * side, side});
    });
  }
  [[nodiscard]] double flops() const
  {
    return 2.0 * side * side * static_cast<double>(side / crew_.size() * crew_.size());
  }
  [[nodiscard]] std::size_t threads() const { return crew_.size(); }

 private:
  hstu::crew crew_{0};
  std::vector<float> a_, b_, c_;
};

/// Nanoseconds a value, by one thread, out of the first-level cache.
double silu_nanoseconds(int rounds)
{
  std::vector<float> values(4096);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 17) - 8;
  double best = 1e9;
  for (int round = 0; round < 20 * rounds; ++round) {
    best = (std::min)(best,
                      cost_of([&] { hstu::best_elementwise().silu_offset(values.data(), 0.1f, values.size()); }).wall);
  }
  return best / static_cast<double>(values.size()) * 1e9;
}

/// What a pass costs in PyTorch by precision ("f32", "bf16"); empty where it cannot run.
std::map<std::string, cost> torch_costs(const std::string& python, const shape& s, std::size_t threads)
{
  std::ostringstream command;
  command << "OMP_WAIT_POLICY=passive '" << python << "' '"
          << (tools::source_dir() / "bench/support/torch_layers.py").string() << "' " << s.layers << ' ' << s.hidden
          << ' ' << s.heads << ' ' << s.head_dim << ' ' << s.users << ' ' << s.tokens << ' ' << s.candidates << ' '
          << threads << " 2>/dev/null";
  std::map<std::string, cost> out;
  std::FILE* const pipe = ::popen(command.str().c_str(), "r");
  if (pipe == nullptr) return out;
  std::array<char, 256> line{};
  while (std::fgets(line.data(), line.size(), pipe) != nullptr) {
    std::istringstream words(line.data());
    std::string precision;
    cost one;
    if (words >> precision >> one.processor >> one.wall) out[precision] = one;
  }
  ::pclose(pipe);
  return out;
}

void take_best(std::map<std::string, cost>& best, const std::map<std::string, cost>& now)
{
  for (const auto& [precision, one] : now) best[precision].take_best(one);
}

int run(int rounds, std::string_view only)
{
  plain_product product;
  const char* const set = std::getenv("KVSTRATA_TORCH_PYTHON");
  const std::string python = set == nullptr ? "" : set;
  std::vector<bench::target> targets;
  std::printf("%zu threads, f32; ms and GFLOP/s by processor seconds\n%-26s %8s %8s %9s %8s %10s %10s %10s\n",
              product.threads(), "", "ms", "wall ms", "GFLOP/s", "share", "torch f32", "bf16", "(wall)");
  for (const shape& s : shapes) {
    if (s.name.find(only) == std::string::npos) continue;
    pass_of pass(s);
    pass.run();
    product.run();
    cost mine, theirs;
    std::map<std::string, cost> torch;
    for (int round = 0; round < rounds; ++round) {
      mine.take_best(cost_of([&] { pass.run(); }));
      theirs.take_best(cost_of([&] { product.run(); }));
      if (!python.empty() && round % 3 == 0) take_best(torch, torch_costs(python, s, product.threads()));
    }
    const double rate = pass.flops() / mine.processor;
    const double share = rate / (product.flops() / theirs.processor);
    const auto times = [](double slower) {
      std::array<char, 32> text{};
      std::snprintf(text.data(), text.size(), "%.2fx", slower);
      return std::string(slower > 0 ? text.data() : "-");
    };
    const auto of_torch = [&](const char* precision) {
      return torch.contains(precision) ? torch[precision].processor / mine.processor : 0;
    };
    std::printf("%-26s %8.1f %8.1f %9.1f %7.1f%% %10s %10s %10s\n", s.name.c_str(), mine.processor * 1e3,
                mine.wall * 1e3, rate / 1e9, 100 * share, times(of_torch("f32")).c_str(),
                times(of_torch("bf16")).c_str(),
                times(torch.contains("f32") ? torch["f32"].wall / mine.wall : 0).c_str());
    if (s.share_wanted > 0) {
      targets.push_back({"model_share_of_products", share, bench::better::more, s.share_wanted, s.name});
    }
    if (torch.contains("f32")) {
      targets.push_back({"model_over_torch_f32", of_torch("f32"), bench::better::more, s.torch_wanted, s.name});
    }
  }
  std::printf("silu_offset: %.3f ns a value\n", silu_nanoseconds(rounds));
  if (python.empty()) {
    std::puts("SKIPPED: PyTorch because KVSTRATA_TORCH_PYTHON names no Python that has it (./dev bench fetches one)");
  }
  for (const bench::target& t : targets) bench::print(t);
  return 0;
}

}  // namespace

int main(int argc, char** argv)
{
  return run(argc > 1 ? (std::max)(1, std::atoi(argv[1])) : 9, argc > 2 ? argv[2] : "");
}
