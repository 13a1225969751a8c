// The replay of a trained model: what it reads of a trace, what every case answers, and real users of a real model.
#include "replay/options.hpp"
#include "replay/run.hpp"
#include "replay/trained_trace.hpp"
#include "replay/user_class.hpp"

#include "hstu/model_file.hpp"
#include "hstu/precision.hpp"
#include "support/catch.hpp"
#include "support/data.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/core/error.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace {

namespace fs = std::filesystem;

/// A folder with a name of its own, removed at the end.
struct temporary_folder
{
  temporary_folder() { fs::create_directories(path); }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder()
  {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path / name) << text; }

  fs::path path = fs::temp_directory_path() / ("kvstrata_trained_" + std::to_string(::getpid()));
};

hstu::config tiny()
{
  hstu::config c;
  c.layers = 2;
  c.hidden = 16;
  c.heads = 2;
  c.head_dim = 8;
  c.items = 40;
  c.actions = 16;
  c.tasks = 2;
  c.max_tokens = 64;
  c.ids = hstu::item_ids::rows;
  return c;
}

replay::results run(const replay::options& o)
{
  std::ostringstream nowhere;
  replay::progress silent(nowhere, replay::progress::kind::silent);
  return replay::run(o, silent);
}

replay::options small_options(const fs::path& weights)
{
  replay::options o;
  o.weights = weights.string();
  o.users = 10;
  o.requests = 40;
  o.batch = 3;
  o.candidates = 4;
  o.page_tokens = 8;
  o.device_share = 0.6;
  o.host_share = 0.5;
  o.link_gbps = 0;
  o.link_latency_us = 0;
  o.rounds = 2;
  o.verify = 1;
  return o;
}

bool noted(const replay::results& r, const std::string& part)
{
  for (const std::string& note : r.workload.notes) {
    if (note.find(part) != std::string::npos) return true;
  }
  return false;
}

constexpr const char* log_header =
    "user_id\ttime_ms\tvideo_id\tis_click\tis_like\tis_follow\tis_comment\tis_forward\tis_hate\tlong_view\n";

/// Users 7 and 23 leave 7 when divided by 16, user 8 does not.
void write_excerpt(const temporary_folder& folder)
{
  folder.write("history_upto_0424.tsv",
               "user_id\thistory_len\tlast_time_ms\tlast50_video_ids\n7\t9\t5000\t1,2,3\n8\t1\t5000\t4\n99\t1\t1\t2\n");
  std::string log = log_header;
  log += "7\t9000\t10\t1\t0\t0\t0\t0\t0\t1\n";  // 1 + 1 + 2
  log += "8\t9500\t11\t0\t0\t0\t0\t0\t0\t0\n";
  log += "7\t4000000\t12\t0\t1\t0\t0\t1\t0\t0\n";   // forward: 9
  log += "23\t5000000\t13\t0\t0\t0\t0\t0\t1\t0\n";  // hate: 10
  log += "7\t8000000\t39\t0\t0\t0\t0\t0\t0\t0\n";
  log += "23\t9000000\t2\t0\t1\t0\t0\t0\t0\t0\n";  // 1 + 4
  folder.write("log_standard.tsv", log);
}

}  // namespace

TEST_CASE("a trained model's trace: rows, coded actions, what the excerpt names, the last events", "[workload]")
{
  const temporary_folder folder;
  write_excerpt(folder);
  replay::options o;
  o.trace = folder.path.string();
  o.users_of = "7/16";
  const kvstrata::trace all = replay::read_trained_trace(o, tiny(), 30);
  REQUIRE(all.user_count() == 2);
  CHECK(all.items == 40);
  const auto events = all.events_of(0);
  REQUIRE(events.size() == 6);
  const std::uint32_t items[] = {1, 2, 3, 10, 12, 39};
  const std::uint32_t actions[] = {0, 0, 0, 4, 9, 1};
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(events[i].item == items[i]);
    CHECK(events[i].action == actions[i]);
    CHECK(events[i].time_ms == (i < 3 ? 5000 : i == 3 ? 9000 : i == 4 ? 4'000'000 : 8'000'000));
  }
  CHECK(all.events_of(1)[0].action == 10);
  CHECK(all.events_of(1)[1].action == 5);
  // A user who was never seen before asks nothing; the last event makes a request.
  REQUIRE(all.requests.size() == 4);
  CHECK(all.requests.back().user == 1);
  CHECK(all.requests.back().history == 1);

  const kvstrata::trace last = replay::read_trained_trace(o, tiny(), 2);
  REQUIRE(last.events_of(0).size() == 3);
  CHECK(last.events_of(0)[0].item == 10);
  for (const kvstrata::trace_request& r : last.requests) CHECK(r.history <= 2);

  hstu::config fewer = tiny();
  fewer.items = 39;
  CHECK(kvstrata_test::sentence_of<kvstrata::data_error>([&] {
          static_cast<void>(replay::read_trained_trace(o, fewer, 30));
        }).find("video 39 has no row: the model has 39") != std::string::npos);
}

