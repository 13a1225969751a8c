// One case for each defect that was found in the cache by attacking it, so that it stays away.
#include "cache/scene.hpp"

#include <kvstrata/cache.hpp>

#include <cstring>
#include <limits>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

/// A page at a time in the lower tier, so that a test can count.
using paged_cache =
    cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, paged_layout, layerwise_transfer<>, lru, counters>;

/// Lets the youngest go first.
class mru
{
 public:
  struct hook : boost::intrusive::list_base_hook<>
  {
  };
  void insert(hook& object, const object_info&) noexcept { order_.push_front(object); }
  void touch(hook& object, const object_info&) noexcept
  {
    order_.splice(order_.begin(), order_, order_.iterator_to(object));
  }
  void remove(hook& object) noexcept { order_.erase(order_.iterator_to(object)); }
  template <class Visit>
  void victims(Visit&& visit)
  {
    for (hook& object : order_) {
      if (!visit(object)) return;
    }
  }

 private:
  boost::intrusive::list<hook> order_;
};

/// Its insert throws when it is told to, once.
struct shaky_lru : lru
{
  static inline bool armed = false;
  void insert(hook& object, const object_info& info)
  {
    if (std::exchange(armed, false)) throw 1;
    lru::insert(object, info);
  }
};

/// Does all at once on the calling thread, and throws in the call that it is told to throw in.
struct failing_device
{
  struct memory
  {
    std::vector<std::byte> bytes;
    [[nodiscard]] std::byte* data() const { return const_cast<std::byte*>(bytes.data()); }
    [[nodiscard]] std::size_t size() const { return bytes.size(); }
  };

  memory allocate_device(std::size_t bytes, std::string_view) { return {std::vector<std::byte>(bytes)}; }
  memory allocate_pinned(std::size_t bytes, std::string_view) { return {std::vector<std::byte>(bytes)}; }
  stream_id create_stream(std::string_view)
  {
    queued.push_back(0);
    return static_cast<stream_id>(queued.size() - 1);
  }
  event record(stream_id stream)
  {
    tick();
    return {stream, ++queued[static_cast<std::size_t>(stream)]};
  }
  void wait(stream_id, event) { tick(); }
  bool query(event) { return true; }
  void wait_sync(event) {}
  void copy(stream_id, copy_direction, std::byte* dst, const std::byte* src, std::size_t bytes)
  {
    tick();
    std::memcpy(dst, src, bytes);
  }

  /// Every call but `calls` throws once, then all is well again.
  void fail_after(std::uint64_t calls) { countdown = calls + 1; }
  [[nodiscard]] bool has_failed() const { return countdown == 0; }
  void tick()
  {
    if (armed && countdown != 0 && --countdown == 0) throw std::bad_alloc();
  }

  std::vector<std::uint64_t> queued;
  std::uint64_t countdown = 0;
  bool armed = false;
};
static_assert(device<failing_device>);

using failing_cache = default_cache<failing_device, lru, counters>;

/// Serves a batch and looks at every byte of it. The device may fail in prepare, commit and release.
void serve_and_check(failing_device& d, failing_cache& c, stream_id compute, std::initializer_list<turn> turns)
{
  std::vector<request> batch;
  for (const turn t : turns) batch.push_back({.user = user_id{t.user}, .history_tokens = t.history});
  d.armed = true;
  auto lease = c.prepare(batch, compute).value();
  d.armed = false;
  const page_table_view view = lease.view();
  for (layer_index layer = 0; layer < tiny.layers; ++layer) {
    lease.wait(layer);
    for (std::size_t r = 0; r < batch.size(); ++r) {
      interval_list computed;
      for (const token_interval piece : lease.compute(r)) computed.push_back(piece);
      for (token_count t = 0; t < batch[r].history_tokens; ++t) {
        const std::uint64_t right = to_number(batch[r].user) * 1000003 + t * 977 + layer + 1;
        std::byte* const at = view.key(layer, r, t);
        bool is_computed = false;
        for (const token_interval piece : computed) is_computed |= piece.contains(t);
        if (is_computed) {
          std::memcpy(at, &right, sizeof right);
          continue;
        }
        std::uint64_t there = 0;
        std::memcpy(&there, at, sizeof there);
        if (there != right) FAIL("user " << to_number(batch[r].user) << ", token " << t << " has other bytes");
      }
    }
    lease.layer_done(layer);
  }
  d.armed = true;
  lease.commit();
  lease.release();
  d.armed = false;
}

}  // namespace

TEST_CASE("a stream that nobody knows changes nothing", "[cache][regression]")
{
  scene<default_scene_cache> s(8, 16);
  s.serve(1, 30);
  const auto batch = s.batch({{2, 30}});
  CHECK_THROWS_AS(s.cache.prepare(batch, stream_id{77}), usage_error);
  CHECK(s.cache.stats().levels[0].evicted_tokens == 0);
  CHECK(s.cache.stats().users == 1);
  CHECK(s.look(1, 30).in_slab.size() == 30);
}

