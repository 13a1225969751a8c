// Arrows of a timeline: from each lease to the copies that were queued for it, and on to its end.
#include "observe/json_reader.hpp"
#include "observe/perfetto_model.hpp"
#include "support/catch.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/timeline.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

constexpr geometry shape{.layers = 3, .kv_heads = 1, .head_dim = 4, .element = element_type::f32};
constexpr page_count page_tokens = 4;

/// A copy as a file shows it: the row's name, when it began, to the nanosecond.
using copy_place = std::pair<std::string, std::int64_t>;
using lease_copies = std::set<std::pair<std::uint64_t, copy_place>>;

std::int64_t nanoseconds(double microseconds) { return std::llround(microseconds * 1000); }

/// A server whose calls are watched from outside: what of each stream's points came in a call.
struct server
{
  using cache_type = default_cache<emulated_device, lru, timeline>;

  emulated_device device{
      {.time = time_mode::virtual_time, .to_device = {1e6, 1e-6}, .from_device = {1e6, 1e-6}, .trace = true}};
  stream_id streams[2] = {device.create_stream("compute a"), device.create_stream("compute b")};
  cache_type cache{
      device,
      {.shape = shape,
       .tiers = {{.bytes = 12 * page_bytes(shape, page_tokens)}, {.bytes = 60 * page_bytes(shape, page_tokens)}},
       .layout = {.page_tokens = page_tokens, .chunk = 16}}};
  lease_copies queued;  // by points
  std::vector<std::tuple<std::uint64_t, std::uint32_t, std::uint64_t, std::uint64_t>> between;

  server()
  {
    cache.tracker().use_clock([this] { return device.now(); });
  }

  [[nodiscard]] std::vector<std::uint64_t> points()
  {
    std::vector<std::uint64_t> out;
    for (std::uint32_t i = 0; i < device.stats().streams.size(); ++i) {
      out.push_back(device.record(stream_id{i}).sequence);
    }
    return out;
  }
  /// What call() -> lease number queues is that lease's.
  template <class Call>
  void watch(Call&& call)
  {
    const std::vector<std::uint64_t> before = points();
    const std::uint64_t lease = call();
    const std::vector<std::uint64_t> after = points();
    for (std::uint32_t i = 0; i < after.size(); ++i) {
      between.emplace_back(lease, i, i < before.size() ? before[i] : 0, after[i]);
    }
  }

  [[nodiscard]] cache_type::lease prepare(unsigned user, token_count history, std::size_t on, std::uint64_t label)
  {
    const request one{.user = user_id{user}, .history_tokens = history};
    std::vector<cache_type::lease> out;
    watch([&] {
      out.push_back(cache.prepare({&one, 1}, streams[on], {.label = label}).value());
      return out.back().number();
    });
    return std::move(out.back());
  }
  void compute(cache_type::lease& mine, std::size_t on, layer_index layer)
  {
    mine.wait(layer);
    device.launch(streams[on], {.label = "of " + std::to_string(mine.number()), .seconds = 2e-3}, [] {});
    mine.layer_done(layer);
  }
  void finish(cache_type::lease& mine)
  {
    watch([&] {
      const std::uint64_t number = mine.number();
      mine.finish();
      return number;
    });
  }
  void serve(unsigned user, token_count history)
  {
    auto mine = prepare(user, history, 0, 0);
    for (layer_index l = 0; l < shape.layers; ++l) compute(mine, 0, l);
    finish(mine);
    device.wait_sync(device.record(streams[0]));
  }

  /// The spans of copies, each with the lease in whose call it was queued.
  [[nodiscard]] lease_copies expected() const
  {
    lease_copies out;
    for (const op_span& s : device.trace()) {
      if (s.kind != operation_kind::copy_to_device && s.kind != operation_kind::copy_from_device) continue;
      CHECK(s.point != 0);
      for (const auto& [lease, stream, after, last] : between) {
        if (static_cast<std::uint32_t>(s.stream) != stream || s.point <= after || s.point > last) continue;
        out.insert({lease, {s.stream_name, std::llround(s.begin * 1e9)}});
      }
    }
    return out;
  }

  [[nodiscard]] json_value picture()
  {
    cache.drain_sync();
    cache.tracker().add_spans(device.trace());
    std::ostringstream out;
    cache.tracker().write(out);
    return json_reader::read(out.str());
  }
};

/// What a file says of arrows.
struct arrows
{
  lease_copies led;                                           ///< from which lease to which copy
  std::map<std::uint64_t, std::set<std::string>> ends;        ///< [lease] names of the slices in which its arrows end
  std::map<std::uint64_t, std::pair<double, double>> leases;  ///< [lease] when
  std::set<std::string> rows;                                 ///< of leases
};

