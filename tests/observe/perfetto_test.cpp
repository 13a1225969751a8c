// What Perfetto would drop is not written: towers of marks, times before 0, times too large for it, slices that overlap.
#include "observe/json_reader.hpp"
#include "observe/perfetto_model.hpp"
#include "support/catch.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/timeline.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::as_perfetto_shows;
using kvstrata_test::json_reader;
using kvstrata_test::json_value;
using kvstrata_test::perfetto_picture;

json_value written(const timeline& t)
{
  std::ostringstream out;
  t.write(out);
  return json_reader::read(out.str());
}

/// What the picture must say, whatever it is of.
perfetto_picture checked(const timeline& t)
{
  perfetto_picture p = as_perfetto_shows(written(t));
  REQUIRE(p.dropped == 0);
  REQUIRE(p.depth < 64);
  REQUIRE(p.shown.size() == t.events() + (t.left_out() != 0 ? 1 : 0));
  return p;
}

/// The arguments of the only event of that name.
std::map<std::string, double> arguments_of(const json_value& file, const std::string& name)
{
  std::map<std::string, double> out;
  for (const json_value& e : file["traceEvents"].items) {
    if (e["name"].text != name) continue;
    REQUIRE(out.empty());
    for (const auto& [key, value] : e["args"].members) out[key] = value.number;
  }
  return out;
}

/// Its rows by their names, in the order in which they stand.
std::vector<std::string> rows_of(const json_value& file)
{
  std::vector<std::string> out;
  for (const json_value& e : file["traceEvents"].items) {
    if (e["name"].text == "thread_name") out.push_back(e["args"]["name"].text);
  }
  return out;
}

op_span span(double begin, double end, const char* stream = "copy", std::uint32_t number = 0)
{
  return {.stream = static_cast<stream_id>(number), .stream_name = stream, .label = "x", .begin = begin, .end = end};
}

}  // namespace

TEST_CASE("timeline: a prepare that evicts 900 users while virtual time stands still is one mark")
{
  emulated_device device({.time = time_mode::virtual_time, .data = false});
  const geometry shape{.layers = 1, .kv_heads = 1, .head_dim = 4};
  const std::size_t page = page_bytes(shape, 32);
  device_only_cache<emulated_device, lru, timeline> cache(device, {.shape = shape, .tiers = {{.bytes = 900 * page}}});
  timeline& line = cache.tracker();
  line.use_clock([&device] { return device.now(); });
  const stream_id compute = device.create_stream("compute");
  const auto serve = [&](std::uint64_t user, token_count history) {
    const request r[] = {{.user = user_id{user}, .history_tokens = history}};
    auto lease = cache.prepare(r, compute).value();
    lease.layer_done(0);
    lease.commit();
  };
  for (std::uint64_t user = 0; user < 900; ++user) serve(user, 32);
  serve(900, 900 * 32);
  const json_value file = written(line);
  REQUIRE(arguments_of(file, "evicted from level 0") == std::map<std::string, double>{{"count", 900},
                                                                                      {"tokens", 900 * 32},
                                                                                      {"dropped", 900 * 32},
                                                                                      {"unread", 900 * 32},
                                                                                      {"youngest_age", 0},
                                                                                      {"oldest_age", 899}});
  // The calls, which took no time either, do not nest in their turn.
  REQUIRE(arguments_of(file, "prepare") == std::map<std::string, double>{{"count", 901}});
  REQUIRE(arguments_of(file, "batch").at("requests") == 901);
  REQUIRE(checked(line).shown.size() == 5);  // prepare, commit, release; batch, evicted from level 0
}

TEST_CASE("timeline: marks of one call are one, those of two are two, while time goes on")
{
  timeline line;
  double now = 0;
  line.use_clock([&now] { return now += 0.5; });
  for (int call = 0; call < 2; ++call) {
    line.on(call_began{});
    for (std::uint64_t age = 5; age < 8; ++age) line.on(tokens_evicted{1, 10, 2, 1, age});
    line.on(pressure_met{});
    line.on(call_ended{});
  }
  line.on(pressure_met{});  // outside of any call
  line.on(pressure_met{});
  const perfetto_picture p = checked(line);
  std::map<std::string, int> names;
  for (const auto& s : p.shown) ++names[s.name];
  REQUIRE(names == std::map<std::string, int>{{"prepare", 2}, {"evicted from level 1", 2}, {"pressure", 4}});
  const json_value file = written(line);
  for (const json_value& e : file["traceEvents"].items) {
    if (e["name"].text != "evicted from level 1") continue;
    REQUIRE(e["args"]["count"].number == 3);
    REQUIRE(e["args"]["tokens"].number == 30);
    REQUIRE(e["args"]["youngest_age"].number == 5);
    REQUIRE(e["args"]["oldest_age"].number == 7);
  }
  // One that was left out takes nothing in.
  line.limit(0);
  line.on(call_began{});
  line.on(pressure_met{});
  line.on(pressure_met{});
  line.on(call_ended{});
  REQUIRE(line.left_out() == 3);
  REQUIRE(arguments_of(written(line), "events were left out").at("left_out") == 3);
}

