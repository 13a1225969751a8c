// `replay --model mtgr`: its command line, its cuts, what its cases serve, and the mistake that it finds.
#include "replay/command.hpp"
#include "replay/mtgr/load.hpp"
#include "replay/mtgr/run.hpp"
#include "replay/mtgr/ways.hpp"

#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/core/error.hpp>

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct said
{
  int code = 0;
  std::string out, err;
};

said replay_says(std::vector<std::string> words)
{
  words.insert(words.begin(), {"replay", "--model", "mtgr"});
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  std::ostringstream out, err;
  const int code = replay::command(static_cast<int>(arguments.size()), arguments.data(), out, err);
  return {code, out.str(), err.str()};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Two users, each twice a day, for two days: turns 0 1, 2 3, 4 5, 6 7.
replay::mtgr_options two_users()
{
  replay::mtgr_options o = replay::usual_mtgr_options();
  o.common.users = 2;
  o.common.requests = 8;
  o.common.batch = 2;
  o.common.layers = 2;
  o.common.hidden = 16;
  o.common.page_tokens = 4;
  o.common.link_gbps = 0;
  o.common.link_latency_us = 0;
  o.common.verify = 1;
  o.sequence = 30;
  o.recent = 20;
  o.candidates = {3};
  o.sessions_a_day = 2;
  return o;
}

replay::mtgr_pass run(const replay::mtgr_options& o)
{
  std::ostringstream nowhere;
  replay::progress silent(nowhere, replay::progress::kind::silent);
  const replay::mtgr_results r = replay::run_mtgr(o, silent);
  REQUIRE(r.passes.size() == o.candidates.size());
  return r.passes.front();
}

const replay::mtgr_case_result& find(const replay::mtgr_pass& p, const std::string& key)
{
  for (const replay::mtgr_case_result& c : p.cases) {
    if (c.which.key == key) return c;
  }
  FAIL("no case " << key);
  return p.cases.front();
}

}  // namespace

TEST_CASE("MTGR's replay: what is wrong on the command line is said", "[options]")
{
  const auto refused = [](const std::vector<std::string>& words) {
    const said s = replay_says(words);
    CHECK(s.code == 2);
    CHECK(s.out.empty());
    return s.err.substr(0, s.err.find('\n'));
  };
  CHECK(refused({"--cut", "hourly"}) == "error: --cut is 'hourly', but it must be daily or weekly.");
  CHECK(refused({"--candidates", "1,0"}) == "error: --candidates is 0, but it must be at least 1.");
  CHECK(refused({"--sequence-tokens", "0"}) == "error: --sequence-tokens is 0, but it must be at least 1.");
  CHECK(refused({"--heads", "3"}) == "error: --heads is 3, but it must divide --hidden (128).");
  CHECK(refused({"--cases", "all"}) ==
        "error: --cases is 'all', but of MTGR there are none, device, host, default, append_only.");
  CHECK(refused({"--sessions-a-day", "2", "--trace", "nowhere"}) ==
        "error: --sessions-a-day is 2, but with --trace sessions are the trace's.");
  CHECK(has(refused({"--weights", "file"}), "--weights"));
  CHECK(has(refused({"--cluster", "8"}), "--cluster"));
  CHECK(has(refused({"--users", "-1"}), "'-1' is not a whole number from 0 up"));
  const said help = replay_says({"--help"});
  CHECK(help.code == 0);
  for (const char* const there : {"--cut", "--sequence-tokens", "--candidates", "append_only", "--verify"}) {
    CHECK(has(help.out, there));
  }
  for (const char* const other : {"--nvme", "--weights", "--rounds", "--precision"}) CHECK_FALSE(has(help.out, other));
}

