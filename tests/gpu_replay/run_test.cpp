// Whole runs on the emulated machine: what a GPU does differently is its speed.
#include "gpu_replay/machines.hpp"
#include "gpu_replay/model.hpp"
#include "gpu_replay/plan.hpp"
#include "hstu/gpu/support.hpp"

#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

gpu_replay::results run(const gpu_replay::options& o)
{
  std::ostringstream nowhere;
  replay::progress silent(nowhere, replay::progress::kind::silent);
  return gpu_replay::run_emulated(o, silent);
}

}  // namespace

TEST_CASE("steps begin where their names say, and are told with what they need", "[steps]")
{
  gpu_replay::options o = gpu_replay::preset("tiny");
  o.serve.cases = {"none"};
  o.serve.requests = 2;
  o.step_tokens = {37, 64};  // a partial page and whole ones
  o.step_batches = {1, 3};
  o.step_new = 5;
  o.step_rounds = 2;
  const gpu_replay::results r = run(o);
  CHECK_FALSE(r.measured);
  CHECK(r.best.to_device > 0);
  CHECK(r.best.from_device > 0);
  CHECK(r.best.on_device > 0);
  CHECK(r.best.product > 0);
  REQUIRE(r.steps.size() == 2 * 2 * 4);
  const double layer_token = 2 * 64 * 2;  // K and V of one token in one layer, bytes
  for (std::size_t i = 0; i < r.steps.size(); i += 4) {
    using kind = gpu_replay::step_kind;
    const auto& slab = r.steps[i];
    const auto& arena = r.steps[i + 1];
    const auto& miss = r.steps[i + 2];
    const auto& none = r.steps[i + 3];
    CHECK(slab.kind == kind::slab_hit);
    CHECK(arena.kind == kind::arena_hit);
    CHECK(miss.kind == kind::miss);
    CHECK(none.kind == kind::no_cache);
    const double old = slab.requests * (slab.tokens - 5.0);
    CHECK(slab.link_bytes == 0);
    CHECK(arena.link_bytes == old * 2 * layer_token);
    CHECK(miss.link_bytes == 0);
    CHECK(slab.bytes - miss.bytes == old * 2 * layer_token);
    CHECK(arena.bytes == slab.bytes);
    CHECK(none.bytes == miss.bytes);
    CHECK(none.flops == miss.flops);
    CHECK(none.flops > slab.flops);
    CHECK(arena.flops == slab.flops);
    for (const auto* s : {&slab, &arena, &miss, &none}) {
      CHECK(s->needed > 0);
      CHECK(s->roofline > 0);
      CHECK(s->roofline <= s->needed);
      CHECK(s->least <= s->seconds);
      CHECK(s->seconds <= s->most);
      CHECK(s->queue_seconds <= s->most);
    }
  }
}

TEST_CASE("every case serves the same requests from where simulation says, and answers as recomputation does", "[run]")
{
  gpu_replay::options o = gpu_replay::preset("tiny");
  o.step_tokens.clear();
  o.serve.cases = {"none", "device", "synchronous", "mtserve", "default", "split", "prefetch"};
  o.serve.verify = 1;
  o.serve.timeline = (std::filesystem::temp_directory_path() / "kvstrata_gpu_replay_timeline.json").string();
  const gpu_replay::results r = run(o);
  REQUIRE(r.run.cases.size() == 7);
  const std::uint64_t tokens = r.run.cases[0].tokens.total();
  CHECK(r.run.cases[0].tokens.computed == tokens);
  CHECK(r.run.cases[0].speed_up == 1);
  for (const replay::case_result& c : r.run.cases) {
    INFO(c.name);
    CHECK(c.tokens.total() == tokens);
    CHECK(c.requests == o.serve.requests);
    CHECK(c.seconds > 0);
    CHECK(c.queue_seconds > 0);
    CHECK(c.speed_up > 0);
  }
  REQUIRE(r.verified);
  CHECK(r.verified->beyond == 0);
  CHECK(r.verified->largest <= r.verified->bound / 5);
  CHECK(r.verified->requests >= 7 * r.run.cases[0].batches);

  replay::workload w = replay::make_workload(o.serve);
  hstu::config c;
  c.layers = o.serve.layers;
  c.heads = o.serve.heads;
  c.head_dim = o.serve.head_dim;
  const replay::cache_sizes s = replay::choose_sizes(o.serve, w, hstu::gpu::bf16_geometry_of(c), 0);
  for (const auto& [key, number] : {std::pair{"device", 1}, {"mtserve", 3}, {"default", 4}}) {
    INFO(key);
    replay::token_split sum;
    for (const replay::token_split& split : gpu_replay::simulate(key, w, s)) sum += split;
    CHECK(sum == r.run.cases[static_cast<std::size_t>(number)].tokens);
  }
  CHECK(r.run.cases[2].tokens == r.run.cases[4].tokens);
  CHECK(r.run.cases[4].tokens.fetched() > 0);
  CHECK_THROWS_AS(gpu_replay::simulate("window", w, s), kvstrata::config_error);

  std::ifstream file(o.serve.timeline);
  const auto trace = nlohmann::json::parse(file);
  file.close();
  std::filesystem::remove(o.serve.timeline);
  std::set<int> processes;
  std::set<std::string> names;
  for (const auto& e : trace.at("traceEvents")) {
    if (e.at("ph") != "X") continue;
    processes.insert(e.at("pid").get<int>());
    names.insert(e.at("name").get<std::string>());
  }
  CHECK(processes.size() == r.run.cases.size());
  for (const char* name : {"prepare", "embed", "attention", "project"}) {
    INFO(name);
    CHECK(names.count(name) == 1);
  }
}