TEST_CASE("a call that fails half-way leaks nothing and claims nothing that is not there", "[cache][regression]")
{
  bool failed = true;
  for (std::uint64_t calls = 0; failed; ++calls) {
    CAPTURE(calls);
    REQUIRE(calls < 1000);
    failing_device d;
    const stream_id compute = d.create_stream("compute");
    failing_cache c(d, tiny_config<failing_cache>(16, 24));
    serve_and_check(d, c, compute, {{1, 30}, {2, 13}});
    serve_and_check(d, c, compute, {{3, 22}});
    d.fail_after(calls);
    try {
      serve_and_check(d, c, compute, {{4, 20}, {1, 41}});
      serve_and_check(d, c, compute, {{5, 17}, {2, 20}});
      d.armed = true;
      static_cast<void>(c.prefetch({.user = user_id{3}, .history_tokens = 22}));
      d.armed = false;
      serve_and_check(d, c, compute, {{3, 26}, {5, 20}});
    } catch (const std::bad_alloc&) {
    }
    d.armed = false;
    failed = d.has_failed();
    d.countdown = 0;
    CHECK(c.stats().leases == 0);
    for (const unsigned user : {1U, 2U, 3U, 4U, 5U, 1U, 2U, 3U, 4U, 5U}) serve_and_check(d, c, compute, {{user, 40}});
    for (unsigned user = 1; user <= 5; ++user) c.erase(user_id{user});
    const cache_stats after = c.stats();
    CHECK(after.users == 0);
    CHECK(after.levels[0].free_bytes == after.levels[0].capacity_bytes);
    CHECK(after.levels[1].free_bytes == after.levels[1].capacity_bytes);
    CHECK(after.levels[0].resident_tokens == 0);
    CHECK(after.levels[1].resident_tokens == 0);
    c.close();
  }
}

TEST_CASE("a device that fails while it poisons leaves no lease behind", "[cache][regression]")
{
  scene<default_scene_cache> s(8, 16);
  auto lease = s.hold({{1, 8}, {2, 8}});
  s.device.launch(s.compute, {.label = "broken"}, [] { throw std::runtime_error("broken"); });
  CHECK_THROWS_AS(s.device.wait_sync(s.device.record(s.compute)), device_error);
  CHECK_THROWS_AS(lease.release(), device_error);
  try {
    s.cache.close();
  } catch (const device_error&) {  // not usage_error: no lease is out
  }
}

TEST_CASE("nobody is evicted for a front that does not fit all the same", "[cache][regression]")
{
  scene<paged_cache> s(16, 4);
  s.serve(1, 16);
  s.serve(2, 4);
  s.serve(3, 4);  // the lower tier: user 1's last two pages, a page of user 2, a page of user 3
  const auto lease = s.hold({{3, 4}});
  const auto before = s.cache.stats().levels[1];
  s.serve(1, 16);  // lacks two pages in front, and only user 2's could go
  const auto after = s.cache.stats().levels[1];
  CHECK(after.evicted_tokens == before.evicted_tokens);
  CHECK(after.resident_tokens == before.resident_tokens);
}

TEST_CASE("a front apart from what the lower tier has is not dropped while there is room", "[cache][regression]")
{
  scene<paged_cache> s(6, 4);
  s.serve(1, 16);
  s.serve(2, 8);  // pushes user 1's first two pages out of the lower tier
  s.cache.erase(user_id{2});
  s.hold({{3, 12}}).release();  // user 1 loses the first page on the device
  CHECK(s.cache.stats().levels[0].dropped_tokens == 0);
  const request_plan plan = s.look(1, 16);
  CHECK(plan.in_slab.size() == 12);
  CHECK(plan.fetched == 4);
}

TEST_CASE("extents of an epoch that is over go first, whatever the policy says", "[cache][regression]")
{
  using youngest_first = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, paged_layout,
                               layerwise_transfer<>, mru, counters>;
  scene<youngest_first> s(16, 4);
  s.serve(1, 8);
  s.epoch = epoch_id{1};
  s.cache.advance_epoch(s.epoch);
  s.serve(2, 8);
  s.serve(3, 8);
  CHECK(s.cache.stats().levels[1].evicted_tokens == 0);
  CHECK(s.cache.stats().levels[1].resident_tokens == 16);
}

TEST_CASE("a history whose last page ends past the largest number is refused", "[cache][regression]")
{
  emulated_device device({.time = time_mode::virtual_time, .data = false});
  const stream_id compute = device.create_stream("compute");
  default_scene_cache::config c{.shape = {1, 1, 1, element_type::int8},
                                .tiers = {{.bytes = std::size_t{1} << 33}, {.bytes = std::size_t{1} << 33}}};
  c.layout = {.page_tokens = 65536, .chunk = 65536};
  default_scene_cache cache(device, c);
  const request r{.user = user_id{1}, .history_tokens = (std::numeric_limits<token_count>::max)()};
  CHECK_THROWS_AS(cache.prepare({&r, 1}, compute), capacity_error);
}

TEST_CASE("a request that is not in the lease", "[cache][regression]")
{
  scene<default_scene_cache> s(8, 16);
  const auto lease = s.hold({{1, 8}});
  CHECK_THROWS_AS(lease.compute(1), usage_error);
  CHECK_THROWS_AS(lease.sources(1), usage_error);
}

TEST_CASE("pages whose policy threw when it was to learn of them can be evicted all the same", "[cache][regression]")
{
  using shaky_cache = cache<tier_stack<device_slab<emulated_device, replaced_by<shaky_lru>>, pinned_arena<>>,
                            paged_layout, layerwise_transfer<>, lru, counters>;
  scene<shaky_cache> s(8, 64);
  s.serve(1, 16);
  s.serve(2, 32);
  shaky_lru::armed = true;
  CHECK_THROWS_AS(s.hold({{1, 16}}), int);
  CHECK(s.cache.stats().leases == 0);
  CHECK(is(s.serve(3, 32), 0, 0, 32));  // all of the device
  CHECK(is(s.serve(1, 16), 0, 16, 0));
}
