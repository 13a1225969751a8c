// Bad input: a typed error, a sentence that names the thing, the value and the limit, and the cache is as it was.
// DESIGN section 5, point 7 (too large a batch), and issue 2, section 5.
#include "cache/scene.hpp"

#include <kvstrata/cache.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

/// Runs `call`, which must throw an Error whose sentence has all the words.
template <class Error>
void refuses(const std::function<void()>& call, std::initializer_list<const char*> words)
{
  try {
    call();
  } catch (const Error& e) {
    const std::string sentence = e.what();
    CAPTURE(sentence);
    for (const char* word : words) {
      CAPTURE(word);
      CHECK(sentence.find(word) != std::string::npos);
    }
    return;
  }
  FAIL("nothing of the expected type was thrown");
}

/// All that can be seen of a cache without changing it.
struct picture
{
  cache_stats stats;
  counters::snapshot counted;
  std::vector<token_count> hits;
  std::uint64_t launches = 0;
};

template <class Scene>
picture look_at(Scene& s)
{
  picture p;
  p.stats = s.cache.stats();
  p.counted = s.cache.tracker().read();
  for (unsigned user = 1; user <= 4; ++user) {
    const auto r = s.asks(user, 16);
    if (auto plan = s.cache.plan({&r, 1})) {
      p.hits.push_back(plan->requests[0].in_slab.size());
      p.hits.push_back(plan->requests[0].fetched);
      p.hits.push_back(plan->pages_needed);
    }
  }
  p.launches = s.device.stats().launches();
  return p;
}

void check_same(const picture& a, const picture& b)
{
  CHECK(a.stats.depth == b.stats.depth);
  for (level_index i = 0; i < a.stats.depth; ++i) {
    const tier_stats &x = a.stats.levels[i], &y = b.stats.levels[i];
    CHECK(x.free_bytes == y.free_bytes);
    CHECK(x.resident_bytes == y.resident_bytes);
    CHECK(x.stale_bytes == y.stale_bytes);
    CHECK(x.in_flight_bytes == y.in_flight_bytes);
    CHECK(x.resident_tokens == y.resident_tokens);
    CHECK(x.evicted_tokens == y.evicted_tokens);
    CHECK(x.dropped_tokens == y.dropped_tokens);
  }
  CHECK(a.stats.users == b.stats.users);
  CHECK(a.stats.leases == b.stats.leases);
  CHECK(a.counted.batches == b.counted.batches);
  CHECK(a.counted.committed_tokens == b.counted.committed_tokens);
  CHECK(a.counted.onload_copies == b.counted.onload_copies);
  CHECK(a.counted.offload_copies == b.counted.offload_copies);
  CHECK(a.hits == b.hits);
  CHECK(a.launches == b.launches);
}

/// A cache of 8 pages with three users, one of whom was pushed down.
struct lived_in : scene<default_scene_cache>
{
  lived_in() : scene(8, 64)
  {
    serve(1, 14);
    serve(2, 20);
    serve(3, 5);
    cache.drain_sync();
  }

  template <class Error>
  void refuses_and_stays(const std::function<void()>& call, std::initializer_list<const char*> words)
  {
    const picture before = look_at(*this);
    refuses<Error>(call, words);
    check_same(before, look_at(*this));
  }
};

using config = default_scene_cache::config;

void construct(const std::function<void(config&)>& spoil)
{
  emulated_device device({.time = time_mode::virtual_time});
  config c = tiny_config<default_scene_cache>(8, 8);
  spoil(c);
  try {
    const default_scene_cache never(device, c);
  } catch (...) {
    CHECK(device.device_bytes_used() == 0);
    CHECK(device.pinned_bytes_used() == 0);
    throw;
  }
}

}  // namespace