TEST_CASE("MTGR's replay: S is cut at midnight, R is what happened since", "[workload]")
{
  const replay::mtgr_load load = replay::make_mtgr_load(two_users());
  REQUIRE(load.batches.size() == 4);
  for (std::size_t session = 0; session < 4; ++session) {
    REQUIRE(load.batches[session].size() == 2);
    const replay::mtgr_turn& t = load.batches[session][1];
    const bool evening = session % 2 == 1;
    CHECK(t.version == 1 + session / 2);
    CHECK(t.sequence_end == (session < 2 ? 30 : 38));
    CHECK(t.recents == (evening ? 8 : 4));
    CHECK(t.new_recents == 4);
    CHECK(t.first_of_version == !evening);
  }
  CHECK(load.versions == 4);
  CHECK(load.full == 0);

  replay::mtgr_options o = two_users();
  o.cut =
      "weekly";  // 22 April 2022 was a Friday: all 34 events before the first session are of this week, too many for R
  const replay::mtgr_load weekly = replay::make_mtgr_load(o);
  CHECK(weekly.versions == 2);
  CHECK(weekly.full == 2);
  CHECK(weekly.batches[0][0].recents == 0);
  CHECK(weekly.batches[3][0].recents == 12);
  CHECK(weekly.batches[3][0].sequence_end == 34);
  o.recent = 10;
  const replay::mtgr_load full = replay::make_mtgr_load(o);
  CHECK(full.full == 4);
  CHECK(full.batches[2][0].recents == 8);
  CHECK(full.batches[3][0].recents == 0);
  CHECK(full.batches[3][0].sequence_end == 46);
  CHECK(full.batches[3][0].first_of_version);

  // Half of the sessions compute U and S, all four new events.
  const mtgr::config c = load.model;
  const auto e = load.bounds(3);
  CHECK(e.ideal.statics * 2 == Approx(e.whole.statics));
  CHECK(e.ideal.candidates == e.whole.candidates);
  CHECK(e.whole.recents ==
        Approx(4 * (mtgr::flops(c, {50, 0, 4, 4, 0}).recents + mtgr::flops(c, {50, 0, 8, 8, 0}).recents)));
  CHECK(e.ideal.recents ==
        Approx(4 * (mtgr::flops(c, {50, 0, 4, 4, 0}).recents + mtgr::flops(c, {50, 0, 8, 4, 0}).recents)));
}

TEST_CASE("MTGR's replay: every case serves the same, and all but one are right", "[run]")
{
  replay::mtgr_options o = two_users();
  o.cases = {"none", "device", "host", "default", "append_only"};
  o.common.device_share = 3;  // room for an old version beside the new one
  const replay::mtgr_pass p = run(o);
  REQUIRE(p.cases.size() == 5);
  for (const replay::mtgr_case_result& c : p.cases) {
    INFO(c.which.name);
    CHECK(c.requests == 8);
    CHECK(c.verified == 8);
    CHECK(c.candidates.tokens.computed == 24);
    CHECK(c.candidates.tokens.hit() == 0);
    CHECK(c.statics.tokens.total() == 8 * 50);
    CHECK(c.recents.tokens.total() == 4 * 4 + 4 * 8);
    if (c.which.is_right) CHECK(c.wrong == 0);
  }
  const auto& none = find(p, "none");
  CHECK(none.statics.again == 4 * 50);
  CHECK(none.recents.again == 4 * 4);
  CHECK(none.flops.all() / find(p, "default").flops.all() == Approx(p.bound));
  for (const char* const key : {"device", "default", "host"}) {
    const auto& c = find(p, key);
    INFO(key);
    CHECK(c.statics.tokens.computed == 4 * 50);
    CHECK(c.statics.again == 0);
    CHECK(c.recents.tokens.computed == 8 * 4);
    CHECK(c.statics.superseded == 2 * 50);  // of the first day
    CHECK(c.recents.superseded == 2 * 8);
  }
  const auto& wrong = find(p, "append_only");
  CHECK(wrong.statics.tokens.computed == 2 * 50);
  CHECK(wrong.wrong == 4);  // all of the second day
  CHECK(wrong.statics.superseded == 0);
  CHECK(none.statics.superseded + none.recents.superseded == 0);
}

