// The ordering checker by itself: against a brute-force oracle, what it says, and that its memory stays bounded.
#include "device/random_program.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/emulated/ordering_checker.hpp>

#include <new>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using emulated::byte_range;
using emulated::ordering_checker;

constexpr stream_id s0{0};
constexpr stream_id s1{1};
constexpr stream_id s2{2};

/// A checker that counts places itself, over a buffer nobody touches.
struct scene
{
  scene()
  {
    for (const char* name : {"compute", "onload", "offload"}) checker.add_stream(name);
    checker.add_region(bytes.data(), bytes.size(), "slab");
  }
  event reads(stream_id s, std::size_t at, std::size_t size, std::string_view label = "reads")
  {
    const byte_range list[] = {{bytes.data() + at, size}};
    const event here = next(s);
    checker.operation(here, label, list, {});
    return here;
  }
  event writes(stream_id s, std::size_t at, std::size_t size, std::string_view label = "writes")
  {
    const byte_range list[] = {{bytes.data() + at, size}};
    const event here = next(s);
    checker.operation(here, label, {}, list);
    return here;
  }
  event wait(stream_id s, event point)
  {
    const event here = next(s);
    checker.wait(here, point);
    return here;
  }
  event next(stream_id s) { return {s, ++last[static_cast<std::size_t>(s)]}; }
  std::size_t found() const { return checker.violations().size(); }

  ordering_checker checker;
  std::vector<std::byte> bytes{std::size_t{1} << 16};
  std::uint64_t last[3] = {0, 0, 0};
};

}  // namespace

TEST_CASE("checker: accesses of one stream are ordered, those of two are not")
{
  scene t;
  t.writes(s0, 0, 100);
  t.writes(s0, 50, 100);
  t.reads(s0, 0, 150);
  REQUIRE(t.found() == 0);
  t.reads(s1, 150, 10);  // nobody was there
  t.reads(s2, 155, 10);  // two readers
  REQUIRE(t.found() == 0);
  t.reads(s1, 149, 2);
  REQUIRE(t.found() == 1);
  const ordering_violation& v = t.checker.violations()[0];
  REQUIRE(v.first == ordering_violation::access{"writes", "compute", 2, true});
  REQUIRE(v.second == ordering_violation::access{"reads", "onload", 2, false});
  REQUIRE(v.region == "slab");
  REQUIRE(v.begin == 149);
  REQUIRE(v.end == 150);
  REQUIRE(to_string(v) ==
          "'writes' (operation 2 of stream 'compute', writes) and 'reads' (operation 2 of stream 'onload', reads) both "
          "touch bytes [149, 150) of 'slab', and nothing orders them");
}

TEST_CASE("checker: a wait orders, also through a third stream, but only what lies before the event")
{
  scene t;
  const event wrote = t.writes(s0, 0, 100);
  t.writes(s0, 100, 100);  // after the event
  t.wait(s1, wrote);
  t.reads(s1, 0, 100);
  t.wait(s2, t.reads(s1, 50, 1));
  t.writes(s2, 0, 100);
  REQUIRE(t.found() == 0);
  t.writes(s2, 100, 100);
  REQUIRE(t.found() == 1);
}

TEST_CASE("checker: the place of a wait itself is behind what it waited for")
{
  scene t;
  const event wrote = t.writes(s0, 0, 100);
  t.wait(s2, t.wait(s1, wrote));
  t.reads(s2, 0, 100);
  REQUIRE(t.found() == 0);
}

TEST_CASE("checker: an old event brings only what was known then")
{
  scene t;
  const event early = t.reads(s1, 500, 1);
  const event wrote = t.writes(s0, 0, 8);
  t.wait(s1, wrote);
  const event late = t.reads(s1, 500, 1);
  scene u = t;
  t.wait(s2, early);  // recorded before onload had waited for compute
  t.reads(s2, 0, 8);
  REQUIRE(t.found() == 1);
  u.wait(s2, late);
  u.reads(s2, 0, 8);
  REQUIRE(u.found() == 0);
}