TEST_CASE("sizes that are zero or do not fit", "[cache][errors]")
{
  const std::string page = std::to_string(tiny_page_bytes);
  refuses<config_error>([] { construct([](config& c) { std::get<0>(c.tiers).bytes = 0; }); },
                        {"slab.bytes is 0", "at least one page", page.c_str()});
  refuses<config_error>([] { construct([](config& c) { std::get<0>(c.tiers).bytes = tiny_page_bytes - 1; }); },
                        {"slab.bytes", std::to_string(tiny_page_bytes - 1).c_str(), page.c_str()});
  refuses<config_error>([] { construct([](config& c) { std::get<1>(c.tiers).bytes = 0; }); },
                        {"arena.bytes is 0", "at least one page", page.c_str()});
  refuses<config_error>([] { construct([](config& c) { std::get<1>(c.tiers).bytes = 7; }); },
                        {"arena.bytes is 7", page.c_str()});
  refuses<config_error>([] { construct([](config& c) { std::get<0>(c.tiers).bytes = std::size_t{1} << 60U; }); },
                        {"slab.bytes", "at most", "pages"});
  for (const double slack : {-0.5, 1.5, std::numeric_limits<double>::quiet_NaN()}) {
    refuses<config_error>([slack] { construct([slack](config& c) { std::get<0>(c.tiers).slack = slack; }); },
                          {"slab.slack is ", "a share of it, from 0 to 1"});
  }
  refuses<config_error>([] { construct([](config& c) { c.layout.page_tokens = 0; }); },
                        {"layout.page_tokens is 0", "at least 1"});
  refuses<config_error>([] { construct([](config& c) { c.layout.page_tokens = 1U << 20U; }); },
                        {"layout.page_tokens is 1048576", "at most 65536"});
  refuses<config_error>([] { construct([](config& c) { c.layout.chunk = 18; }); },
                        {"layout.chunk is 18", "multiple", "layout.page_tokens", "4"});
  refuses<config_error>([] { construct([](config& c) { c.layout.chunk = 0; }); }, {"layout.chunk is 0", "positive"});
  refuses<config_error>([] { construct([](config& c) { c.shape.layers = 0; }); },
                        {"geometry.layers is 0", "at least 1"});
  refuses<config_error>([] { construct([](config& c) { c.shape.kv_heads = 0; }); },
                        {"geometry.kv_heads is 0", "at least 1"});
  refuses<config_error>([] { construct([](config& c) { c.shape.head_dim = 0; }); },
                        {"geometry.head_dim is 0", "at least 1"});
  refuses<config_error>([] { construct([](config& c) { c.shape.layers = 5000; }); },
                        {"geometry.layers is 5000", "at most 4096"});
}

TEST_CASE("figures that make no sense", "[cache][errors]")
{
  for (const double wrong : {std::nan(""), double{INFINITY}, -1.0}) {
    CAPTURE(wrong);
    refuses<config_error>([=] { construct([=](config& c) { c.costs.seconds_per_token = wrong; }); },
                          {"costs.seconds_per_token is ", "finite number, at least 0"});
    refuses<config_error>([=] { construct([=](config& c) { c.split.cost.seconds_per_token = wrong; }); },
                          {"split.cost.seconds_per_token is ", "finite number, at least 0"});
    refuses<config_error>([=] { construct([=](config& c) { c.split.cost.fetch_latency_seconds = wrong; }); },
                          {"split.cost.fetch_latency_seconds is ", "finite number, at least 0"});
    refuses<config_error>([=] { construct([=](config& c) { c.writes.clean_above = wrong; }); },
                          {"writes.clean_above is ", "from 0 to 1"});
    refuses<config_error>([=] { construct([=](config& c) { c.writes.clean_below = wrong; }); },
                          {"writes.clean_below is ", "writes.clean_above"});
  }
  refuses<config_error>([] { construct([](config& c) { c.split.cost.layers = 0; }); },
                        {"split.cost.layers is 0", "at least 1"});
  refuses<config_error>([] { construct([](config& c) { c.costs.layers = 0; }); }, {"costs.layers is 0", "at least 1"});
  refuses<config_error>([] { construct([](config& c) { c.layout.host_order = static_cast<page_order>(2); }); },
                        {"layout.host_order is 2"});
}

TEST_CASE("a medium that has not the memory", "[cache][errors]")
{
  emulated_device device(
      {.device_bytes = 4 * tiny_page_bytes, .pinned_bytes = 4 * tiny_page_bytes, .time = time_mode::virtual_time});
  refuses<capacity_error>([&] { const default_scene_cache c(device, tiny_config<default_scene_cache>(5, 1)); },
                          {"slab", std::to_string(5 * tiny_page_bytes).c_str()});
  refuses<capacity_error>([&] { const default_scene_cache c(device, tiny_config<default_scene_cache>(1, 5)); },
                          {"arena", std::to_string(5 * tiny_page_bytes).c_str()});
  CHECK(device.device_bytes_used() == 0);  // what was had is given back
  const default_scene_cache fits(device, tiny_config<default_scene_cache>(4, 4));
}

