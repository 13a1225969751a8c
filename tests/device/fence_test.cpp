// Fences: at most one point a stream, the later one.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/last_use.hpp>

#include <exception>
#include <map>
#include <new>
#include <random>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::allocations, kvstrata_test::failing_allocation;

constexpr event at(std::uint32_t stream, std::uint64_t sequence) { return {stream_id{stream}, sequence}; }

std::vector<event> list(const fence& f) { return {f.begin(), f.end()}; }

/// Notes what it is asked to wait for.
struct noting_device
{
  struct memory
  {
    [[nodiscard]] std::byte* data() const { return nullptr; }
    [[nodiscard]] std::size_t size() const { return 0; }
  };
  memory allocate_device(std::size_t, std::string_view) { return {}; }
  memory allocate_pinned(std::size_t, std::string_view) { return {}; }
  stream_id create_stream(std::string_view) { return {}; }
  event record(stream_id stream) { return {stream, 0}; }
  void wait(stream_id stream, event point) { waits.emplace_back(stream, point); }
  bool query(event point)
  {
    if (query_fails) throw 1;
    return point.sequence <= passed;
  }
  void wait_sync(event point) { host_waits.push_back(point); }
  void copy(stream_id, copy_direction, std::byte*, const std::byte*, std::size_t) {}
  std::vector<std::pair<stream_id, event>> waits;
  std::vector<event> host_waits;
  std::uint64_t passed = ~std::uint64_t{0};
  bool query_fails = false;
};

}  // namespace

TEST_CASE("events are values")
{
  REQUIRE(event{} == at(0, 0));
  REQUIRE(at(1, 2) == at(1, 2));
  REQUIRE_FALSE(at(1, 2) == at(1, 3));
  REQUIRE_FALSE(at(1, 2) == at(2, 2));
}

TEST_CASE("a fence keeps the latest point of each stream")
{
  fence f;
  REQUIRE(f.empty());
  f.add(event{});
  f.add(at(3, 0));
  REQUIRE(f.empty());  // nothing lies before these
  f.add(at(1, 5));
  f.add(at(1, 4));
  f.add(at(2, 1));
  f.add(at(1, 7));
  REQUIRE(list(f) == std::vector{at(1, 7), at(2, 1)});

  fence other(at(2, 9));
  other.add(at(4, 4));
  f.add(other);
  f.add(fence{});
  REQUIRE(list(f) == std::vector{at(1, 7), at(2, 9), at(4, 4)});

  f.prune([](event point) { return point.sequence > 4; });
  REQUIRE(list(f) == std::vector{at(4, 4)});
  f.clear();
  REQUIRE(f.empty());
}

TEST_CASE("a fence agrees with a map from stream to sequence, however many streams and however large the numbers")
{
  std::mt19937 random(5);
  constexpr std::uint64_t large = std::uint64_t{1} << 48;  // near points are kept in fewer bits
  for (int round = 0; round < 400; ++round) {
    const bool any_size = round % 2 != 0;
    fence f;
    std::map<std::uint32_t, std::uint64_t> expected;
    for (unsigned i = 0; i < random() % 30; ++i) {
      std::uint32_t stream = static_cast<std::uint32_t>(random() % 8);
      std::uint64_t sequence = random() % 20;
      if (any_size && stream % 3 == 0) stream += 0xfffe;
      if (any_size && sequence != 0 && random() % 4 == 0) sequence += large - 10;
      if (random() % 2 == 0) f.add(at(stream, sequence));
      else f.add(fence(at(stream, sequence)));
      if (sequence != 0 && expected[stream] < sequence) expected[stream] = sequence;
      if (expected[stream] == 0) expected.erase(stream);
      if (any_size && random() % 16 == 0) {  // what has come to pass is forgotten
        const std::uint64_t done = random() % 20;
        f.prune([done](event point) { return point.sequence <= done; });
        std::erase_if(expected, [done](const auto& e) { return e.second <= done; });
      }
    }
    std::map<std::uint32_t, std::uint64_t> found;
    for (const event point : f) REQUIRE(found.emplace(static_cast<std::uint32_t>(point.stream), point.sequence).second);
    REQUIRE(found == expected);
    const fence copy = f;
    const fence moved = std::move(f);
    REQUIRE(list(copy) == list(moved));
  }
}

