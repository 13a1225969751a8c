#include "gpu_replay/options.hpp"

#include "command_line/limits.hpp"
#include "command_line/output_paths.hpp"
#include "command_line/parse_arguments.hpp"
#include "replay/case_list.hpp"
#include "replay/command_line.hpp"
#include "replay/number_fault.hpp"

#include <kvstrata/core/error.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <ostream>
#include <span>
#include <string_view>

namespace gpu_replay {
namespace {

constexpr std::string_view about =
    "Serves a stream of recommendation requests from an HSTU model on a GPU, with several caches and without one, by "
    "the "
    "same kernels, and takes single steps: slab hit, arena hit, miss. Prints SKIPPED, and ends with 0, where there is "
    "no "
    "GPU to serve on; the emulated machine runs the same kernels on the CPU, for their results and not for their "
    "speed.";

/// Options of the replay that mean nothing here.
constexpr std::array<std::string_view, 11> not_ours{
    "--link-gbps",         "--link-latency-us", "--report",  "--rounds",    "--nvme",    "--nvme-bytes",
    "--nvme-region-bytes", "--restart-at",      "--weights", "--precision", "--users-of"};

/// The model, the memory and the batches of the paper (MTServe, arXiv 2604.22881), as far as it tells them: users who
/// watch, a request a minute. The users are so many that their tokens fit the arena of a machine with 128 GiB.
options paper()
{
  options o;
  o.serve.layers = 8;
  o.serve.hidden = 1024;
  o.serve.heads = 4;
  o.serve.head_dim = 128;
  o.serve.page_tokens = 32;
  o.serve.chunk_tokens = 1024;
  o.serve.device_mib = 20 * 1024;
  o.serve.host_mib = 56 * 1024;
  o.serve.batch = 8;
  o.serve.window_seconds = 60;
  o.serve.candidates = 512;
  o.serve.stream = "interaction";
  o.serve.history_scale = 1;
  o.serve.most_history = 40'000;
  o.serve.users = 160;
  o.serve.requests = 12'000;
  o.no_cache_every = 10;
  o.step_tokens = {1024, 4096, 10'000, 23'424, 40'000};
  o.step_batches = {8};
  return o;
}

/// The shape that NVIDIA's recsys-examples publish figures of, with histories to 4,096 tokens.
options nvidia()
{
  options o = paper();
  o.serve.head_dim = 256;
  o.serve.device_mib = 8 * 1024;
  o.serve.host_mib = 32 * 1024;
  o.serve.candidates = 256;
  o.serve.history_scale = 0.15;
  o.serve.most_history = 4096;
  o.serve.users = 256;
  o.serve.requests = 8000;
  o.step_tokens = {256, 1024, 4096};
  o.step_batches = {1, 2, 4, 8};
  return o;
}

/// Everything small: seconds where kernels are emulated.
options tiny()
{
  options o;
  o.serve.layers = 2;
  o.serve.hidden = 64;
  o.serve.heads = 1;
  o.serve.head_dim = 64;
  o.serve.page_tokens = 8;
  o.serve.chunk_tokens = 16;
  o.serve.users = 6;
  o.serve.requests = 18;
  o.serve.batch = 2;
  o.serve.candidates = 4;
  o.serve.history_scale = 0.003;
  o.serve.most_history = 128;
  o.serve.device_share = 0.5;
  o.serve.cases = {"none", "mtserve", "default"};
  o.step_tokens = {64};
  o.step_batches = {2};
  o.step_new = 8;
  o.step_rounds = 1;
  return o;
}

struct named_preset
{
  std::string_view name;
  std::string_view what;
  options (*make)();
};

constexpr std::array<named_preset, 3> presets{{
    {"paper", "MTServe's model and memory: 8 layers, hidden 1,024, 4 x 128, histories to 40,000 tokens, 20 GiB slab",
     paper},
    {"nvidia", "recsys-examples' shape: 8 layers, hidden 1,024, 4 x 256, histories to 4,096 tokens", nvidia},
    {"tiny", "everything small, to try it", tiny},
}};

/// The value of --preset, before anything else is read.
std::string_view preset_named(int argc, const char* const* argv, std::string_view otherwise)
{
  constexpr std::string_view option = "--preset";
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == option) return i + 1 < argc ? argv[i + 1] : otherwise;
    if (word.starts_with("--preset=")) return word.substr(option.size() + 1);
  }
  return otherwise;
}

const named_preset* find_preset(std::string_view name)
{
  const auto at =
      std::find_if(presets.begin(), presets.end(), [name](const named_preset& p) { return p.name == name; });
  return at == presets.end() ? nullptr : &*at;
}

options made(const named_preset& p)
{
  options o = p.make();
  o.preset = p.name;
  return o;
}

template <class T>
std::string joined(const std::vector<T>& values)
{
  std::string out;
  for (const T value : values) out += (out.empty() ? "" : ", ") + std::to_string(value);
  return out.empty() ? "none" : out;
}

void one_of(std::string_view name, const std::string& value, std::string_view first, std::string_view second)
{
  if (value == first || value == second) return;
  throw kvstrata::config_error(name, "'" + value + "'",
                               "it must be " + std::string(first) + " or " + std::string(second));
}

template <class T>
CLI::Option* add_number(CLI::App& app, const char* group, const char* name, T& value, const char* meaning)
{
  return app.add_option(name, value, meaning)->group(group)->check(&replay::number_fault<std::uint32_t>, "");
}

void add_our_options(CLI::App& app, options& o)
{
  const char* const group = "GPU";
  app.add_option("--preset", o.preset, "what all other options are unless they are given: " + describe_presets())
      ->group(group)
      ->capture_default_str();
  app.add_option("--machine", o.machine, "cuda or emulated")->group(group)->capture_default_str();
  add_number(app, group, "--gpu", o.gpu, "number of the GPU")->capture_default_str();
  app.add_flag("--plan", o.plan,
               "say what would be served and which tokens each tier would serve, by simulation; needs no GPU")
      ->group(group);
  add_number(app, group, "--no-cache-every", o.no_cache_every,
             "without a cache serve every n-th batch only; its time for all is its time for these, scaled by the "
             "operations to be done")
      ->capture_default_str();
  app.add_option("--small-copies", o.small_copies,
                 "how the arrays and scores of a pass travel: kernel, or copy-engine, behind the copies of the cache")
      ->group(group)
      ->capture_default_str();
  app.add_option("--markdown", o.markdown, "write the tables to this file as Markdown")
      ->group(group)
      ->check(&replay::text_fault, "");
  const char* const steps = "single steps";
  add_number(app, steps, "--step-tokens", o.step_tokens, "lengths of histories to take single steps with; 0: take none")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->default_str(joined(o.step_tokens));
  add_number(app, steps, "--step-batches", o.step_batches, "requests a step")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->default_str(joined(o.step_batches));
  add_number(app, steps, "--step-new", o.step_new, "new tokens of each history that a step computes")
      ->capture_default_str();
  add_number(app, steps, "--step-rounds", o.step_rounds, "times that each step is taken; the median counts")
      ->capture_default_str();
}

}  // namespace