TEST_CASE("a model whose KV has another shape", "[cache][errors]")
{
  lived_in s;
  geometry other = tiny;
  other.head_dim = 8;
  s.refuses_and_stays<geometry_error>([&] { s.cache.require_geometry(other); },
                                      {"3 layers x 1 heads x 8 bf16", "3 layers x 1 heads x 4 bf16"});
  s.refuses_and_stays<geometry_error>([&] { s.cache.advance_epoch(epoch_id{9}, other); }, {"x 8 bf16", "x 4 bf16"});
  other = tiny;
  other.element = element_type::f16;
  s.refuses_and_stays<geometry_error>([&] { s.cache.require_geometry(other); }, {"f16", "bf16"});
  CHECK_NOTHROW(s.cache.require_geometry(tiny));
  CHECK(s.look(3, 5).in_slab.size() == 5);  // still epoch 0
}

TEST_CASE("one user twice in a batch", "[cache][errors]")
{
  lived_in s;
  const auto batch = s.batch({{1, 14}, {77, 3}, {1, 15}});
  s.refuses_and_stays<usage_error>([&] { static_cast<void>(s.cache.prepare(batch, s.compute)); },
                                   {"user 1 ", "twice", "merge"});
  s.refuses_and_stays<usage_error>([&] { static_cast<void>(s.cache.plan(batch)); }, {"user 1 ", "twice"});
}

TEST_CASE("a batch that is larger than the device", "[cache][errors]")
{
  lived_in s;
  const auto batch = s.batch({{1, 17}, {9, 14}});  // 5 + 4 pages
  s.refuses_and_stays<capacity_error>([&] { static_cast<void>(s.cache.prepare(batch, s.compute)); },
                                      {"2 users", "9 pages", "slab has 8"});
  const auto huge = s.batch({{1, ~token_count{0}}, {2, ~token_count{0}}, {3, ~token_count{0}}, {4, ~token_count{0}}});
  s.refuses_and_stays<capacity_error>([&] { static_cast<void>(s.cache.prepare(huge, s.compute)); }, {"4 users"});
  CHECK(s.cache.prepare(s.batch({{1, 17}, {9, 12}}), s.compute).has_value());
}

TEST_CASE("an epoch that is over, and one that has not begun", "[cache][errors]")
{
  lived_in s;
  s.cache.advance_epoch(epoch_id{4});
  s.epoch = epoch_id{4};
  s.serve(1, 8);
  CHECK(s.cache.epoch() == epoch_id{4});
  for (const std::uint64_t other : {3U, 5U}) {  // a server that rolls over sees both: no misuse
    const bool stale = other < 4;
    std::vector<request> batch{s.asks(2, 8), s.asks(1, 8)};
    batch[1].epoch = epoch_id{other};
    const picture before = look_at(s);
    const auto refused = [&](const pressure& why) {
      CHECK(why.why == (stale ? pressure::reason::stale_epoch : pressure::reason::early_epoch));
      CHECK((why.user == 1 && why.request_epoch == other && why.cache_epoch == 4));
      const std::string sentence = to_string(why);
      CAPTURE(sentence);
      for (const std::string& word : {"user 1 names epoch " + std::to_string(other), std::string("at epoch 4")}) {
        CHECK(sentence.find(word) != std::string::npos);
      }
      CHECK(sentence.find(stale ? "older" : "advance_epoch") != std::string::npos);
    };
    refused(s.cache.prepare(batch, s.compute).why());
    refused(s.cache.plan(batch).why());
    refused(s.cache.prefetch(batch[1]).why());
    check_same(before, look_at(s));
    const auto counted = s.cache.tracker().read();
    CHECK(counted.pressure_for[static_cast<std::size_t>(stale ? pressure::reason::stale_epoch
                                                              : pressure::reason::early_epoch)] == 2);
    batch[1].first_token = 9;  // misuse is misuse, whatever the epoch
    s.refuses_and_stays<usage_error>([&] { static_cast<void>(s.cache.prepare(batch, s.compute)); }, {"token 9"});
  }
  s.refuses_and_stays<usage_error>([&] { s.cache.advance_epoch(epoch_id{4}); }, {"epoch 4", "not newer", "4"});
  s.refuses_and_stays<usage_error>([&] { s.cache.advance_epoch(epoch_id{0}); }, {"epoch 0", "not newer", "4"});
}

