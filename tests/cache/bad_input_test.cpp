// Bad input: the right type of error, a sentence that names the thing, the value and the limit, and a cache that is as
// it was.
#include "support/catch.hpp"

#include <kvstrata/kvstrata.hpp>

#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;

constexpr geometry shape{.layers = 2, .kv_heads = 1, .head_dim = 4, .element = element_type::f32};
constexpr token_count page_tokens = 4;
constexpr std::size_t bytes_per_page = page_bytes(shape, page_tokens);
constexpr page_count device_pages = 8;

using cache_type = default_cache<emulated_device, lru, counters>;

cache_type::config good()
{
  return {.shape = shape,
          .device = {.bytes = device_pages * bytes_per_page},
          .host = {.bytes = 16 * bytes_per_page},
          .layout = {.page_tokens = page_tokens, .chunk = 16}};
}

template <class Error>
void check_throws(const std::function<void()>& call, const std::vector<std::string>& sentence)
{
  try {
    call();
  }
  catch (const Error& e) {
    const std::string what = e.what();
    for (const std::string& part : sentence) {
      INFO("\"" << what << "\" should contain \"" << part << "\"");
      CHECK(what.find(part) != std::string::npos);
    }
    return;
  }
  catch (const std::exception& e) {
    FAIL("another type of error: " << e.what());
  }
  FAIL("no error");
}

struct fixture
{
  emulated_device device{{.time = time_mode::virtual_time}};
  cache_type cache{device, good()};
  stream_id compute = device.create_stream("compute");

  request ask(std::uint64_t user, token_count tokens) const
  {
    return {.user = user_id{user}, .history_tokens = tokens, .epoch = epoch_id{}};
  }

  cache_type::lease prepare(const request& r) { return cache.prepare({&r, 1}, compute).value(); }

  void serve(const request& r)
  {
    auto lease = prepare(r);
    for (layer_index layer = 0; layer < shape.layers; ++layer) lease.layer_done(layer);
    lease.commit();
  }

  /// All that a caller can see of the cache.
  struct picture
  {
    std::vector<std::uint64_t> numbers;
    friend bool operator==(const picture&, const picture&) = default;
  };
  picture look()
  {
    picture p;
    const cache_stats s = cache.stats();
    for (const tier_stats& t : {s.device, s.lower}) {
      for (const auto n : {t.capacity_bytes, t.free_bytes + t.in_flight_bytes, t.resident_bytes, t.resident_tokens,
                           t.evicted_tokens, t.dropped_tokens}) {
        p.numbers.push_back(n);
      }
    }
    p.numbers.insert(p.numbers.end(), {s.users, s.leases});
    for (std::uint64_t user = 0; user < 4; ++user) {
      const request r = ask(user, 30);
      const auto planned = cache.plan({&r, 1});
      if (!planned) {
        p.numbers.push_back(~std::uint64_t{0});
        continue;
      }
      for (const request_plan& q : planned.value().requests) {
        for (const token_interval i : {q.device_hit, q.lower_hits[0], q.lower_hits[1]}) {
          p.numbers.insert(p.numbers.end(), {i.begin, i.end});
        }
      }
    }
    return p;
  }

  /// The call throws, and the cache is as it was.
  template <class Error>
  void refuses(const std::function<void()>& call, const std::vector<std::string>& sentence)
  {
    const picture before = look();
    check_throws<Error>(call, sentence);
    CHECK(look() == before);
  }
};

TEST_CASE("sizes that are zero or do not fit")
{
  emulated_device device({.device_bytes = 1 << 20, .pinned_bytes = 1 << 20, .time = time_mode::virtual_time});
  const auto with = [&device](const std::function<void(cache_type::config&)>& change) {
    return [&device, change] {
      cache_type::config c = good();
      change(c);
      cache_type made(device, c);
    };
  };
  check_throws<config_error>(with([](auto& c) { c.shape.layers = 0; }), {"geometry.layers", "0", "at least 1"});
  check_throws<config_error>(with([](auto& c) { c.shape.kv_heads = 0; }), {"geometry.kv_heads", "0"});
  check_throws<config_error>(with([](auto& c) { c.shape.head_dim = 0; }), {"geometry.head_dim", "0"});
  check_throws<config_error>(with([](auto& c) { c.shape.layers = 5000; }), {"geometry.layers", "5000", "4096"});
  check_throws<config_error>(with([](auto& c) { c.device.bytes = 0; }), {"device.bytes", "0", "at least one page"});
  check_throws<config_error>(with([](auto& c) { c.device.bytes = bytes_per_page - 1; }),
                             {"device.bytes", std::to_string(bytes_per_page - 1), std::to_string(bytes_per_page)});
  check_throws<config_error>(with([](auto& c) { c.host.bytes = 0; }), {"host.bytes", "0", "at least one page"});
  check_throws<config_error>(with([](auto& c) { c.layout.page_tokens = 0; }), {"layout.page_tokens", "0"});
  check_throws<config_error>(with([](auto& c) { c.layout.chunk = 0; }), {"layout.chunk", "0", "4"});
  check_throws<config_error>(with([](auto& c) { c.layout.chunk = 18; }), {"layout.chunk", "18", "4"});
  check_throws<capacity_error>(with([](auto& c) { c.device.bytes = 1 << 21; }), {"1048576"});
  check_throws<capacity_error>(with([](auto& c) { c.host.bytes = 1 << 21; }), {"1048576"});
  with([](auto&) {})();  // nothing of the failed ones is left in the way
  CHECK(device.device_bytes_used() == 0);
  CHECK(device.pinned_bytes_used() == 0);
}