arrows arrows_of(const json_value& file)
{
  arrows out;
  std::map<double, std::string> rows;
  const std::vector<json_value>& events = file["traceEvents"].items;
  for (const json_value& e : events) {
    if (e["ph"].text == "M" && e["name"].text == "thread_name") rows[e["tid"].number] = e["args"]["name"].text;
  }
  for (const json_value& e : events) {
    if (e["ph"].text != "X" || e["cat"].text != "lease") continue;
    const auto lease = static_cast<std::uint64_t>(e["args"]["lease"].number);
    CHECK(e["name"].text == "lease " + std::to_string(lease));
    CHECK(out.leases.emplace(lease, std::pair(e["ts"].number, e["ts"].number + e["dur"].number)).second);
    out.rows.insert(rows[e["tid"].number]);
  }
  /// The one slice of the row that contains the time.
  const auto slice_at = [&](const json_value& station) -> const json_value& {
    const json_value* found = nullptr;
    for (const json_value& e : events) {
      if (e["ph"].text != "X" || e["tid"].number != station["tid"].number) continue;
      const double begin = e["ts"].number;
      if (station["ts"].number < begin || station["ts"].number >= begin + e["dur"].number) continue;
      CHECK(found == nullptr);
      found = &e;
    }
    REQUIRE(found != nullptr);
    return *found;
  };
  std::map<double, std::vector<const json_value*>> stations;  // by id, in the file's order
  for (const json_value& e : events) {
    const std::string& phase = e["ph"].text;
    if (phase == "s" || phase == "t" || phase == "f") stations[e["id"].number].push_back(&e);
  }
  for (const auto& [id, all] : stations) {
    REQUIRE(all.size() >= 2);
    CHECK(all.front()->operator[]("ph").text == "s");
    CHECK(all.back()->operator[]("ph").text == "f");
    CHECK(all.back()->operator[]("bp").text == "e");
    for (std::size_t i = 1; i < all.size(); ++i) CHECK((*all[i])["ts"].number >= (*all[i - 1])["ts"].number);
    const json_value& from = slice_at(*all.front());
    CHECK(from["cat"].text == "lease");
    const auto lease = static_cast<std::uint64_t>(from["args"]["lease"].number);
    const json_value& copy = slice_at(*all[1]);
    out.led.insert({lease, {rows[copy["tid"].number], nanoseconds(copy["ts"].number)}});
    CHECK((copy["cat"].text == "copy to device") == (all.size() == 3));
    if (all.size() == 3) out.ends[lease].insert(slice_at(*all[2])["name"].text);
  }
  return out;
}

}  // namespace

TEST_CASE("arrows lead from a lease to the copies that were queued for it, and on to its end", "[observe][arrows]")
{
  server s;
  for (unsigned user = 1; user <= 6; ++user) s.serve(user, 16);  // three have room in the slab
  // Two batches at once, each call of one between those of the other.
  auto a = s.prepare(1, 20, 0, 4711);
  auto b = s.prepare(2, 20, 1, 4712);
  for (layer_index l = 0; l < shape.layers; ++l) {
    s.compute(b, 1, l);
    s.compute(a, 0, l);
  }
  const std::uint64_t first = a.number(), second = b.number();
  s.finish(b);
  s.finish(a);
  const json_value file = s.picture();
  CHECK(as_perfetto_shows(file).dropped == 0);
  const arrows found = arrows_of(file);
  CHECK(found.led == s.expected());
  const auto copies_of = [&](std::uint64_t lease) {
    std::size_t count = 0;
    for (const auto& [whose, copy] : found.led) count += whose == lease;
    return count;
  };
  CHECK(copies_of(first) >= 2 * shape.layers);  // up and down
  CHECK(copies_of(second) >= 2 * shape.layers);
  CHECK(found.ends.at(first) == std::set<std::string>{"of " + std::to_string(first)});
  CHECK(found.ends.at(second) == std::set<std::string>{"of " + std::to_string(second)});
  CHECK(found.rows == std::set<std::string>{"leases", "leases (2)"});  // as they were there at once
  // A lease reaches from prepare to the end of its last kernel.
  const double end = 1e6 * s.device.now();
  CHECK(found.leases.at(first).first == found.leases.at(second).first);
  CHECK(found.leases.at(first).second > found.leases.at(first).first + 3 * 2000 - 1);
  CHECK(found.leases.at(first).second <= end + 1e-3);
}

TEST_CASE("arrows of two leases on one stream, of whom one is let go first", "[observe][arrows]")
{
  server s;
  for (unsigned user = 1; user <= 6; ++user) s.serve(user, 16);
  auto a = s.prepare(1, 16, 0, 1);
  auto b = s.prepare(2, 24, 0, 2);
  for (layer_index l = 0; l < shape.layers; ++l) s.compute(a, 0, l);
  s.finish(a);
  for (layer_index l = 0; l < shape.layers; ++l) s.compute(b, 0, l);
  s.finish(b);
  CHECK(arrows_of(s.picture()).led == s.expected());
}

TEST_CASE("without spans that have points there are no arrows", "[observe][arrows]")
{
  server s;
  for (unsigned user = 1; user <= 6; ++user) s.serve(user, 16);
  s.serve(1, 16);
  s.cache.drain_sync();
  std::vector<op_span> spans = s.device.trace();
  for (op_span& one : spans) one.point = 0;
  s.cache.tracker().add_spans(spans);
  std::ostringstream out;
  s.cache.tracker().write(out);
  CHECK(arrows_of(json_reader::read(out.str())).leases.empty());
}