TEST_CASE("timeline: what begins before 0 is moved with all others")
{
  timeline line;
  line.use_clock([] { return -0.5; });
  line.on(pressure_met{});
  line.add_spans(std::vector{span(-1.25, -1), span(-1, 2)});
  const perfetto_picture p = checked(line);
  std::multiset<std::pair<std::int64_t, std::int64_t>> times;
  for (const auto& s : p.shown) times.emplace(s.begin, s.end);
  REQUIRE(times == std::multiset<std::pair<std::int64_t, std::int64_t>>{
                       {0, 250'000'000}, {250'000'000, 3'250'000'000}, {750'000'000, 750'000'000}});
  const json_value file = written(line);
  REQUIRE(file["otherData"]["moved_later_ns"].number == 1.25e9);
  REQUIRE(file["otherData"]["moved_earlier_ns"].number == 0);
}

TEST_CASE("timeline: times of a clock that began long ago are moved to where nanoseconds are told apart")
{
  timeline line;
  const double epoch = 1.7e9;
  std::vector<op_span> spans;
  for (int i = 0; i < 2000; ++i) {
    const double begin = epoch + 1e-6 * i;
    spans.push_back(span(begin, epoch + 1e-6 * (i + 1)));
  }
  line.add_spans(spans);
  const perfetto_picture p = checked(line);
  REQUIRE(p.depth == 0);
  REQUIRE(p.shown.front().begin == 0);
  REQUIRE(rows_of(written(line)) == std::vector<std::string>{"cache", "copy"});
  REQUIRE(written(line)["otherData"]["moved_earlier_ns"].number == 1.7e18);
  // What is fit to be shown stays where it is.
  line.clear();
  line.add_spans(std::vector{span(4e6, 4.1e6)});
  REQUIRE(checked(line).shown.front().begin == 4'000'000'000'000'000);
}

TEST_CASE("timeline: slices of a stream that overlap are in rows of their own")
{
  timeline line;
  line.add_spans(std::vector{span(0, 2), span(1, 3), span(2, 4), span(2.5, 3.5), span(0, 1, "other")});
  const perfetto_picture p = checked(line);
  REQUIRE(rows_of(written(line)) == std::vector<std::string>{"cache", "copy", "copy (2)", "other"});
  REQUIRE(p.depth == 1);  // [2.5, 3.5] lies within [2, 4]
  // As many as you like that begin and end together, or at once.
  line.clear();
  for (int i = 0; i < 900; ++i) line.add_spans(std::vector{span(1, 2), span(3, 3)});
  REQUIRE(rows_of(written(line)).size() == 1 + 15);
  checked(line);
}

TEST_CASE("timeline: whatever the times are, Perfetto shows every event, as long as it took")
{
  std::mt19937 random(17);
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  for (int round = 0; round < 200; ++round) {
    timeline line;
    double now = 0;
    line.use_clock([&now] { return now; });
    const double origin = round % 3 == 0 ? -0.001 : round % 3 == 1 ? 0.0 : 1.7e9;
    const auto moment = [&] { return origin + 1e-3 * below(30) + (below(4) == 0 ? 1e-10 * below(20) : 0); };
    std::multiset<std::int64_t> lengths;
    for (int i = 0; i < 60; ++i) {
      const double a = moment();
      const double b = below(5) == 0 ? a : moment();
      const op_span s = span((std::min)(a, b), (std::max)(a, b), below(2) == 0 ? "one" : "other", below(2));
      line.add_spans(std::vector{s});
      lengths.insert((trace_time_of(s.end) - trace_time_of(s.begin)).count());
      now = (std::max)(now, moment());
      line.on(call_began{static_cast<call_name>(below(6))});
      for (std::uint32_t k = below(4); k > 0; --k) line.on(tokens_evicted{});
      if (below(2) == 0) now += 1e-3 * below(2);
      line.on(call_ended{static_cast<call_name>(below(6))});
    }
    const perfetto_picture p = checked(line);
    const std::vector<std::string> rows = rows_of(written(line));
    std::multiset<std::int64_t> shown;
    std::int64_t earliest = p.shown.front().begin;
    for (const auto& s : p.shown) {
      earliest = (std::min)(earliest, s.begin);
      if (s.name == "x") shown.insert(s.end - s.begin);
    }
    REQUIRE(shown == lengths);
    REQUIRE((round % 3 == 1 || earliest == 0));
  }
}