std::string describe_presets()
{
  std::string out;
  for (const named_preset& p : presets) {
    out += (out.empty() ? "" : "; ") + std::string(p.name) + " (" + std::string(p.what) + ")";
  }
  return out;
}

options preset(std::string_view name)
{
  if (const named_preset* const p = find_preset(name); p != nullptr) return made(*p);
  throw kvstrata::config_error("--preset", "'" + std::string(name) + "'", "it must be one of: paper, nvidia, tiny");
}

void check(const options& o)
{
  replay::check(o.serve);
  one_of("--machine", o.machine, "cuda", "emulated");
  one_of("--small-copies", o.small_copies, "kernel", "copy-engine");
  tools::within("--no-cache-every", o.no_cache_every, 1, 1'000'000);
  for (const std::uint32_t tokens : o.step_tokens) tools::within("--step-tokens", tokens, 2, 1u << 22);
  for (const std::uint32_t batch : o.step_batches) tools::within("--step-batches", batch, 1, 1024);
  if (!o.step_tokens.empty() && o.step_batches.empty()) {
    throw kvstrata::config_error("--step-batches", "empty", "single steps need the number of their requests");
  }
  tools::within("--step-new", o.step_new, 1, 1u << 20);
  tools::within("--step-rounds", o.step_rounds, 1, 10'000);
}

std::optional<int> parse(int argc, const char* const* argv, options& o, std::ostream& out, std::ostream& err)
{
  if (const named_preset* const p = find_preset(preset_named(argc, argv, o.preset)); p != nullptr) o = made(*p);
  CLI::App app{std::string(about), "kvstrata-gpu-replay"};
  app.get_formatter()->column_width(34);
  app.footer(std::string(tools::output_rule) + "\n\n" + replay::describe_cases());
  add_our_options(app, o);
  replay::add_options(app, o.serve, not_ours);
  return tools::parse_arguments(app, argc, argv, "Run with --help for all options.", out, err, [&o] {
    static_cast<void>(preset(o.preset));
    if (o.step_tokens == std::vector<std::uint32_t>{0}) o.step_tokens.clear();
    o.serve.rounds = 1;
    o.serve.cases = replay::expand_cases(o.serve.cases);
    check(o);
  });
}

std::vector<replay::setting> describe(const options& o)
{
  std::vector<replay::setting> out{
      {"GPU", "--preset", o.preset, "what all other options are unless they are given"},
      {"GPU", "--machine", o.machine, "where the model runs"},
      {"GPU", "--no-cache-every", std::to_string(o.no_cache_every), "without a cache every n-th batch is served"},
      {"GPU", "--small-copies", o.small_copies, "how the arrays and scores of a pass travel"},
      {"steps", "--step-tokens", joined(o.step_tokens), "lengths of histories"},
      {"steps", "--step-batches", joined(o.step_batches), "requests a step"},
      {"steps", "--step-new", std::to_string(o.step_new), "new tokens of each history"},
      {"steps", "--step-rounds", std::to_string(o.step_rounds), "times that each step is taken"}};
  for (replay::setting& s : replay::describe(o.serve)) {
    if (std::find(not_ours.begin(), not_ours.end(), s.name) == not_ours.end()) out.push_back(std::move(s));
  }
  return out;
}

}  // namespace gpu_replay
