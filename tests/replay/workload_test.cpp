#include "replay/workload.hpp"

#include "replay/serving.hpp"
#include "replay/sizes.hpp"
#include "support/catch.hpp"
#include "support/data.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

namespace {

replay::options some_options()
{
  replay::options o;
  o.users = 12;
  o.requests = 40;
  o.batch = 3;
  o.candidates = 7;
  o.history_scale = 0.01;
  return o;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// What every workload must be, whatever it comes from.
void require_sound(const replay::workload& w, const replay::options& o)
{
  std::uint64_t next = 0;
  std::map<std::uint64_t, kvstrata::token_count> seen;
  for (const replay::served_batch& b : w.batches) {
    REQUIRE(b.first == next);
    REQUIRE(b.last > b.first);
    next = b.last;
    std::uint64_t answers = 0;
    std::set<std::uint64_t> users;
    REQUIRE(b.requests.size() <= o.batch);
    for (const replay::served_request& r : b.requests) {
      REQUIRE(users.insert(to_number(r.user)).second);
      REQUIRE(r.tokens >= seen[to_number(r.user)]);
      seen[to_number(r.user)] = r.tokens;
      REQUIRE(r.number >= b.first);
      REQUIRE(r.number < b.last);
      answers += r.answers;
      const hstu::request asked = replay::model_request(w, r);
      REQUIRE(asked.items.size() * 2 >= r.tokens);
      REQUIRE(asked.items.size() == asked.actions.size());
      REQUIRE(asked.candidates.size() == o.candidates);
      REQUIRE((r.tokens == 0 || asked.times[r.tokens / 2 - 1] <= r.time));
      REQUIRE(r.tokens <= w.longest);
    }
    REQUIRE(answers == b.last - b.first);
  }
  REQUIRE(next == w.facts.requests);
  REQUIRE(w.facts.requests <= o.requests);
  REQUIRE(w.facts.users == seen.size());
  REQUIRE(w.facts.users <= o.users);
  std::uint64_t tokens = 0;
  for (const auto& user : seen) tokens += user.second;
  REQUIRE(tokens == w.facts.working_set);
}

}  // namespace

TEST_CASE("the synthetic workload is sound and repeats", "[workload]")
{
  const replay::options o = some_options();
  const replay::workload w = replay::make_workload(o);
  require_sound(w, o);
  CHECK(w.facts.requests == o.requests);
  CHECK(w.history_scale == 0.01);
  const replay::workload again = replay::make_workload(o);
  CHECK(again.facts == w.facts);
  replay::options other = o;
  other.seed = 2;
  CHECK_FALSE(replay::make_workload(other).facts == w.facts);
}

TEST_CASE("without a scale, histories have the usual mean", "[workload]")
{
  replay::options o = some_options();
  o.history_scale = 0;
  const replay::workload w = replay::make_workload(o);
  CHECK(w.facts.history_mean == Approx(2 * replay::usual_events).epsilon(0.08));
  CHECK(contains(w.facts.notes.at(0), "--history-scale"));
}

TEST_CASE("users who watch ask once a minute of their log, right after its last event", "[workload]")
{
  replay::options o = some_options();
  o.stream = "interaction";
  o.history_scale = 0.2;
  o.requests = 400;
  o.batch = 1;
  const replay::workload w = replay::make_workload(o);
  require_sound(w, o);
  REQUIRE(w.facts.requests == o.requests);
  CHECK(w.facts.stream == "interaction");
  std::map<std::uint64_t, std::int64_t> minute;
  std::map<std::uint64_t, kvstrata::token_count> before;
  std::size_t again = 0;
  for (const replay::served_batch& b : w.batches) {
    const replay::served_request& r = b.requests.front();
    const std::uint64_t user = to_number(r.user);
    const replay::user_history& h = w.histories[r.history_of];
    REQUIRE(h.times[r.tokens / 2 - 1] == r.time);
    REQUIRE((h.times.size() == r.tokens / 2 || h.times[r.tokens / 2] / 60 > r.time / 60));
    if (minute.count(user) != 0) {
      ++again;
      REQUIRE(r.time / 60 > minute[user]);
      REQUIRE(r.tokens > before[user]);
      // Nothing between two requests was left without one of its own.
      REQUIRE(h.times[before[user] / 2] / 60 == r.time / 60);
    }
    minute[user] = r.time / 60;
    before[user] = r.tokens;
  }
  CHECK(again > 300);
}

TEST_CASE("histories stop to grow where they are told to, and it is said", "[workload]")
{
  replay::options o = some_options();
  o.history_scale = 0.05;
  const replay::workload whole = replay::make_workload(o);
  o.most_history = 200;
  const replay::workload w = replay::make_workload(o);
  require_sound(w, o);
  REQUIRE(whole.longest > 200);
  CHECK(w.longest == 200);
  std::uint64_t cut = 0;
  REQUIRE(w.batches.size() == whole.batches.size());
  for (std::size_t b = 0; b < w.batches.size(); ++b) {
    for (std::size_t r = 0; r < w.batches[b].requests.size(); ++r) {
      const kvstrata::token_count tokens = whole.batches[b].requests[r].tokens;
      CHECK(w.batches[b].requests[r].tokens == (std::min)(tokens, kvstrata::token_count{200}));
      cut += tokens > 200 ? whole.batches[b].requests[r].answers : 0;
    }
  }
  bool told = false;
  for (const std::string& note : w.facts.notes) {
    told = told || contains(note, "stop to grow at 200 tokens (--most-history): those of " + std::to_string(cut) + " ");
  }
  CHECK(told);
}

TEST_CASE("a real trace is sampled by users, and says so", "[workload]")
{
  const auto found = kvstrata_test::find_data("kuairand-pure-2w");
  if (!found) SKIP_TEST("the trace kuairand-pure-2w is not on this machine");
  for (const char* stream : {"session", "interaction"}) {
    replay::options o = some_options();
    o.trace = found->string();
    o.stream = stream;
    o.history_scale = 2;
    const replay::workload w = replay::make_workload(o);
    require_sound(w, o);
    CHECK(w.facts.users > 1);
    std::string notes;
    for (const std::string& note : w.facts.notes) notes += note;
    CHECK(contains(notes, "25,156"));
    CHECK(contains(notes, "last 50"));
    CHECK(contains(notes, "times 2"));
  }
}

TEST_CASE("a larger workload for simulations has no histories but more requests", "[workload]")
{
  const replay::options o = some_options();
  const replay::workload w = replay::make_larger_workload(o, 0.01);
  CHECK(w.histories.empty());
  CHECK(w.facts.requests == 16 * o.requests);
  CHECK(w.history_scale == 0.01);
}

TEST_CASE("a trace that is not there or is not one is named", "[workload]")
{
  replay::options o = some_options();
  o.trace = "/nowhere/trace";
  CHECK_THROWS_AS(replay::make_workload(o), kvstrata::data_error);

  const std::filesystem::path bad = std::filesystem::temp_directory_path() / "kvstrata_bad_trace.csv";
  std::ofstream(bad) << "user_id,video_id,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view\n"
                        "1,2,1651000000000,0,0,0,0,0,0,0\n"
                        "1,two,1651000000000,0,0,0,0,0,0,0\n";
  o.trace = bad.string();
  try {
    static_cast<void>(replay::make_workload(o));
    FAIL("it was read");
  } catch (const kvstrata::data_error& e) {
    CHECK(contains(e.what(), bad.string() + ":3"));
    CHECK(contains(e.what(), "two"));
  }
  std::filesystem::remove(bad);
}

TEST_CASE("tier sizes come from options or shares, and are checked against the largest batch", "[sizes]")
{
  const kvstrata::geometry shape{2, 4, 64, kvstrata::element_type::f32};
  replay::options o = some_options();
  replay::workload w = replay::make_workload(o);
  const std::size_t notes = w.facts.notes.size();
  const replay::cache_sizes s = replay::choose_sizes(o, w, shape, 0);
  CHECK(s.device_bytes % s.page_bytes() == 0);
  CHECK(s.host_bytes >=
        static_cast<std::size_t>(0.75 * static_cast<double>(w.facts.working_set * shape.token_bytes())));
  CHECK(s.device_pages() >= replay::largest_batch_pages(w, s.page_tokens));
  CHECK(s.chunk_tokens % s.page_tokens == 0);
  CHECK(w.facts.notes.size() > notes);

  o.chunk_tokens = 1024;
  o.device_mib = 64;
  o.host_mib = 3;
  const replay::cache_sizes given = replay::choose_sizes(o, w, shape, 0);
  CHECK(given.device_bytes == std::size_t{64} << 20);
  CHECK(given.host_bytes == std::size_t{3} << 20);
  CHECK(given.chunk_tokens == 1024);

  replay::options longer = some_options();
  longer.history_scale = 0.2;
  replay::workload much = replay::make_workload(longer);
  longer.device_mib = 1;
  try {
    static_cast<void>(replay::choose_sizes(longer, much, shape, 0));
    FAIL("it fitted");
  } catch (const kvstrata::config_error& e) {
    CHECK(contains(e.what(), "--device-mib is 1"));
    CHECK(contains(e.what(), "the largest batch needs"));
  }
  longer.device_mib.reset();
  CHECK_THROWS_AS(replay::choose_sizes(longer, much, shape, std::uint64_t{1} << 20), kvstrata::config_error);
}

TEST_CASE("the sample to verify is drawn by the seed, of about the share", "[sample]")
{
  const replay::options o = some_options();
  const replay::workload w = replay::make_workload(o);
  std::size_t entries = 0;
  for (const replay::served_batch& b : w.batches) entries += b.requests.size();
  CHECK(replay::draw_sample(w, 1, 1).size() == entries);
  CHECK(replay::draw_sample(w, 0, 1).empty());
  CHECK(replay::draw_sample(w, 1e-9, 1).size() == 1);  // asked to verify, something is verified
  const auto half = replay::draw_sample(w, 0.5, 1);
  CHECK(half.size() * 100 > entries * 35);
  CHECK(half.size() * 100 < entries * 65);
  for (std::size_t i = 1; i < half.size(); ++i) {
    CHECK((half[i - 1].batch < half[i].batch ||
           (half[i - 1].batch == half[i].batch && half[i - 1].request < half[i].request)));
  }
}