TEST_CASE("a stream does not wait for itself")
{
  noting_device d;
  fence f(at(1, 5));
  f.add(at(2, 6));
  wait_for(d, stream_id{1}, f);
  REQUIRE(d.waits.size() == 1);
  REQUIRE(d.waits[0] == std::pair{stream_id{1}, at(2, 6)});
  wait_for_sync(d, f);
  REQUIRE(d.host_waits == std::vector{at(1, 5), at(2, 6)});
}

namespace {

/// Points of as many streams, all with this sequence number.
fence of_streams(std::uint32_t streams, std::uint64_t sequence)
{
  fence f;
  for (std::uint32_t s = 1; s <= streams; ++s) f.add(at(s, sequence));
  return f;
}

}  // namespace

TEST_CASE("copying a fence cannot fail, and copies do not see each other's changes")
{
  const fence many = of_streams(9, 5);
  const std::size_t before = allocations();
  fence copy = many;
  const fence assigned = copy;
  CHECK(allocations() == before);
  copy.add(at(9, 6));
  copy.prune([](event point) { return point.sequence == 5; });
  CHECK(list(copy) == std::vector{at(9, 6)});
  CHECK(list(assigned) == list(many));
  CHECK(list(many) == list(of_streams(9, 5)));
}

TEST_CASE("adding that fails changes nothing")
{
  fence f = of_streams(4, 5);
  const fence more = of_streams(8, 5);
  for (const bool shared : {false, true}) {
    const fence before = f;
    const fence other = shared ? f : fence{};
    {
      const failing_allocation starving(1);
      CHECK_THROWS_AS(f.add(at(77, 1)), std::bad_alloc);
    }
    CHECK(list(f) == list(before));
    f.add(more);
  }
}

TEST_CASE("a fence that would have to grow forgets what has passed first")
{
  noting_device d;
  d.passed = 5;
  fence f = of_streams(4, 5);
  f.add(at(2, 7));
  const std::size_t before = allocations();
  remember(d, f, at(50, 9));
  CHECK(allocations() == before);
  CHECK(list(f) == std::vector{at(2, 7), at(50, 9)});

  f = of_streams(12, 6);  // far ones, too: what is left fits near
  d.passed = 6;
  f.add(at(11, 8));
  const std::size_t then = allocations();
  remember(d, f, at(60, 9));
  CHECK(allocations() == then);
  CHECK(list(f) == std::vector{at(11, 8), at(60, 9)});
  CHECK(d.host_waits.empty());
}

TEST_CASE("what cannot be remembered is waited for")
{
  noting_device d;
  d.passed = 0;
  fence f = of_streams(4, 5);
  for (const bool broken : {false, true}) {  // a device that cannot tell what has passed
    d.query_fails = broken;
    d.host_waits.clear();
    {
      const failing_allocation starving(1);
      remember(d, f, at(50, 9));
    }
    CHECK(list(f) == list(of_streams(4, 5)));
    CHECK(d.host_waits == std::vector{at(50, 9)});
  }
  d.host_waits.clear();
  remember(d, f, at(50, 9));
  CHECK(d.host_waits.empty());
  CHECK(list(f).back() == at(50, 9));
}

TEST_CASE("a point is asked for twice before a device counts as failed")
{
  struct : noting_device
  {
    event record(stream_id stream)
    {
      if (failures != 0) {
        --failures;
        throw failures;
      }
      return {stream, 3};
    }
    int failures = 0;
  } d;
  std::exception_ptr failed;
  d.failures = 1;
  CHECK(last_point(d, stream_id{4}, failed) == at(4, 3));
  CHECK(failed == nullptr);
  d.failures = 2;
  CHECK_FALSE(last_point(d, stream_id{4}, failed));
  CHECK_THROWS_AS(std::rethrow_exception(failed), int);
}