TEST_CASE("checker: what the host has learned is before all that it queues, frees and touches")
{
  scene t;
  const event wrote = t.writes(s0, 0, 8);
  t.checker.host_reads(t.bytes.data(), 8, "host look");
  REQUIRE(t.found() == 1);
  REQUIRE(t.checker.violations()[0].second == ordering_violation::access{"host look", "host", 0, false});
  t.checker.host_learns(wrote);
  t.checker.host_reads(t.bytes.data(), 8, "host look");
  t.reads(s1, 0, 8);
  REQUIRE(t.found() == 1);
  t.checker.host_writes(t.bytes.data(), 8, "refill");  // onload may still be reading
  REQUIRE(t.found() == 2);
  REQUIRE(to_string(t.checker.violations()[1]) ==
          "'reads' (operation 1 of stream 'onload', reads) and 'refill' (on the host, writes) both touch bytes [0, 8) "
          "of 'slab', and nothing orders them");
  t.reads(s2, 0, 8);  // behind the host's write, which is behind nothing
  REQUIRE(t.found() == 2);
}

TEST_CASE("checker: freeing is a write by the host, and the name goes with it")
{
  scene t;
  t.writes(s0, 4, 8);
  t.checker.remove_region(t.bytes.data());
  REQUIRE(t.found() == 1);
  REQUIRE(t.checker.violations()[0].second == ordering_violation::access{"free", "host", 0, true});
  t.reads(s0, 4, 8);
  t.writes(s1, 4, 8);
  REQUIRE(t.found() == 2);
  REQUIRE(t.checker.violations()[1].region.empty());
  REQUIRE(to_string(t.checker.violations()[1]).find("of memory outside the device") != std::string::npos);
  t.checker.remove_region(t.bytes.data());  // unknown: nothing happens
}

TEST_CASE("checker: one clash over several ranges is told once")
{
  scene t;
  for (std::size_t i = 0; i < 8; ++i) t.reads(s0, i * 16, 16, "page");  // eight operations
  const byte_range two[] = {{t.bytes.data() + 256, 16}, {t.bytes.data() + 272, 16}};
  t.checker.operation(t.next(s2), "gather", two, {});
  t.writes(s1, 0, 512);
  REQUIRE(t.found() == 9);
  REQUIRE(t.checker.violations().back().begin == 256);
  REQUIRE(t.checker.violations().back().end == 288);
}

namespace {

/// Tells a checker of a program; labels are the numbers of its steps.
void tell(ordering_checker& checker, const kvstrata_test::program& p, std::vector<std::byte>& cells)
{
  for (std::size_t s = 0; s < p.streams; ++s) checker.add_stream("s");
  checker.add_region(cells.data(), cells.size(), "cells");
  std::vector<event> points(p.steps.size());
  std::vector<std::uint64_t> last(p.streams, 0);
  for (std::size_t i = 0; i < p.steps.size(); ++i) {
    const auto& s = p.steps[i];
    const auto stream = static_cast<stream_id>(s.stream);
    using kind = kvstrata_test::program_step::kind;
    if (s.what == kind::host_wait) {
      checker.host_learns(points[s.awaited]);
      continue;
    }
    points[i] = {stream, ++last[s.stream]};
    if (s.what == kind::wait) {
      if (points[s.awaited].stream != stream) checker.wait(points[i], points[s.awaited]);
      continue;
    }
    const byte_range reads[] = {{cells.data() + s.reads, s.cells}};
    const byte_range writes[] = {{cells.data() + s.writes, s.cells}};
    checker.operation(points[i], std::to_string(i), reads, writes);
  }
}

}  // namespace

TEST_CASE("checker: against the transitive closure, over random programs")
{
  std::size_t clean = 0;
  std::size_t racy = 0;
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    const auto p = kvstrata_test::random_program(seed, 10 + seed % 40, 30 + static_cast<unsigned>(seed % 60));
    const auto expected = kvstrata_test::races_of(p);
    std::vector<std::byte> cells(p.cells);
    ordering_checker checker;
    tell(checker, p, cells);
    // It need not find every race of a racy program, but one, and none that is not there.
    REQUIRE(checker.violations().empty() == expected.empty());
    for (const ordering_violation& v : checker.violations()) {
      REQUIRE(expected.count({std::stoul(v.first.label), std::stoul(v.second.label)}) == 1);
    }
    ++(expected.empty() ? clean : racy);
  }
  REQUIRE(clean > 100);
  REQUIRE(racy > 100);
}