TEST_CASE("MTGR's replay: what does not fit on the device comes from the host, or is computed once more", "[run]")
{
  replay::mtgr_options o = two_users();
  o.common.batch = 1;
  o.common.users = 4;
  o.common.requests = 32;
  o.common.device_share = 0.3;
  const replay::mtgr_pass p = run(o);
  REQUIRE(p.cases.size() == 4);  // the mistake is not made unasked
  CHECK(find(p, "device").statics.again > 0);
  CHECK(find(p, "host").statics.again == 0);
  CHECK(find(p, "host").statics.tokens.fetched() > 0);
  CHECK(find(p, "default").statics.again == 0);
  for (const replay::mtgr_case_result& c : p.cases) CHECK(c.wrong == 0);
}

TEST_CASE("MTGR's replay: candidates take pages of the slab beside what is kept", "[run]")
{
  replay::mtgr_options o = two_users();
  const replay::mtgr_load load = replay::make_mtgr_load(o);
  const auto few = replay::choose_mtgr_sizes(o, load, 1);
  const auto three_pages = replay::choose_mtgr_sizes(o, load, 3 * o.common.page_tokens);
  CHECK(few.scratch_pages == 2);          // two users a batch
  CHECK(three_pages.scratch_pages == 2);  // the load has three candidates a request
  CHECK(few.batch_pages == 2 * (13 + 2 + 1));

  o.candidates = {12};
  const replay::mtgr_load more = replay::make_mtgr_load(o);
  CHECK(replay::choose_mtgr_sizes(o, more, 12).device_pages == replay::choose_mtgr_sizes(o, more, 4).device_pages + 4);
  o.common.device_mib = 0;
  CHECK_THROWS_AS(replay::choose_mtgr_sizes(o, more, 12), kvstrata::config_error);
}

TEST_CASE("MTGR's replay: --verify ends with 1 where S is an ordinary prefix, and figures are written", "[run]")
{
  const std::string file =
      (std::filesystem::temp_directory_path() / ("kvstrata_mtgr_" + std::to_string(::getpid()))).string();
  const std::vector<std::string> small{
      "--users",          "2", "--requests",        "8",  "--layers",     "2",   "--hidden", "16", "--quiet",
      "--sessions-a-day", "2", "--sequence-tokens", "30", "--candidates", "1,3", "--verify", "1"};
  std::vector<std::string> words = small;
  words.insert(words.end(), {"--json", file});
  const std::string page = file + ".html";
  words.insert(words.end(), {"--report", page});
  const said right = replay_says(words);
  CHECK(right.err.empty());
  CHECK(right.code == 0);
  CHECK(has(right.out, "K = 1: "));
  CHECK(has(right.out, "  superseded"));
  const auto written = nlohmann::json::parse(std::ifstream(file));
  std::filesystem::remove(file);
  REQUIRE(written.at("passes").size() == 2);
  CHECK(written.at("passes")[1].at("candidates") == 3);
  const auto& served = written.at("passes")[1].at("cases")[3];
  CHECK(served.at("statics").at("computed_again") == 0);
  CHECK(served.at("statics").at("superseded") == 2 * 50);
  CHECK(served.at("recents").at("superseded") == 2 * 8);
  CHECK(served.at("candidates").at("computed") == 24);
  CHECK(served.at("flops").at("candidates") > 0);

  std::ostringstream read;
  read << std::ifstream(page).rdbuf();
  std::filesystem::remove(page);
  const std::string html = read.str();
  CHECK(has(html, "1 candidate a request"));
  CHECK(has(html, "3 candidates a request"));
  CHECK(has(html, "U and S: 50.0 % served, 100 tokens superseded"));
  CHECK(has(html, "R: 33.3 % served, 16 tokens superseded"));
  CHECK(has(html, "GFLOP: U and S "));
  CHECK(has(html, " answers were held to recomputation, and none has other scores."));
  CHECK_FALSE(has(html, "{{"));
  CHECK_FALSE(has(html, "src=\""));  // nothing is fetched

  words = small;
  words.insert(words.end(), {"--cases", "append_only"});
  const said wrong = replay_says(words);
  CHECK(wrong.code == 1);
  CHECK(has(wrong.err,
            "error: with 1 candidates case 'append only' gave 4 of 8 checked requests scores that are not those of "
            "recomputation, up to "));
}