TEST_CASE("a fingerprint that contradicts the cached history", "[cache][errors]")
{
  lived_in s;
  std::uint64_t hashes[] = {11, 22, 33, 44, 55};
  request r = s.asks(8, 10);
  r.fingerprint = {.stride = 2, .prefix_hashes = hashes};
  {
    auto lease = s.cache.prepare({&r, 1}, s.compute).value();
    s.run_model(lease);
    lease.commit();
  }
  // The same again, a longer one, one at another stride that meets the vouched prefix, and none at all: all fit.
  CHECK(s.cache.prepare({&r, 1}, s.compute).has_value());
  std::uint64_t longer[] = {11, 22, 33, 44, 55, 66};
  r.history_tokens = 12;
  r.fingerprint.prefix_hashes = longer;
  CHECK(s.cache.prepare({&r, 1}, s.compute).has_value());
  std::uint64_t coarse[] = {1000, 55};  // of the first 5 and 10 tokens
  coarse[1] = 55;
  r.history_tokens = 10;
  r.fingerprint = {.stride = 5, .prefix_hashes = coarse};
  CHECK(s.cache.prepare({&r, 1}, s.compute).has_value());
  r.fingerprint = {};
  CHECK(s.cache.prepare({&r, 1}, s.compute).has_value());

  hashes[4] = 56;
  r.fingerprint = {.stride = 2, .prefix_hashes = hashes};
  s.refuses_and_stays<history_error>([&] { static_cast<void>(s.cache.prepare({&r, 1}, s.compute)); },
                                     {"user 8", "contradicts", "first 10 tokens", "append-only", "erase"});
  s.refuses_and_stays<history_error>([&] { static_cast<void>(s.cache.prefetch(r)); }, {"user 8"});
  s.refuses_and_stays<history_error>([&] { static_cast<void>(s.cache.plan({&r, 1})); }, {"user 8"});
  CHECK(s.cache.erase(user_id{8}));  // as the sentence says
  CHECK(s.cache.prepare({&r, 1}, s.compute).has_value());
}

TEST_CASE("a fingerprint with too few hashes, of a known user and of an unknown one", "[cache][errors]")
{
  lived_in s;
  const std::uint64_t hashes[] = {1, 2};
  for (const unsigned user : {1U, 99U}) {
    request r = s.asks(user, 14);
    r.fingerprint = {.stride = 4, .prefix_hashes = hashes};
    s.refuses_and_stays<usage_error>([&] { static_cast<void>(s.cache.prepare({&r, 1}, s.compute)); },
                                     {std::to_string(user).c_str(), "2 hashes", "14 tokens", "stride 4", "needs 3"});
    s.refuses_and_stays<usage_error>([&] { static_cast<void>(s.cache.prefetch(r)); }, {"2 hashes", "needs 3"});
  }
}

TEST_CASE("a fingerprint that was never committed vouches for nothing", "[cache][errors]")
{
  lived_in s;
  const std::uint64_t one[] = {1}, other[] = {2};
  request r = s.asks(1, 14);
  r.fingerprint = {.stride = 14, .prefix_hashes = one};
  CHECK(s.cache.prepare({&r, 1}, s.compute).has_value());  // and dropped
  r.fingerprint = {.stride = 14, .prefix_hashes = other};
  CHECK(s.cache.prepare({&r, 1}, s.compute).has_value());
}

TEST_CASE("commit twice", "[cache][errors]")
{
  lived_in s;
  auto lease = s.hold({{1, 16}});
  s.run_model(lease);
  lease.commit();
  s.refuses_and_stays<usage_error>([&] { lease.commit(); }, {"commit", "committed already"});
  lease.release();
  CHECK(s.look(1, 16).in_slab.size() == 16);
}

TEST_CASE("commit with a layer that is not done", "[cache][errors]")
{
  lived_in s;
  auto lease = s.hold({{1, 16}});
  lease.layer_done(0);
  lease.layer_done(2);
  s.refuses_and_stays<usage_error>([&] { lease.commit(); },
                                   {"commit", "layer 1 of 3", "not marked done", "layer_done"});
  lease.layer_done(1);
  CHECK_NOTHROW(lease.commit());
}