TEST_CASE("checker: whatever it learns when memory runs out, it invents nothing")
{
  std::size_t lapsed = 0;
  std::size_t found = 0;
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    const auto p = kvstrata_test::random_program(seed % 150, 10 + seed % 40, 30 + static_cast<unsigned>(seed % 60));
    const auto expected = kvstrata_test::races_of(p);
    std::vector<std::byte> cells(p.cells);
    ordering_checker checker;
    try {
      const kvstrata_test::failing_allocation one(1 + seed % 97);
      tell(checker, p, cells);
    } catch (const std::bad_alloc&) {  // of the test itself, or before anything was queued
      continue;
    }
    for (const ordering_violation& v : checker.violations()) {
      if (v.first.label[0] == '(' || v.second.label[0] == '(') continue;  // there was no memory for the label
      REQUIRE(expected.count({std::stoul(v.first.label), std::stoul(v.second.label)}) == 1);
    }
    REQUIRE((!expected.empty() || checker.violations().empty()));
    REQUIRE((expected.empty() || !checker.violations().empty() || checker.lapses() != 0));
    lapsed += checker.lapses();
    found += checker.violations().size();
  }
  REQUIRE(lapsed > 500);
  REQUIRE(found > 1000);
}

TEST_CASE("checker: settled accesses are swept out, unsettled ones are kept")
{
  scene t;
  t.checker = ordering_checker(1600);  // looks for settled ranges from 100 on
  for (const char* name : {"compute", "onload", "offload"}) t.checker.add_stream(name);
  const event unsettled = t.writes(s2, 60000, 8);
  std::size_t most = 0;
  for (std::size_t i = 0; i < 20000; ++i) {  // single bytes with gaps, so that nothing can be joined
    const event wrote = t.writes(s0, (i * 2) % 50000, 1);
    t.reads(s0, (i * 2) % 50000, 1);
    t.checker.host_learns(wrote);
    t.wait(s1, event{s0, t.last[0]});
    if (t.checker.stored() > most) most = t.checker.stored();
  }
  REQUIRE(t.found() == 0);
  REQUIRE(most < 300);
  t.reads(s0, 60004, 1);
  REQUIRE(t.found() == 1);
  t.writes(s2, 60000, 8);
  REQUIRE(t.found() == 2);
  REQUIRE(t.checker.violations()[0].first.sequence == unsettled.sequence);
}

TEST_CASE("checker: neighbours that say the same are joined, and past the bound all is forgotten")
{
  scene t;
  t.checker = ordering_checker(160);
  for (const char* name : {"compute", "onload", "offload"}) t.checker.add_stream(name);
  t.writes(s0, 0, 64);
  for (std::size_t i = 0; i < 64; ++i) {  // splits the write, byte by byte
    const byte_range one[] = {{t.bytes.data() + i, 1}};
    t.checker.operation({s0, 2}, "reads", one, {});
  }
  t.last[0] = 2;
  REQUIRE(t.checker.stored() < 20);
  t.writes(s1, 63, 1);
  REQUIRE(t.found() == 2);  // the write and the read are both still known
  for (std::size_t i = 0; i < 5000; ++i) t.writes(s0, 100 + i * 2, 1);
  REQUIRE(t.checker.stored() <= 161);
}

TEST_CASE("checker: clocks of the past are dropped once the host has passed them")
{
  scene t;
  event before;
  for (std::size_t i = 0; i < 1000; ++i) {
    t.writes(s0, 0, 8);
    t.wait(s1, event{s0, t.last[0]});
    t.reads(s1, 0, 8);
    t.wait(s0, event{s1, t.last[1]});
    t.checker.host_learns(before);
    before = {s0, t.last[0]};
  }
  REQUIRE(t.found() == 0);
  REQUIRE(t.checker.stored() < 20);
}

TEST_CASE("checker: a host that never learns anything costs bounded memory and invents nothing")
{
  scene t;
  t.wait(s1, t.writes(s0, 100, 8));
  const event early = t.reads(s1, 200, 8);
  for (std::size_t i = 0; i < 40000; ++i) {
    t.writes(s0, 0, 8);
    t.wait(s1, event{s0, t.last[0]});
    t.reads(s1, 0, 8);
    t.wait(s0, event{s1, t.last[1]});
  }
  t.wait(s2, early);  // what was known so long ago is blurred, but not lost
  t.reads(s2, 100, 8);
  REQUIRE(t.found() == 0);
  REQUIRE(t.checker.stored() < 40000);
}
