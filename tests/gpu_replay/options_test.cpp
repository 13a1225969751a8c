#include "gpu_replay/options.hpp"

#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

struct outcome
{
  std::optional<int> code;
  gpu_replay::options options;
  std::string out;
  std::string err;
};

outcome parse(std::vector<const char*> arguments)
{
  arguments.insert(arguments.begin(), "kvstrata-gpu-replay");
  outcome o;
  std::ostringstream out;
  std::ostringstream err;
  o.code = gpu_replay::parse(static_cast<int>(arguments.size()), arguments.data(), o.options, out, err);
  o.out = out.str();
  o.err = err.str();
  return o;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("without arguments the paper's shape is served on a GPU", "[options]")
{
  const outcome o = parse({});
  REQUIRE_FALSE(o.code);
  CHECK(o.options.machine == "cuda");
  const replay::options& s = o.options.serve;
  CHECK(s.layers == 8);
  CHECK(s.hidden == 1024);
  CHECK(s.heads * s.head_dim == 512);
  CHECK(s.page_tokens == 32);
  CHECK(s.device_mib == 20u * 1024);
  CHECK(s.batch == 8);
  CHECK(s.candidates == 512);
  CHECK(s.most_history == 40'000);
  CHECK(s.cases.front() == "none");
}

TEST_CASE("every preset is a complete run, and what the command line says comes before it", "[options]")
{
  for (const char* name : {"paper", "nvidia", "tiny"}) {
    INFO(name);
    CHECK_NOTHROW(gpu_replay::check(gpu_replay::preset(name)));
    CHECK(gpu_replay::preset(name).preset == name);
  }
  const outcome o = parse({"--layers", "3", "--preset", "nvidia", "--step-tokens", "10,20", "--cases", "default,none",
                           "--no-cache-every", "7", "--verify", "--small-copies", "copy-engine"});
  INFO(o.err);
  REQUIRE_FALSE(o.code);
  CHECK(o.options.preset == "nvidia");
  CHECK(o.options.serve.layers == 3);
  CHECK(o.options.serve.head_dim == 256);
  CHECK(o.options.step_tokens == std::vector<std::uint32_t>{10, 20});
  CHECK(o.options.step_batches == std::vector<std::uint32_t>{1, 2, 4, 8});
  CHECK(o.options.serve.cases == std::vector<std::string>{"none", "default"});
  CHECK(o.options.no_cache_every == 7);
  CHECK(o.options.serve.verify == 0.05);
  CHECK(o.options.small_copies == "copy-engine");
  CHECK(parse({"--preset=tiny"}).options.serve.layers == 2);
  CHECK(parse({"--step-tokens", "0"}).options.step_tokens.empty());
}

TEST_CASE("help names every option, and none that means nothing here", "[options]")
{
  const outcome o = parse({"--help"});
  CHECK(o.code == 0);
  for (const char* name :
       {"--preset", "--machine", "--plan", "--most-history", "--step-tokens", "--verify", "--markdown"}) {
    INFO(name);
    CHECK(contains(o.out, name));
  }
  for (const char* name : {"--link-gbps", "--report", "--rounds"}) {
    INFO(name);
    CHECK_FALSE(contains(o.out, std::string(name) + " "));
  }
}

TEST_CASE("what is wrong on the command line is said in a sentence", "[options]")
{
  const std::vector<std::pair<std::vector<const char*>, std::string>> wrong{
      {{"--preset", "large"}, "--preset is 'large', but it must be one of: paper, nvidia, tiny"},
      {{"--machine", "tpu"}, "--machine is 'tpu', but it must be cuda or emulated"},
      {{"--small-copies", "x"}, "--small-copies is 'x', but it must be kernel or copy-engine"},
      {{"--no-cache-every", "0"}, "--no-cache-every is 0, but it must be at least 1"},
      {{"--step-tokens", "64,1"}, "--step-tokens is 1, but it must be at least 2"},
      {{"--step-tokens", "64,x"}, "'x' is not a whole number"},
      {{"--step-new", "0"}, "--step-new is 0"},
      {{"--step-rounds", "0"}, "--step-rounds is 0"},
      {{"--step-batches", "0"}, "--step-batches is 0"},
      {{"--gpu", "-1"}, "'-1' is not a whole number"},
      {{"--layers", "0"}, "--layers is 0"},
      {{"--cases", "fast"}, "--cases is 'fast'"},
      {{"--rounds", "3"}, "--rounds"},
      {{"--trace", ""}, "--trace: it must not be empty"},
      {{"--json", ""}, "--json: it must not be empty"},
      {{"--markdown", ""}, "--markdown: it must not be empty"},
      {{"--timeline", ""}, "--timeline: it must not be empty"},
  };
  for (const auto& [arguments, sentence] : wrong) {
    const outcome o = parse(arguments);
    INFO(arguments.front() << " " << arguments.back() << ": " << o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, sentence));
  }
}

TEST_CASE("the report names every option of ours once", "[options]")
{
  const auto settings = gpu_replay::describe(gpu_replay::preset("tiny"));
  const auto count = [&](const std::string& name) {
    return std::count_if(settings.begin(), settings.end(), [&](const replay::setting& s) { return s.name == name; });
  };
  for (const char* name : {"--preset", "--layers", "--most-history", "--step-new", "--no-cache-every", "--verify"}) {
    INFO(name);
    CHECK(count(name) == 1);
  }
  CHECK(count("--link-gbps") == 0);
}