TEST_CASE("a class of users is a remainder and a larger divisor", "[options]")
{
  REQUIRE(replay::parse_user_class("7/16"));
  CHECK(replay::parse_user_class("7/16")->has(23));
  CHECK_FALSE(replay::parse_user_class("7/16")->has(24));
  for (const char* text : {"", "7", "/", "16/7", "7/7", "x/16", "7/16x", "-1/4", "7/"}) {
    CHECK_FALSE(replay::parse_user_class(text));
  }
  replay::options o;
  o.users_of = "7/16";
  CHECK_THROWS_AS(replay::check(o), kvstrata::config_error);
  o.weights = "w";
  o.trace = "t";
  CHECK_NOTHROW(replay::check(o));
  o.users_of = "7";
  CHECK_THROWS_AS(replay::check(o), kvstrata::config_error);
  o.users_of = "";
  o.history_scale = 0.5;
  CHECK_THROWS_AS(replay::check(o), kvstrata::config_error);
}

TEST_CASE("a model out of a file is served by every case alike, on any workload", "[run]")
{
  const temporary_folder folder;
  const fs::path file = folder.path / "model";
  hstu::write_model(file, tiny(), hstu::random_weights(tiny()));
  replay::options o = small_options(file);
  o.history_scale = 0.01;
  const replay::results made = run(o);
  REQUIRE(made.verified);
  CHECK(made.verified->scores > 0);
  CHECK(made.verified->mismatches == 0);
  CHECK(noted(made, "f32 on the CPU"));
  for (const replay::setting& s : made.settings) {
    if (s.name == "--hidden") CHECK(s.value == "16");
  }
  CHECK(made.cases.front().next_asked == 0);  // synthetic users see nothing next

  if (hstu::is_fast(hstu::precision::bf16)) {  // in another precision, said, and held to its own bound
    o.precision = "bf16";
    const replay::results rounded = run(o);
    CHECK(noted(rounded, "computed in bf16 on the CPU"));
    CHECK(noted(rounded, "verification allows 0.02"));
    REQUIRE(rounded.verified);
    CHECK(rounded.verified->mismatches == 0);
    CHECK(rounded.verified->tolerance > 50 * made.verified->tolerance);
    o.precision = "f32";
  }

  write_excerpt(folder);
  o.trace = folder.path.string();
  o.history_scale = 0;
  const replay::results read = run(o);
  CHECK(read.verified->mismatches == 0);
  for (const replay::case_result& c : read.cases) {
    CHECK(c.next_asked == 3);
    CHECK(c.next_hits == read.cases.front().next_hits);
  }

  hstu::config headless = tiny();
  headless.tasks = 0;
  hstu::write_model(file, headless, hstu::random_weights(headless));
  CHECK_THROWS_AS(run(o), kvstrata::data_error);
}

TEST_CASE("a trained model names real users' next items as often as it did in training, from every cache", "[run]")
{
  const auto model = kvstrata_test::find_data("trained_hstu/model_a.safetensors");
  const auto trace = kvstrata_test::find_data("kuairand-pure-2w");
  if (!model || !trace) SKIP_TEST("the trained model or the excerpt of KuaiRand is not on this machine");
  replay::options o = small_options(*model);
  o.trace = trace->string();
  o.users_of = "7/16";
  o.users = 100'000;
  o.requests = 1'000'000;
  o.most_history = 200;  // it was trained on a user's last 100 events
  o.candidates = 1;
  o.batch = 32;
  o.rounds = 1;
  o.verify = 0;
  o.cases = {"none", "default"};
  o.device_share = 0.4;
  const replay::results r = run(o);
  for (const replay::case_result& c : r.cases) {
    INFO(c.name);
    CHECK(c.next_asked == 1579);
    CHECK(static_cast<double>(c.next_hits) / 1579 == Approx(0.093).margin(0.001));
    CHECK(c.next_hits == r.cases.front().next_hits);
  }
  CHECK(r.cases[1].tokens.computed_share() < 0.5);
}