TEST_CASE("a geometry that changes under a cache")
{
  fixture f;
  f.serve(f.ask(1, 10));
  geometry other = shape;
  other.layers = 3;
  f.refuses<geometry_error>([&] { f.cache.require_geometry(other); }, {"3 layers", "2 layers", "new cache"});
  f.refuses<geometry_error>([&] { f.cache.advance_epoch(epoch_id{1}, other); }, {"3 layers", "2 layers"});
  CHECK_NOTHROW(f.cache.require_geometry(shape));
}

TEST_CASE("an epoch that is not newer")
{
  fixture f;
  f.cache.advance_epoch(epoch_id{3});
  check_throws<usage_error>([&] { f.cache.advance_epoch(epoch_id{3}); }, {"epoch 3", "not newer"});
  check_throws<usage_error>([&] { f.cache.advance_epoch(epoch_id{2}); }, {"epoch 2", "3"});
  request r = f.ask(1, 4);
  r.epoch = epoch_id{2};
  check_throws<usage_error>([&] { (void)f.prepare(r); }, {"user 1", "epoch 2", "epoch 3", "older"});
  r.epoch = epoch_id{4};
  check_throws<usage_error>([&] { (void)f.prepare(r); }, {"user 1", "epoch 4", "epoch 3", "advance_epoch"});
  check_throws<usage_error>([&] { (void)f.cache.prefetch(r); }, {"epoch 4"});
  r.epoch = epoch_id{3};
  f.serve(r);
}

TEST_CASE("one user twice in a batch")
{
  fixture f;
  f.serve(f.ask(1, 10));
  const std::vector<request> twice{f.ask(1, 11), f.ask(2, 5), f.ask(1, 12)};
  f.refuses<usage_error>([&] { (void)f.cache.prepare(twice, f.compute); }, {"user 1", "twice"});
  f.refuses<usage_error>([&] { (void)f.cache.plan(twice); }, {"user 1", "twice"});
  const std::vector<request> strangers{f.ask(7, 11), f.ask(7, 12)};
  f.refuses<usage_error>([&] { (void)f.cache.prepare(strangers, f.compute); }, {"user 7", "twice"});
}

TEST_CASE("a batch larger than the device")
{
  fixture f;
  f.serve(f.ask(1, 10));
  const std::vector<request> large{f.ask(1, 16), f.ask(2, 16), f.ask(3, 1)};
  f.refuses<capacity_error>([&] { (void)f.cache.prepare(large, f.compute); }, {"3 users", "9 pages", "has 8"});
  const request huge = f.ask(1, ~token_count{0});
  f.refuses<capacity_error>([&] { (void)f.cache.prepare({&huge, 1}, f.compute); }, {"1073741824 pages"});
  const std::vector<request> exact{f.ask(1, 16), f.ask(2, 16)};
  CHECK(f.cache.prepare(exact, f.compute).has_value());
}

TEST_CASE("a request whose fingerprint contradicts the cached history")
{
  fixture f;
  std::vector<std::uint64_t> hashes(40);
  std::iota(hashes.begin(), hashes.end(), 100);
  const auto with_hashes = [&](token_count tokens, token_count stride) {
    request r = f.ask(1, tokens);
    r.fingerprint = {.stride = stride, .prefix_hashes = hashes};
    return r;
  };
  f.serve(with_hashes(10, 1));
  f.serve(with_hashes(12, 1));  // the same history, grown

  const std::uint64_t right = std::exchange(hashes[11], 7);  // the hash of the first 12 tokens
  const request other = with_hashes(14, 1);
  f.refuses<history_error>([&] { (void)f.prepare(other); }, {"user 1", "first 12 tokens", "erase"});
  f.refuses<history_error>([&] { (void)f.cache.prefetch(other); }, {"user 1"});
  hashes[11] = right;
  f.serve(with_hashes(14, 1));

  const request none = f.ask(1, 15);  // without a fingerprint nothing is checked
  f.serve(none);

  hashes[11] = hashes[13] = 7;
  CHECK(f.cache.erase(user_id{1}));
  f.serve(with_hashes(14, 1));  // erased: another history may begin

  request few = with_hashes(20, 2);
  few.fingerprint.prefix_hashes = few.fingerprint.prefix_hashes.first(9);
  f.refuses<usage_error>([&] { (void)f.prepare(few); }, {"user 1", "9 hashes", "20 tokens", "stride 2", "10"});
  request stranger = few;
  stranger.user = user_id{9};
  f.refuses<usage_error>([&] { (void)f.prepare(stranger); }, {"user 9", "9 hashes"});
}