TEST_CASE("a part of the batches without a cache stands for all", "[run]")
{
  gpu_replay::options o = gpu_replay::preset("tiny");
  o.step_tokens.clear();
  o.serve.cases = {"none", "default"};
  o.no_cache_every = 3;
  o.serve.verify = 1;
  const gpu_replay::results r = run(o);
  const replay::case_result& none = r.run.cases[0];
  const replay::case_result& ours = r.run.cases[1];
  CHECK(none.batches == (ours.batches + 2) / 3);
  CHECK(none.speed_up == 1);
  CHECK(ours.speed_up == none.seconds / ours.seconds);
  // What it took, by what it served, times all there is to do.
  const replay::workload w = replay::make_workload(o.serve);
  const hstu::config c = gpu_replay::model_of(o, w);
  double all = 0;
  double served = 0;
  for (std::size_t b = 0; b < w.batches.size(); ++b) {
    const double flops = gpu_replay::flops_alone(c, w.batches[b]);
    all += flops;
    served += b % 3 == 0 ? flops : 0;
  }
  const double took = static_cast<double>(none.requests) / none.requests_per_second;
  CHECK(none.seconds == Approx(took * all / served));
  // Its rates are of what it served in that time.
  REQUIRE(r.sampled.size() == 1);
  CHECK(r.sampled[0].name == none.name);
  CHECK(r.sampled[0].one_batch_of == 3);
  CHECK(r.sampled[0].seconds == Approx(took));
  const auto tokens = [](const replay::case_result& one) { return static_cast<double>(one.tokens.total()); };
  CHECK(gpu_replay::tokens_per_second(r, none) == Approx(tokens(none) / took));
  CHECK(gpu_replay::tokens_per_second(r, ours) == Approx(tokens(ours) / ours.seconds));
  bool told = false;
  for (const std::string& note : r.run.workload.notes) told = told || note.find("one batch of 3") != std::string::npos;
  CHECK(told);
  REQUIRE(r.verified);
  CHECK(r.verified->requests >= ours.batches);  // of default_cache alone
  CHECK(r.verified->beyond == 0);
}

TEST_CASE("what the machine cannot do is said in a sentence", "[run]")
{
  gpu_replay::options o = gpu_replay::preset("tiny");
  o.step_tokens.clear();
  o.serve.cases = {"window"};
  CHECK_THROWS_AS(run(o), kvstrata::config_error);
  o = gpu_replay::preset("tiny");
  o.serve.head_dim = 48;
  CHECK_THROWS_AS(run(o), kvstrata::config_error);
  CHECK_THROWS_AS(gpu_replay::plan_text(o), kvstrata::config_error);
}

TEST_CASE("the plan of a run tells requests, memory, operations and tiers", "[run]")
{
  gpu_replay::options o = gpu_replay::preset("tiny");
  const std::string plan = gpu_replay::plan_text(o);
  for (const char* part :
       {"18 requests of", "Batches: ", "TFLOP", "device only: slab ", "mtserve_cache: slab ", "default_cache: slab "}) {
    INFO(part << " in " << plan);
    CHECK(plan.find(part) != std::string::npos);
  }
}
