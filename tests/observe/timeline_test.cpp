// The timeline: its file is read back as JSON and held against what was told and against a schedule in virtual time.
#include "observe/json_reader.hpp"
#include "observe/perfetto_model.hpp"
#include "observe/tracker_conformance.hpp"

#include <kvstrata/observe/timeline.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <locale>
#include <memory>
#include <random>
#include <sstream>
#include <thread>

namespace {

using namespace kvstrata;
using kvstrata_test::as_perfetto_shows;
using kvstrata_test::json_reader;
using kvstrata_test::json_value;
using kvstrata_test::tally;

json_value written(const timeline& t)
{
  std::ostringstream out;
  t.write(out);
  return json_reader::read(out.str());
}

struct drawn_event
{
  std::string row;  ///< its thread's name
  std::uint32_t number = 0;
  std::string phase, category, name, colour;
  double begin = 0, end = 0;  ///< microseconds
  std::map<std::string, double> arguments;
};

/// The events of a file but for its metadata. Every row that is used has a name, and Perfetto drops nothing.
std::vector<drawn_event> events_of(const json_value& file)
{
  const auto picture = as_perfetto_shows(file);
  REQUIRE(picture.dropped == 0);
  REQUIRE(picture.depth <= 64);
  std::map<double, std::string> rows;
  std::vector<drawn_event> out;
  for (const json_value& e : file["traceEvents"].items) {
    REQUIRE(e["pid"].number == 1);
    if (e["ph"].text == "M") {
      if (e["name"].text == "thread_name") REQUIRE(rows.emplace(e["tid"].number, e["args"]["name"].text).second);
      continue;
    }
    REQUIRE(rows.contains(e["tid"].number));
    const std::string& phase = e["ph"].text;
    if (phase == "s" || phase == "t" || phase == "f" || e["cat"].text == "lease") continue;  // arrows_test.cpp
    drawn_event d{.row = rows[e["tid"].number],
                  .number = static_cast<std::uint32_t>(e["tid"].number),
                  .phase = e["ph"].text,
                  .category = e["cat"].text,
                  .name = e["name"].text,
                  .colour = e.has("cname") ? e["cname"].text : "",
                  .begin = e["ts"].number,
                  .end = e["ts"].number,
                  .arguments = {}};
    if (d.phase == "X") d.end += e["dur"].number;
    else REQUIRE((d.phase == "i" && e["s"].text == "t"));
    for (const auto& [name, value] : e["args"].members) d.arguments[name] = value.number;
    out.push_back(std::move(d));
  }
  return out;
}

std::vector<drawn_event> row(const std::vector<drawn_event>& all, const std::string& name)
{
  std::vector<drawn_event> mine;
  for (const drawn_event& e : all) {
    if (e.row == name) mine.push_back(e);
  }
  std::sort(mine.begin(), mine.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  return mine;
}

/// Slices of one row follow each other: a picture of a stream, not a heap.
void require_rows_in_order(const std::vector<drawn_event>& all)
{
  std::map<std::uint32_t, std::vector<drawn_event>> rows;
  for (const drawn_event& e : all) {
    if (e.phase == "X") rows[e.number].push_back(e);
  }
  for (auto& [number, slices] : rows) {
    std::sort(slices.begin(), slices.end(),
              [](const auto& a, const auto& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    for (std::size_t i = 1; i < slices.size(); ++i) REQUIRE(slices[i].begin >= slices[i - 1].end - 1e-6);
  }
}

enum class act : std::uint8_t { work, wait };
constexpr std::string_view name_of(act a) { return a == act::work ? "work" : "wait"; }

/// The least that is a span: no stream number, other types.
struct plain_span
{
  const char* stream_name;
  const char* label;
  act kind;
  float begin, end;
  int bytes;
};
static_assert(stream_span<plain_span> && stream_span<op_span> && !stream_span<drawn_event> && !stream_span<int>);
static_assert(tracker<timeline> && tracks<timeline, batch_prepared> && tracks<timeline, pressure_met> &&
              tracks<timeline, write_delayed> && tracks<timeline, prefetch_undone>);

/// A timeline on a clock that the test sets.
struct hand_wound
{
  hand_wound()
  {
    line.use_clock([this] { return now; });
  }
  double now = 0;
  timeline line;
};

}  // namespace

TEST_CASE("timeline: a schedule in virtual time is drawn as it was")
{
  constexpr std::size_t bytes = 1'000'000;  // a millisecond at 1 GB/s
  emulated_device device({.time = time_mode::virtual_time, .to_device = {1e9, 0}, .data = false, .trace = true});
  const auto slab = device.allocate_device(3 * bytes, "slab");
  const auto arena = device.allocate_pinned(3 * bytes, "arena");
  const stream_id compute = device.create_stream("compute");
  const stream_id onload = device.create_stream("onload");
  device.advance_host(0.01);
  for (std::size_t layer = 0; layer < 3; ++layer) {
    device.copy(onload, copy_direction::to_device, slab.data() + layer * bytes, arena.data() + layer * bytes, bytes);
    device.wait(compute, device.record(onload));
    device.launch(compute, {.label = "layer " + std::to_string(layer), .seconds = 0.0004}, [] {});
  }
  device.advance_host(1);

  timeline line;
  line.add_spans(device.trace());
  const std::vector<drawn_event> all = events_of(written(line));
  require_rows_in_order(all);
  const std::vector<drawn_event> copies = row(all, "onload");
  REQUIRE(copies.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(copies[i].phase == "X");
    REQUIRE(copies[i].category == "copy to device");
    REQUIRE(copies[i].begin == Approx(10'000 + 1000.0 * static_cast<double>(i)));
    REQUIRE(copies[i].end == Approx(copies[i].begin + 1000));
    REQUIRE(copies[i].arguments.at("bytes") == bytes);
    REQUIRE(copies[i].colour.empty());
  }
  // The compute stream stands still until a layer has come, computes it, and stands still again.
  const std::vector<drawn_event> steps = row(all, "compute");
  REQUIRE(steps.size() == 6);
  for (std::size_t layer = 0; layer < 3; ++layer) {
    const double arrival = 11'000 + 1000.0 * static_cast<double>(layer);
    const drawn_event& stall = steps[2 * layer];
    const drawn_event& work = steps[2 * layer + 1];
    REQUIRE(stall.category == "stall");
    REQUIRE(stall.colour == "terrible");
    REQUIRE(stall.begin == Approx(layer == 0 ? 10'000 : arrival - 600));
    REQUIRE(stall.end == Approx(arrival));
    REQUIRE(work.category == "kernel");
    REQUIRE(work.name == "layer " + std::to_string(layer));
    REQUIRE(work.colour.empty());
    REQUIRE(work.begin == Approx(arrival));
    REQUIRE(work.end == Approx(arrival + 400));
  }
}

TEST_CASE("timeline: slices of calls, marks of events, with what they carry")
{
  hand_wound w;
  w.now = 1;
  w.line.on(call_began{call_name::prepare});
  w.now = 1.25;
  w.line.on(tokens_evicted{0, 10, 4, 3, 9});
  w.line.on(tokens_evicted{1, 5, 5, 0, 90});
  w.line.on(tokens_forgotten{1, 2, 3, 4, 5});
  w.line.on(batch_prepared{1, {2, 1, 0, 2}, 4, 5, 6});
  w.now = 1.5;
  w.line.on(call_ended{call_name::prepare});
  w.line.on(pressure_met{});
  w.line.on(write_delayed{11});
  w.line.on(write_refused{12, refusal::full});
  w.line.on(write_dropped{0, 1, 19});
  w.line.on(tokens_cleaned{13});
  w.line.on(prefetch_queued{14, 15});
  w.line.on(prefetch_undone{16});
  w.line.on(epoch_advanced{epoch_id{17}, 18, {}});
  w.now = 2;
  w.line.on(call_began{call_name::clean});
  w.line.on(call_ended{call_name::clean});
  const std::vector<drawn_event> all = events_of(written(w.line));
  REQUIRE(all.size() == w.line.events());

  const auto the = [&](const std::string& name) {
    const drawn_event* found = nullptr;
    for (const drawn_event& e : all) {
      if (e.name != name) continue;
      REQUIRE(found == nullptr);
      found = &e;
    }
    REQUIRE(found != nullptr);
    REQUIRE(found->row == "cache");
    return *found;
  };
  using arguments = std::map<std::string, double>;
  REQUIRE((the("prepare").phase == "X" && the("prepare").category == "call"));
  REQUIRE((the("prepare").begin == 1e6 && the("prepare").end == 1.5e6));
  REQUIRE((the("clean").begin == 2e6 && the("clean").end == 2e6));
  REQUIRE((the("evicted from level 0").phase == "i" && the("evicted from level 0").begin == 1.25e6));
  REQUIRE(the("prepare").arguments == arguments{{"count", 1}});
  REQUIRE(
      the("evicted from level 0").arguments ==
      arguments{{"count", 1}, {"tokens", 10}, {"dropped", 4}, {"unread", 3}, {"youngest_age", 9}, {"oldest_age", 9}});
  REQUIRE(
      the("evicted from level 1").arguments ==
      arguments{{"count", 1}, {"tokens", 5}, {"dropped", 5}, {"unread", 0}, {"youngest_age", 90}, {"oldest_age", 90}});
  REQUIRE(the("forgotten").arguments == arguments{{"count", 1},
                                                  {"rewritten", 1},
                                                  {"widened", 2},
                                                  {"passed", 3},
                                                  {"overwritten", 4},
                                                  {"inexact", 0},
                                                  {"stranded", 5},
                                                  {"superseded", 0}});
  REQUIRE(the("batch").arguments == arguments{{"count", 1},
                                              {"requests", 1},
                                              {"slab_tokens", 2},
                                              {"fetched_tokens", 3},
                                              {"computed_tokens", 4},
                                              {"recomputed_tokens", 5},
                                              {"prefetched_tokens", 6}});
  REQUIRE((the("pressure").phase == "i" && the("pressure").arguments == arguments{{"count", 1}}));
  REQUIRE(the("write delayed").arguments == arguments{{"count", 1}, {"tokens", 11}});
  REQUIRE(the("write refused").arguments == arguments{{"count", 1}, {"tokens", 12}});
  REQUIRE(the("write dropped").arguments == arguments{{"count", 1}, {"tokens", 19}});
  REQUIRE(the("cleaned").arguments == arguments{{"count", 1}, {"tokens", 13}});
  REQUIRE(the("prefetch queued").arguments == arguments{{"count", 1}, {"tokens", 14}, {"displaced", 15}});
  REQUIRE(the("prefetch undone").arguments == arguments{{"count", 1}, {"tokens", 16}});
  REQUIRE(the("epoch").arguments == arguments{{"count", 1}, {"epoch", 17}, {"users", 18}});
}

TEST_CASE("timeline: what touches still touches after rounding to nanoseconds")
{
  std::mt19937_64 random(3);
  std::vector<op_span> spans;
  double at = 12345.678;
  for (int i = 0; i < 300; ++i) {
    const double end = at + std::ldexp(static_cast<double>(random() >> 20), -64);  // below a tenth of a second
    spans.push_back({.stream_name = "s", .label = "x", .begin = at, .end = end});
    at = end;
  }
  timeline line;
  line.add_spans(spans);
  std::ostringstream out;
  line.write(out);
  // As whole nanoseconds, because a double of this size is coarser than one.
  const auto nanoseconds = [](std::string text) {
    REQUIRE(text.size() > 4);
    REQUIRE(text[text.size() - 4] == '.');
    text.erase(text.size() - 4, 1);
    return std::stoll(text);
  };
  long long last = 0;
  const json_value file = json_reader::read(out.str());
  for (const json_value& e : file["traceEvents"].items) {
    if (e["ph"].text != "X") continue;
    const long long begin = nanoseconds(e["ts"].text);
    REQUIRE((last == 0 || begin == last));
    last = begin + nanoseconds(e["dur"].text);
  }
  REQUIRE(std::abs(static_cast<double>(last) * 1e-9 - at) < 1e-6);
}

TEST_CASE("timeline: any text is a valid JSON string, and the same text where it is UTF-8")
{
  std::string controls;
  for (char c = 0; c < 0x20; ++c) controls += c;
  const std::string right[] = {"",
                               "a\"b\\c/d",
                               controls,
                               "\x7F",
                               "\xC3\xA4",
                               "\xE2\x82\xAC",
                               "\xF0\x9F\x98\x80",
                               "\xED\x9F\xBF",
                               "\xEE\x80\x80",
                               "\xF4\x8F\xBF\xBF",
                               "\xC2\x80",
                               "\xE0\xA0\x80"};
  for (const std::string& text : right) {
    std::string json;
    detail::append_json_string(json, text);
    REQUIRE(json_reader::read(json).text == text);
  }
  const std::string bad = "\xEF\xBF\xBD";  // U+FFFD
  const std::pair<std::string, std::string> wrong[] = {
      {"a\xFF"
       "b",
       "a" + bad + "b"},
      {"\xC3", bad},                                // breaks off
      {"\xE2\x82", bad + bad},                      // breaks off
      {"\xC3\xC3\xA4", bad + "\xC3\xA4"},           // takes up again
      {"\xC0\x80", bad + bad},                      // overlong
      {"\xE0\x9F\xBF", bad + bad + bad},            // overlong
      {"\xED\xA0\x80", bad + bad + bad},            // a surrogate
      {"\xF4\x90\x80\x80", bad + bad + bad + bad},  // beyond U+10FFFF
      {"\xF0\x8F\xBF\xBF", bad + bad + bad + bad},  // overlong
      {"\x80", bad},
      {"\xE2\x82\"", bad + bad + "\""},
  };
  for (const auto& [text, read] : wrong) {
    std::string json;
    detail::append_json_string(json, text);
    REQUIRE(json_reader::read(json).text == read);
  }
  std::mt19937 random(5);
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (std::size_t k = 0, n = random() % 12; k < n; ++k) {
      text += static_cast<char>(random() % 2 == 0 ? 0x80 + random() % 128 : random() % 256);
    }
    std::string json;
    detail::append_json_string(json, text);
    REQUIRE_NOTHROW(json_reader::read(json));  // which is strict about UTF-8
  }
}

TEST_CASE("timeline: names of streams and labels reach the file whatever they are")
{
  timeline line;
  line.add_spans(std::vector<op_span>{{.stream_name = "my \"stream\"\n", .label = "\x01\xFF", .begin = 0, .end = 1}});
  const std::vector<drawn_event> all = events_of(written(line));
  REQUIRE(all.size() == 1);
  REQUIRE(all[0].row == "my \"stream\"\n");
  REQUIRE(all[0].name == "\x01\xEF\xBF\xBD");
}

TEST_CASE("timeline: streams that share a name have rows of their own, the same each time")
{
  timeline line;
  const auto span = [](std::uint32_t stream, double begin) {
    return op_span{.stream = static_cast<stream_id>(stream),
                   .stream_name = "copy",
                   .label = "x",
                   .begin = begin,
                   .end = begin + 2};
  };
  line.add_spans(std::vector<op_span>{span(4, 0), span(7, 1)});
  line.add_spans(std::vector<op_span>{span(7, 3), span(4, 2)});
  const std::vector<drawn_event> all = row(events_of(written(line)), "copy");
  require_rows_in_order(all);
  REQUIRE(all.size() == 4);  // begin at 0, 1, 2, 3
  REQUIRE(all[0].number == all[2].number);
  REQUIRE(all[1].number == all[3].number);
  REQUIRE(all[0].number != all[1].number);
}

TEST_CASE("timeline: spans of any type that has the members")
{
  timeline line;
  const plain_span spans[] = {{"dma", "a", act::work, 0.5F, 0.75F, 3}, {"dma", "b", act::wait, 0.75F, 1, 0}};
  line.add_spans(spans);
  const std::vector<drawn_event> all = events_of(written(line));
  REQUIRE(all.size() == 2);
  REQUIRE((all[0].category == "work" && all[0].begin == 5e5 && all[0].end == 7.5e5));
  REQUIRE(all[0].arguments.at("bytes") == 3);
  REQUIRE((all[1].category == "stall" && all[1].colour == "terrible"));
}

TEST_CASE("timeline: nonsense is turned down and changes nothing")
{
  timeline line;
  const double nan = std::nan("");
  const double infinite = std::numeric_limits<double>::infinity();
  const std::pair<double, double> wrong[] = {{2, 1},         {nan, 1},        {0, nan},   {0, infinite},
                                             {-infinite, 0}, {-1e300, 1e300}, {0, 4.1e9}, {-4.1e9, 0}};
  for (const auto& [begin, end] : wrong) {
    const std::vector<op_span> spans = {{.stream_name = "s", .label = "fine", .begin = 0, .end = 1},
                                        {.stream_name = "s", .label = "wrong", .begin = begin, .end = end}};
    REQUIRE_THROWS_AS(line.add_spans(spans), usage_error);
  }
  REQUIRE_THROWS_AS(line.use_clock({}), usage_error);
  REQUIRE(line.events() == 0);
  line.on(pressure_met{});  // the clock is the one before
  REQUIRE(line.events() == 1);

  std::ostringstream out;
  trace_event_writer to(out, "p");
  const std::string before = out.str();
  for (const auto& [begin, end] : wrong) REQUIRE_THROWS_AS(to.slice(1, "c", "n", begin, end, {}), usage_error);
  for (const double at : {-1e-9, nan, infinite, 4.1e9}) REQUIRE_THROWS_AS(to.instant(1, "c", "n", at, {}), usage_error);
  REQUIRE_THROWS_AS(to.slice(1, "c", "n", -1.0, 1.0, {}), usage_error);
  REQUIRE(out.str() == before);
}

TEST_CASE("timeline: keeps so many events, and says what it left out")
{
  hand_wound w;
  w.line.limit(5);
  for (int i = 0; i < 4; ++i) {
    w.line.on(pressure_met{});
    w.now += 1;
  }
  REQUIRE(w.line.left_out() == 0);
  json_value file = written(w.line);
  REQUIRE(events_of(file).size() == 4);
  REQUIRE(file["otherData"]["left_out"].number == 0);
  w.now = 7;
  w.line.on(call_began{call_name::prepare});
  w.line.on(call_ended{call_name::prepare});
  w.line.on(pressure_met{});
  w.line.add_spans(std::vector<op_span>{{.stream_name = "s", .label = "x", .begin = 0, .end = 1}});
  REQUIRE(w.line.events() == 5);
  REQUIRE(w.line.left_out() == 2);
  file = written(w.line);
  REQUIRE(file["otherData"]["left_out"].number == 2);
  REQUIRE(file["otherData"]["most_events"].number == 5);
  const std::vector<drawn_event> all = events_of(file);
  REQUIRE(all.size() == 6);
  const auto said = std::find_if(all.begin(), all.end(), [](const drawn_event& e) { return e.category == "left out"; });
  REQUIRE(said != all.end());
  REQUIRE((said->phase == "i" && said->begin == 7e6 && said->arguments.at("left_out") == 2));
  w.line.clear();
  REQUIRE((w.line.events() == 0 && w.line.left_out() == 0));
  w.line.on(pressure_met{});
  REQUIRE(w.line.events() == 1);
}

TEST_CASE("timeline: without a clock of the caller's, time is the steady clock's and does not go back")
{
  timeline line;
  double pressures = 0;
  for (int i = 0; i < 100; ++i) line.on(pressure_met{});
  double last = 0;
  for (const drawn_event& e : events_of(written(line))) {
    REQUIRE(e.begin >= last);
    last = e.begin;
    pressures += e.arguments.at("count");
  }
  REQUIRE(pressures == 100);
}

TEST_CASE("timeline: may be written while others tell it things")
{
  timeline line;
  double now = 0;  // the teller's
  line.use_clock([&now] { return now; });
  std::thread teller([&] {
    for (int i = 0; i < 2000; ++i) {
      line.on(tokens_evicted{});
      now += 1e-6;
    }
  });
  std::size_t before = 0;
  while (before < 2000) {
    const std::size_t events = events_of(written(line)).size();
    REQUIRE(events >= before);
    before = events;
  }
  teller.join();
  REQUIRE(line.events() == 2000);
}

TEST_CASE("timeline: a stream's locale changes nothing")
{
  struct elsewhere : std::numpunct<char>
  {
    char do_thousands_sep() const override { return '.'; }
    char do_decimal_point() const override { return ','; }
    std::string do_grouping() const override { return "\3"; }
  };
  hand_wound w;
  w.now = 1234567.25;
  w.line.on(tokens_evicted{0, 1'234'567});
  std::ostringstream here;
  std::ostringstream there;
  there.imbue(std::locale(std::locale::classic(), new elsewhere));
  w.line.write(here);
  w.line.write(there);
  REQUIRE(here.str() == there.str());
}

TEST_CASE("timeline: conformance")
{
  kvstrata_test::tracker_conformance<timeline>([](const timeline& mine, const tally& seen) {
    std::map<std::string, std::uint64_t> names;
    std::uint64_t calls = 0;
    const std::vector<drawn_event> all = events_of(written(mine));
    for (const drawn_event& e : all) {
      REQUIRE(e.row == "cache");
      names[e.name] += static_cast<std::uint64_t>(e.arguments.at("count"));
      calls += e.category == "call" ? static_cast<std::uint64_t>(e.arguments.at("count")) : 0;
    }
    REQUIRE(mine.left_out() == 0);
    REQUIRE(names["batch"] == seen.batches);
    REQUIRE(names["evicted from level 0"] == seen.eviction_ages[0].size());
    REQUIRE(names["evicted from level 1"] == seen.eviction_ages[1].size());
    REQUIRE(names["pressure"] == seen.pressure);
    REQUIRE(names["write delayed"] == seen.delays);
    REQUIRE(names["cleaned"] == seen.cleanings);
    REQUIRE(names["prefetch queued"] == seen.prefetches);
    REQUIRE(names["prefetch undone"] == seen.undoings);
    REQUIRE(names["prepare"] == seen.prepare_calls);
    REQUIRE(names["commit"] == seen.commit_calls);
    REQUIRE(names["release"] == seen.release_calls);
    REQUIRE(calls == seen.calls);
  });
}

TEST_CASE("timeline: a cache and its device in one picture, on one clock")
{
  emulated_device device(
      {.time = time_mode::virtual_time, .to_device = {1e6, 1e-6}, .from_device = {1e6, 1e-6}, .trace = true});
  const geometry shape{.layers = 2, .kv_heads = 1, .head_dim = 4, .element = element_type::f32};
  const hybrid_layout layout{.page_tokens = 4, .chunk = 16};
  const std::size_t page = page_bytes(shape, layout.page_tokens);
  kvstrata_test::watched_cache<timeline> cache(
      device, {.shape = shape, .tiers = {{.bytes = 40 * page}, {.bytes = 60 * page}}, .layout = layout});
  cache.tracker().use_clock([&device] { return device.now(); });
  const auto outcome = kvstrata_test::run_workload<timeline>(device, cache);
  const std::vector<op_span> spans = device.trace();
  const std::size_t told = cache.tracker().events();
  REQUIRE(told != 0);
  cache.tracker().add_spans(spans);
  const std::vector<drawn_event> all = events_of(written(cache.tracker()));
  REQUIRE(all.size() == told + spans.size());
  require_rows_in_order(all);
  const double end = 1e6 * device.now();
  for (const drawn_event& e : all) REQUIRE((e.begin >= 0 && e.end <= end + 1e-3));
  const auto copied = [&](const char* category) {
    double bytes = 0;
    for (const drawn_event& e : all) {
      if (e.category == category) bytes += e.arguments.at("bytes");
    }
    return bytes;
  };
  REQUIRE(copied("copy to device") == static_cast<double>(outcome.device.to_device.bytes));
  REQUIRE(copied("copy from device") == static_cast<double>(outcome.device.from_device.bytes));
}