TEST_CASE("a layer that is not there", "[cache][errors]")
{
  lived_in s;
  auto lease = s.hold({{1, 16}});
  s.refuses_and_stays<usage_error>([&] { lease.wait(3); }, {"wait", "layer 3", "3 layers"});
  s.refuses_and_stays<usage_error>([&] { lease.wait_sync(7); }, {"layer 7", "3 layers"});
  s.refuses_and_stays<usage_error>([&] { lease.layer_done(~layer_index{0}); }, {"4294967295", "3 layers"});
}

TEST_CASE("a lease after its release, and one that was moved from", "[cache][errors]")
{
  lived_in s;
  auto lease = s.hold({{1, 16}});
  auto moved = std::move(lease);
  auto released = s.hold({{2, 4}});
  released.release();
  for (auto* gone : {&lease, &released}) {
    const std::initializer_list<const char*> why = {"released or was moved from"};
    s.refuses_and_stays<usage_error>([&] { static_cast<void>(gone->size()); }, why);
    s.refuses_and_stays<usage_error>([&] { static_cast<void>(gone->view()); }, why);
    s.refuses_and_stays<usage_error>([&] { static_cast<void>(gone->compute(0)); }, why);
    s.refuses_and_stays<usage_error>([&] { static_cast<void>(gone->sources(0)); }, why);
    s.refuses_and_stays<usage_error>([&] { static_cast<void>(gone->plan()); }, why);
    s.refuses_and_stays<usage_error>([&] { gone->wait(0); }, why);
    s.refuses_and_stays<usage_error>([&] { gone->wait_sync(0); }, why);
    s.refuses_and_stays<usage_error>([&] { gone->layer_done(0); }, why);
    s.refuses_and_stays<usage_error>([&] { gone->commit(); }, why);
    s.refuses_and_stays<usage_error>([&] { gone->release(); }, why);
  }
  CHECK(s.cache.stats().leases == 1);
  moved = std::move(released);  // releases what it had
  CHECK(s.cache.stats().leases == 0);
}

// DESIGN section 5, point 11.
TEST_CASE("close while leases are out, and every call after close", "[cache][errors]")
{
  lived_in s;
  {
    auto lease = s.hold({{1, 16}});
    s.refuses_and_stays<usage_error>([&] { s.cache.close(); }, {"close", "1 lease", "not released"});
    s.run_model(lease);
    lease.commit();
  }
  s.cache.close();
  CHECK_NOTHROW(s.cache.close());
  const auto r = s.asks(1, 16);
  const auto closed = [](const char* call, const std::function<void()>& f) {
    refuses<usage_error>(f, {call, "the cache is closed"});
  };
  closed("prepare", [&] { static_cast<void>(s.cache.prepare({&r, 1}, s.compute)); });
  closed("plan", [&] { static_cast<void>(s.cache.plan({&r, 1})); });
  closed("prefetch", [&] { static_cast<void>(s.cache.prefetch(r)); });
  closed("erase", [&] { s.cache.erase(user_id{1}); });
  closed("advance_epoch", [&] { s.cache.advance_epoch(epoch_id{8}); });
  closed("stats", [&] { static_cast<void>(s.cache.stats()); });
  closed("drain_sync", [&] { s.cache.drain_sync(); });
}

TEST_CASE("a device that failed", "[cache][errors]")
{
  // The device is lost for good: every later call that needs it throws, nothing hangs and nothing leaks.
  emulated_device device({.time = time_mode::virtual_time});
  const stream_id compute = device.create_stream("compute");
  default_scene_cache cache(device, tiny_config<default_scene_cache>(8, 64));
  const request r{.user = user_id{1}, .history_tokens = 16};
  auto lease = cache.prepare({&r, 1}, compute).value();
  for (layer_index layer = 0; layer < tiny.layers; ++layer) lease.layer_done(layer);
  device.fail_next_copy();
  lease.commit();
  CHECK_THROWS_AS(cache.drain_sync(), device_error);
  CHECK_THROWS_AS(lease.release(), device_error);
  const auto serve_again = [&] {
    auto again = cache.prepare({&r, 1}, compute);
    again->layer_done(0);
  };
  CHECK_THROWS_AS(serve_again(), device_error);
}
