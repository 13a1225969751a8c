#include "replay/run.hpp"

#include "replay/cases.hpp"
#include "replay/json.hpp"
#include "replay/report.hpp"
#include "replay/table.hpp"
#include "replay/verify.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <unistd.h>

namespace {

/// Everything small: seconds in a debug build.
replay::options small_options()
{
  replay::options o;
  o.users = 10;
  o.requests = 48;
  o.batch = 3;
  o.candidates = 4;
  o.layers = 2;
  o.hidden = 32;
  o.heads = 2;
  o.head_dim = 16;
  o.page_tokens = 8;
  o.history_scale = 0.01;
  o.device_share = 0.6;
  o.host_share = 0.5;
  o.link_gbps = 0;
  o.link_latency_us = 0;
  o.rounds = 3;
  o.verify = 1;
  return o;
}

replay::results run(const replay::options& o)
{
  std::ostringstream nowhere;
  replay::progress silent(nowhere, replay::progress::kind::silent);
  return replay::run(o, silent);
}

replay::served_request request_of(std::uint64_t user, std::uint64_t number)
{
  replay::served_request r;
  r.user = kvstrata::user_id{user};
  r.number = number;
  return r;
}

}  // namespace

TEST_CASE("a whole small run: every case serves the same requests, every score equals recomputation", "[run]")
{
  const replay::options o = small_options();
  const replay::results r = run(o);
  REQUIRE(r.cases.size() == 5);
  std::uint64_t tokens = 0;
  for (const replay::case_result& c : r.cases) {
    INFO(c.name);
    CHECK(c.requests == o.requests);
    CHECK(c.latency.count == o.requests);
    CHECK(c.batches == r.cases.front().batches);
    if (tokens == 0) tokens = c.tokens.total();
    CHECK(c.tokens.total() == tokens);
    CHECK(c.speed_up > 0);
    replay::token_split sum;
    std::uint64_t requests = 0;
    for (const replay::split_bucket& b : c.over_time) {
      CHECK(b.first_request == requests);
      requests += b.requests;
      sum += b.tokens;
    }
    CHECK(requests == o.requests);
    CHECK(sum == c.tokens);
    REQUIRE(c.batch);
    CHECK(c.batch->batch == r.cases.front().batch->batch);
    CHECK_FALSE(c.batch->spans.empty());
    for (const replay::span_of_work& s : c.batch->spans) {
      CHECK(s.begin >= 0);
      CHECK(s.end >= s.begin);
    }
    CHECK(c.capacity.empty() == (c.name == "no cache"));
  }
  const auto& none = r.cases[0];
  const auto& device_only = r.cases[1];
  const auto& synchronous = r.cases[2];
  const auto& mtserve = r.cases[3];
  const auto& ours = r.cases[4];
  CHECK(none.tokens.computed == tokens);
  CHECK(none.onload_bytes + none.offload_bytes == 0);
  CHECK(none.speed_up == 1);
  CHECK(device_only.tokens.served[0] > 0);
  CHECK(device_only.tokens.fetched() == 0);
  CHECK(device_only.levels.size() == 1);
  CHECK(device_only.onload_bytes + device_only.offload_bytes == 0);
  CHECK(device_only.levels[0].dropped_tokens > 0);
  CHECK(synchronous.tokens == ours.tokens);  // they differ in when they copy, not in what
  CHECK(ours.tokens.fetched() > 0);
  CHECK(ours.tokens.computed < mtserve.tokens.computed);
  CHECK(mtserve.levels[0].dropped_tokens > 0);  // unwritten tails
  // A token fetched is a token copied, in whole pages.
  const std::uint64_t token_bytes = 2ULL * o.layers * o.heads * o.head_dim * sizeof(float);
  CHECK(ours.onload_bytes >= ours.tokens.fetched() * token_bytes);
  CHECK(ours.onload_bytes % (token_bytes * o.page_tokens) == 0);

  REQUIRE(r.verified);
  CHECK(r.verified->mismatches == 0);
  CHECK(r.verified->requests >= 5 * r.cases.front().batches);
  CHECK(r.verified->scores == r.verified->requests * o.candidates * 4);
  CHECK(r.verified->max_difference < r.verified->tolerance);
  CHECK(r.balance.flops_per_second > 0);
  CHECK(r.balance.link_bytes_per_second > 0);

  CHECK(replay::from_json(replay::to_json(r)) == r);
  CHECK(replay::report(r).size() > 10'000);
  CHECK(replay::summary(r).find("default_cache") != std::string::npos);
}

TEST_CASE("over a store, host memory that is too small serves what it does not hold", "[run]")
{
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("kvstrata_replay_store_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  replay::options o = small_options();
  o.requests = 96;
  o.device_share = 0.2;
  o.host_share = 0.3;
  o.rounds = 6;
  o.cases = {"none", "default", "nvme"};
  o.nvme = (folder / "kv").string();
  o.nvme_bytes = std::uint64_t{16} << 20U;
  const replay::results r = run(o);
  std::filesystem::remove_all(folder);
  REQUIRE(r.cases.size() == 3);
  const auto& without = r.cases[1];
  const auto& over = r.cases[2];
  CHECK(over.key == "nvme");
  CHECK(over.requests == o.requests);
  CHECK(over.tokens.total() == without.tokens.total());
  REQUIRE(over.levels.size() == 3);
  CHECK(over.levels[2].name == "nvme_file");
  CHECK(over.capacity.empty());
  CHECK(without.staged_tokens == 0);
  CHECK(over.staged_tokens > 0);  // what a round wrote is there in the next
  CHECK(over.tokens.computed < without.tokens.computed);
  REQUIRE(r.verified);
  CHECK(r.verified->mismatches == 0);
  CHECK(r.verified->requests >= 3 * over.batches);
  const std::string summary = replay::summary(r);
  CHECK(summary.find("staged from the store") != std::string::npos);
  CHECK(summary.find("tokens from nvme_file") == std::string::npos);
  CHECK(summary.find("The store has") != std::string::npos);
  CHECK(replay::from_json(replay::to_json(r)) == r);
}

TEST_CASE("every case there is answers as recomputation does, and shows what sets it apart", "[run]")
{
  replay::options o = small_options();
  o.requests = 36;
  o.cases = replay::all_cases();
  o.timeline = (std::filesystem::temp_directory_path() / "kvstrata_replay_timeline.json").string();
  const replay::results r = run(o);
  REQUIRE(r.verified);
  CHECK(r.verified->mismatches == 0);
  CHECK(r.verified->requests >= r.cases.size() * r.cases.front().batches);
  REQUIRE(r.cases.size() == replay::all_cases().size());
  const auto find = [&](const std::string& key) -> const replay::case_result& {
    return *std::find_if(r.cases.begin(), r.cases.end(), [&](const auto& c) { return c.key == key; });
  };
  const replay::case_result& ours = find("default");
  for (const char* engine : {"per_page", "coalesced", "staged", "window", "kernel"}) {
    const replay::case_result& c = find(engine);
    INFO(engine);
    CHECK(c.tokens == ours.tokens);  // they differ in how bytes move
    CHECK(c.onload_bytes == ours.onload_bytes);
    CHECK(c.capacity.empty());
  }
  CHECK(find("per_page").onload_calls > find("coalesced").onload_calls);
  CHECK(find("coalesced").onload_calls > ours.onload_calls);
  CHECK(find("coalesced").onload_calls == ours.onload_pieces);
  CHECK(find("kernel").onload_calls == ours.onload_calls);
  CHECK(find("window").device_bytes > ours.device_bytes);
  CHECK(find("mtserve_window").tokens == find("mtserve").tokens);
  CHECK(find("contiguous").device_bytes >= ours.device_bytes);
  CHECK(find("page_writes").offload_bytes <= ours.offload_bytes);
  CHECK(find("write_back").offload_bytes < ours.offload_bytes);
  CHECK(find("cleaned").cleaned_tokens > 0);
  CHECK(find("write_back").cleaned_tokens == 0);
  CHECK(find("selective").offload_bytes < ours.offload_bytes);
  CHECK(find("selective").levels[0].dropped_tokens > 0);
  CHECK(find("prefetch").saved_tokens > 0);
  CHECK(find("prefetch").saved_tokens <= find("prefetch").prefetched_tokens);
  CHECK(find("prefetch").tokens.fetched() < ours.tokens.fetched());
  CHECK(ours.prefetched_tokens + ours.recomputed_tokens + ours.cleaned_tokens == 0);

  std::ifstream file(o.timeline);
  const auto trace = nlohmann::json::parse(file);
  std::set<int> processes;
  std::set<std::string> names;
  for (const auto& e : trace.at("traceEvents")) {
    if (e.at("ph") == "X") {
      processes.insert(e.at("pid").get<int>());
      CHECK(e.at("ts").get<double>() >= 0);
      names.insert(e.at("name").get<std::string>());
    }
    CHECK(e.value("cat", "") != "left out");
  }
  CHECK(processes.size() == r.cases.size());
  for (const char* name : {"prepare", "commit", "embed", "layer 0", "head"}) {
    INFO(name);
    CHECK(names.count(name) == 1);
  }
  file.close();
  std::filesystem::remove(o.timeline);
  CHECK(replay::from_json(replay::to_json(r)) == r);
}

TEST_CASE("what is dear to fetch is computed while the rest travels, with the same answers", "[run]")
{
  replay::options o = small_options();
  o.requests = 36;
  o.link_gbps = 0.002;
  o.link_latency_us = 200;
  o.cases = {"default", "split"};
  const replay::results r = run(o);
  REQUIRE(r.verified);
  CHECK(r.verified->mismatches == 0);
  CHECK(r.cases[1].recomputed_tokens > 0);
  CHECK(r.cases[1].tokens.total() == r.cases[0].tokens.total());
  CHECK(r.cases[1].onload_bytes < r.cases[0].onload_bytes);
}

TEST_CASE("one case after the other serves as the cases in turns do", "[run]")
{
  replay::options o = small_options();
  o.verify = 0;
  o.cases = {"mtserve", "default"};
  const replay::results turns = run(o);
  o.rounds = 1;
  const replay::results row = run(o);
  REQUIRE(turns.cases.size() == 2);
  REQUIRE(row.cases.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(turns.cases[i].tokens == row.cases[i].tokens);
    CHECK(turns.cases[i].onload_bytes == row.cases[i].onload_bytes);
    CHECK(turns.cases[i].speed_up == 0);  // nothing to compare with
  }
  CHECK_FALSE(row.verified);
}

TEST_CASE("what is simulated without data is what is served with it", "[run]")
{
  replay::options o = small_options();
  o.verify = 0;
  o.cases = replay::all_cases();
  std::erase(o.cases, "none");
  std::erase(o.cases, "split");  // by costs that every run measures anew
  const replay::results r = run(o);
  replay::workload w = replay::make_workload(o);
  hstu::config c;
  c.layers = o.layers;
  c.heads = o.heads;
  c.head_dim = o.head_dim;
  const replay::cache_sizes s = replay::choose_sizes(o, w, hstu::geometry_of(c), 0);
  for (std::size_t i = 0; i < o.cases.size(); ++i) {
    replay::token_split sum;
    for (const replay::token_split& split : replay::simulate_case(o.cases[i], w, s)) sum += split;
    INFO(o.cases[i]);
    CHECK(sum == r.cases[i].tokens);
  }
}

TEST_CASE("relative biases and a slow link change no answer", "[run]")
{
  replay::options o = small_options();
  o.requests = 24;
  o.position_bias = true;
  o.time_bias = true;
  o.link_gbps = 0.5;
  o.link_latency_us = 20;
  o.cases = {"synchronous", "default"};
  const replay::results r = run(o);
  REQUIRE(r.verified);
  CHECK(r.verified->scores > 0);
  CHECK(r.verified->mismatches == 0);
}

TEST_CASE("options that contradict the workload are refused before anything is served", "[run]")
{
  replay::options o = small_options();
  o.batch = 0;
  CHECK_THROWS_AS(run(o), kvstrata::config_error);
  o = small_options();
  o.trace = "/nowhere";
  CHECK_THROWS_AS(run(o), kvstrata::data_error);
}

TEST_CASE("a score that differs is counted, and the first one is kept in full", "[verify]")
{
  replay::verification v;
  v.tolerance = 1e-3;
  const std::vector<float> recomputed{1.0F, 2.0F, 3.0F, 4.0F, -5.0F, 6000.0F};
  replay::compare_scores(v, "a", request_of(9, 0), recomputed, recomputed, 2);
  CHECK(v.mismatches == 0);
  CHECK(v.scores == 6);

  std::vector<float> served = recomputed;
  served[5] += 1.0F;     // within the relative tolerance
  served[3] += 0.0005F;  // within the absolute one
  replay::compare_scores(v, "a", request_of(9, 1), served, recomputed, 2);
  CHECK(v.mismatches == 0);

  served[3] = 4.25F;
  served[4] = -4.0F;
  replay::compare_scores(v, "b", request_of(7, 12), served, recomputed, 2);
  CHECK(v.mismatches == 2);
  CHECK(v.requests == 3);
  REQUIRE(v.first);
  CHECK(*v.first == replay::score_difference{"b", 7, 12, 1, 1, 4.25, 4.0});

  served = recomputed;
  served[0] = std::numeric_limits<float>::quiet_NaN();
  replay::compare_scores(v, "c", request_of(7, 13), served, recomputed, 2);
  CHECK(v.mismatches == 3);
  CHECK(v.first->case_name == "b");
  served.pop_back();
  CHECK_THROWS_AS(replay::compare_scores(v, "c", request_of(7, 13), served, recomputed, 2), kvstrata::usage_error);
}