TEST_CASE("commit twice, or with a layer that is not done")
{
  fixture f;
  auto lease = f.prepare(f.ask(1, 10));
  lease.layer_done(0);
  f.refuses<usage_error>([&] { lease.commit(); }, {"commit", "layer 1 of 2", "layer_done"});
  lease.layer_done(1);
  lease.commit();
  f.refuses<usage_error>([&] { lease.commit(); }, {"commit", "already"});
  lease.release();
  const request again = f.ask(1, 10);
  CHECK(f.cache.plan({&again, 1}).value().requests[0].device_hit == token_interval{0, 10});
}

TEST_CASE("a layer that is not there")
{
  fixture f;
  auto lease = f.prepare(f.ask(1, 10));
  f.refuses<usage_error>([&] { lease.wait(2); }, {"wait", "layer 2", "2 layers"});
  f.refuses<usage_error>([&] { lease.layer_done(9); }, {"layer 9", "2 layers"});
  f.refuses<usage_error>([&] { lease.wait_sync(2); }, {"layer 2"});
}

TEST_CASE("use of a lease after release or move")
{
  fixture f;
  auto lease = f.prepare(f.ask(1, 10));
  auto other = std::move(lease);
  const std::vector<std::function<void()>> uses{
      [&] { (void)lease.view(); },     [&] { (void)lease.compute(0); }, [&] { (void)lease.split(0); },
      [&] { (void)lease.plan(); },     [&] { (void)lease.size(); },     [&] { lease.wait(0); },
      [&] { lease.wait_sync(0); },     [&] { lease.layer_done(0); },    [&] { lease.commit(); },
      [&] { lease.release(); },
  };
  for (const auto& use : uses) f.refuses<usage_error>(use, {"released or was moved from"});
  other.release();
  lease = std::move(other);
  for (const auto& use : uses) f.refuses<usage_error>(use, {"released or was moved from"});
}

TEST_CASE("use after close, and close with leases out")
{
  fixture f;
  f.serve(f.ask(1, 10));
  {
    const auto lease = f.prepare(f.ask(1, 10));
    f.refuses<usage_error>([&] { f.cache.close(); }, {"close", "1 lease"});
  }
  f.cache.close();
  f.cache.close();
  const request r = f.ask(1, 10);
  check_throws<usage_error>([&] { (void)f.prepare(r); }, {"prepare", "closed"});
  check_throws<usage_error>([&] { (void)f.cache.plan({&r, 1}); }, {"plan", "closed"});
  check_throws<usage_error>([&] { (void)f.cache.prefetch(r); }, {"prefetch", "closed"});
  check_throws<usage_error>([&] { (void)f.cache.erase(user_id{1}); }, {"erase", "closed"});
  check_throws<usage_error>([&] { f.cache.advance_epoch(epoch_id{1}); }, {"advance_epoch", "closed"});
  check_throws<usage_error>([&] { (void)f.cache.stats(); }, {"stats", "closed"});
  check_throws<usage_error>([&] { f.cache.drain_sync(); }, {"drain_sync", "closed"});
}

TEST_CASE("a result that holds pressure says so when it is taken for a value")
{
  fixture f;
  const std::vector<request> full{f.ask(1, 16), f.ask(2, 16)};
  const auto lease = f.cache.prepare(full, f.compute).value();
  const request more = f.ask(3, 1);
  auto turned_away = f.cache.prepare({&more, 1}, f.compute);
  REQUIRE_FALSE(turned_away.has_value());
  CHECK(turned_away.why().why == pressure::reason::held);
  CHECK(turned_away.why().pages_needed == 1);
  CHECK(turned_away.why().pages_free == 0);
  CHECK(turned_away.why().pages_evictable == 0);
  CHECK(turned_away.why().pages_held == 8);
  check_throws<pressure_error>([&] { (void)std::move(turned_away).value(); }, {"1 pages", "0 are free", "hold 8"});
  const request same = f.ask(1, 17);
  const auto twice = f.cache.prepare({&same, 1}, f.compute);
  REQUIRE_FALSE(twice.has_value());
  CHECK(twice.why().why == pressure::reason::user_held);
  CHECK(twice.why().user == 1);
}

}  // namespace
