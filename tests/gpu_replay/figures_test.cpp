// What a batch needs, how answers are compared, what a report says of both.
#include "gpu_replay/needs.hpp"
#include "gpu_replay/report.hpp"
#include "gpu_replay/verify.hpp"

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

namespace {

hstu::config two_layers()
{
  hstu::config c;
  c.layers = 2;
  c.hidden = 8;
  c.heads = 2;
  c.head_dim = 4;
  c.tasks = 3;
  return c;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A run with one step of each kind and two cases, all figures round.
gpu_replay::results sample_results(bool measured)
{
  gpu_replay::results r;
  r.measured = measured;
  r.facts = {{"GPU", "none such"}};
  r.best = {50e9, 40e9, 4e12, 8e14};
  r.run.balance = {8e14, 50e9, 2, 1024};
  for (const auto kind : {gpu_replay::step_kind::slab_hit, gpu_replay::step_kind::arena_hit,
                          gpu_replay::step_kind::miss, gpu_replay::step_kind::no_cache}) {
    gpu_replay::step_result s;
    s.kind = kind;
    s.requests = 8;
    s.tokens = 4096;
    s.new_tokens = 32;
    s.seconds = kind == gpu_replay::step_kind::slab_hit ? 0.0014 : 0.014;
    s.needed = kind == gpu_replay::step_kind::slab_hit ? 0.001 : 0.01;
    r.steps.push_back(s);
  }
  for (const char* name : {"no cache", "default_cache"}) {
    replay::case_result c;
    c.name = name;
    c.batches = 4;
    c.seconds = r.run.cases.empty() ? 8 : 2;
    c.speed_up = r.run.cases.empty() ? 1 : 4;
    c.tokens = r.run.cases.empty() ? replay::token_split{{}, 1000} : replay::token_split{{900, 80}, 20};
    c.queue_seconds = 0.004;
    r.run.cases.push_back(c);
  }
  return r;
}

std::string all_sentences(const gpu_replay::results& r)
{
  std::string out;
  for (const std::string& s : gpu_replay::sentences(r)) out += s + '\n';
  return out;
}

}  // namespace

TEST_CASE("a batch needs its keys and values once, the weights once, and the operations of its products", "[needs]")
{
  const hstu::config c = two_layers();
  const std::vector<std::uint64_t> candidates(5, 0);
  const kvstrata::token_interval rear{6, 10};
  hstu::request hit;
  hit.history = 10;
  hit.compute = std::span(&rear, 1);
  hit.candidates = candidates;
  hstu::request empty;
  empty.candidates = candidates;
  const hstu::request batch[] = {hit, empty};
  const gpu_replay::needs n = gpu_replay::needs_of(c, batch);
  const double weights = 2 * (2 * 5 * 8 * 8 + 8 * 8);
  CHECK(n.bytes == Approx(weights + 6 * 2 * 2 * 8 * 2));  // 6 tokens of 2 layers, K and V, 8 elements of 2 bytes
  const hstu::request_shape first{10, hit.compute, 5};
  const hstu::request_shape second{0, {}, 5};
  CHECK(n.flops == Approx(hstu::flops(c, first) + hstu::flops(c, second)));

  const gpu_replay::ceilings best{1e9, 1e9, 1e10, 1e12};
  CHECK(gpu_replay::seconds_at({1e10, 2e12}, best) == Approx(3));
  CHECK(gpu_replay::seconds_at({1e10, 2e12}, 2e9, best) == Approx(3));
  CHECK(gpu_replay::seconds_at({1e10, 2e12}, 5e9, best) == Approx(5));
  CHECK(gpu_replay::seconds_at({1, 1}, {}) == 0);
  CHECK(gpu_replay::roofline_at({1e10, 2e12}, 0, best) == Approx(2));
  CHECK(gpu_replay::roofline_at({3e10, 2e12}, 0, best) == Approx(3));
  CHECK(gpu_replay::roofline_at({1e10, 2e12}, 5e9, best) == Approx(5));
  CHECK(gpu_replay::roofline_at({1, 1}, 0, {}) == 0);
}

TEST_CASE("an answer's error is the norm of its difference by its own norm", "[verify]")
{
  const std::vector<float> right{3, 4};
  CHECK(gpu_replay::relative_error(right, right) == 0);
  CHECK(gpu_replay::relative_error(std::vector<float>{3, 4.5f}, right) == Approx(0.1));
  CHECK(std::isinf(gpu_replay::relative_error(std::vector<float>{3}, right)));
  CHECK(std::isinf(gpu_replay::relative_error(std::vector<float>{3, std::numeric_limits<float>::quiet_NaN()}, right)));
  CHECK(std::isinf(gpu_replay::relative_error(std::vector<float>{1, 1}, std::vector<float>{0, 0})));
  CHECK(gpu_replay::relative_error(std::vector<float>{0, 0}, std::vector<float>{0, 0}) == 0);
  CHECK(gpu_replay::relative_error({}, {}) == 0);
}

TEST_CASE("answers beyond the bound are counted, and the first is named", "[verify]")
{
  gpu_replay::agreement a;
  a.bound = 0.05;
  replay::served_request r;
  r.user = kvstrata::user_id{17};
  r.number = 4;
  gpu_replay::add(a, "one", r, 0.01);
  gpu_replay::add(a, "one", r, 0.05);
  CHECK(a.beyond == 0);
  CHECK(a.mean == Approx(0.03));
  gpu_replay::add(a, "two", r, 0.051);
  gpu_replay::add(a, "three", r, HUGE_VAL);
  gpu_replay::add(a, "four", r, std::numeric_limits<double>::quiet_NaN());
  CHECK(a.requests == 5);
  CHECK(a.beyond == 3);
  CHECK(a.first == "two, request 4 of user 17");
  CHECK(std::isinf(a.largest));

  gpu_replay::results out = sample_results(true);
  out.verified = a;
  CHECK(contains(all_sentences(out), "VERIFICATION FAILED: 5 answers"));
  CHECK(contains(all_sentences(out), "3 lie beyond, the first: two, request 4 of user 17"));
}

TEST_CASE("targets are told of figures that were measured, and of no others", "[report]")
{
  gpu_replay::results r = sample_results(true);
  std::string said = all_sentences(r);
  CHECK(contains(said, "The worst takes 1.40x (8 x 4,096 tokens): met."));
  CHECK(contains(said, "It is 4.00x: met."));
  CHECK(contains(said, "98.00 % are not, first visits included: short."));
  CHECK_FALSE(contains(said, "Emulated"));

  r.steps[0].seconds = 0.0016;
  r.run.cases[1].speed_up = 3;
  r.run.cases[1].tokens = {{900, 99}, 1};
  said = all_sentences(r);
  CHECK(contains(said, "The worst takes 1.60x (8 x 4,096 tokens): short."));
  CHECK(contains(said, "It is 3.00x: short."));
  CHECK(contains(said, "99.90 % are not, first visits included: met."));

  said = all_sentences(sample_results(false));
  CHECK(contains(said, "No time above is a measurement"));
  CHECK_FALSE(contains(said, "Target"));
}

TEST_CASE("tokens a second of a sample are its tokens by its own time", "[report]")
{
  gpu_replay::results r = sample_results(true);
  replay::case_result& c = r.run.cases[0];
  c.tokens = {.computed = 1000};
  c.seconds = 40;
  CHECK(gpu_replay::tokens_per_second(r, c) == 25);
  r.sampled = {{c.name, 10, 4}};
  CHECK(gpu_replay::tokens_per_second(r, c) == 250);
  CHECK(gpu_replay::tokens_per_second(r, r.run.cases[1]) > 0);
  c.tokens = {};
  CHECK(gpu_replay::tokens_per_second(r, c) == 0);
}

TEST_CASE("a report has ceilings, steps and cases in text, Markdown and JSON", "[report]")
{
  gpu_replay::results r = sample_results(true);
  r.sampled = {{r.run.cases[0].name, 10, 4}};
  const std::string text = gpu_replay::text(r);
  CHECK(contains(text, "50.0 GB/s"));
  CHECK(contains(text, "800 TFLOP/s"));
  CHECK(contains(text, "1.40x"));  // the slab hit's time by its needs
  CHECK(contains(text, "10.0x"));  // over no cache
  CHECK(contains(text, "tokens/s"));
  CHECK(contains(text, "98.00 %"));
  CHECK_FALSE(contains(text, "exposed transfer"));
  CHECK(contains(gpu_replay::text(sample_results(false)), "exposed transfer"));

  const std::string page = gpu_replay::markdown(r, "kvstrata-gpu-replay --preset tiny");
  CHECK(contains(page, "- command: `kvstrata-gpu-replay --preset tiny`"));
  CHECK(contains(page, "|---|--:|"));
  CHECK(contains(page, "- GPU: none such"));

  const std::string path = (std::filesystem::temp_directory_path() / "kvstrata_gpu_replay_report.json").string();
  gpu_replay::write_json(r, path);
  std::ifstream file(path);
  const auto all = nlohmann::json::parse(file);
  file.close();
  std::filesystem::remove(path);
  CHECK(all.at("gpu").at("measured") == true);
  CHECK(all.at("gpu").at("steps").size() == 4);
  CHECK(all.at("gpu").at("steps")[0].at("kind") == "slab hit");
  CHECK(all.at("gpu").at("steps")[0].at("ratio").get<double>() == Approx(1.4));
  CHECK(all.at("gpu").at("sampled")[0].at("one_batch_of") == 10);
  CHECK(all.at("gpu").at("sampled")[0].at("scaled_to_all_batches").size() == 2);
  CHECK(all.at("gpu").at("tokens_per_second").at("no cache").get<double>() == 250);
  CHECK(all.at("gpu").at("ceilings").at("product").get<double>() == 8e14);
  CHECK(all.at("gpu").at("agreement").is_null());
  CHECK(all.at("cases")[1].at("queue_seconds").get<double>() == 0.004);
}
