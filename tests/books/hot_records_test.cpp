// Who is hot: against what keeps each of them hot, asked one by one.
#include "books/bed.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <kvstrata/books/hot_records.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

using entry_type = entry_of_levels<2>::type;
using record_type = entry_type::hot_record;

/// Points come to pass when the test says so.
struct late_device : dataless_device
{
  std::uint64_t done = 0;
  [[nodiscard]] bool query(event point) const noexcept { return point.sequence <= done; }
};
/// Says nothing of points.
struct broken_device : dataless_device
{
  bool broken = true;
  [[nodiscard]] bool query(event) const
  {
    if (broken) throw device_error("no device");
    return true;
  }
};

/// What keeps an entry hot, as the test knows it.
struct kept
{
  bool in_slab = false;
  bool waits = false;       ///< a write of it does
  std::uint64_t until = 0;  ///< the newest point queued for it
};

}  // namespace

TEST_CASE("hot_records: who is held, in the slab, waiting or under way stays hot; everybody else cools", "[books]")
{
  constexpr std::size_t users = 8;
  std::mt19937 random(28);
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  std::size_t cooled_at_once = 0, cooled_later = 0;
  for (int round = 0; round < 100; ++round) {
    late_device device;
    const stream_id streams[] = {device.create_stream("a"), device.create_stream("b")};
    hot_records<entry_type, late_device> records(device);
    line_of<record_type, &record_type::write_place> waiting;
    line_of<record_type, &record_type::place> dirty;
    std::array<entry_type, users> all;
    std::array<kept, users> why;
    std::array<bool, users> cooling{};  // nothing keeps it but what is under way
    for (std::size_t i = 0; i < users; ++i) all[i].learn().version = 1 + i;
    std::uint64_t queued = 0;
    for (int step = 0; step < 400; ++step) {
      const std::uint32_t i = below(users);
      entry_type& e = all[i];
      switch (below(12)) {
        case 0:
        case 1:
          records.heat(e);
          REQUIRE(e.is_hot());
          REQUIRE((e.hot().who == &e && e.known().version == 1 + i));
          cooling[i] = false;
          break;
        case 2: e.holds = below(4) == 0 ? 1 : 0; break;
        case 3:
          if (!e.is_hot()) break;
          e.hot().extents.clear();
          why[i].in_slab = below(4) == 0;
          if (why[i].in_slab) e.hot().extents.push_back({0, 1, i}, false);
          break;
        case 4:
          if (!e.is_hot()) break;
          e.hot().write_place.unlink();
          why[i].waits = below(4) == 0;
          if (why[i].waits) waiting.push_back(e.hot());
          break;
        case 5:
        case 6:
        case 7:
          if (!e.is_hot()) break;
          e.hot().last_use[below(2)].add({streams[queued % 2], queued + 1});
          why[i].until = ++queued;
          break;
        case 8: device.done = (std::min)(queued, device.done + below(6)); break;
        default: {
          const bool was_hot = e.is_hot();
          const bool free = was_hot && e.holds == 0 && !why[i].in_slab && !why[i].waits;
          if (free && below(4) == 0 && !e.hot().place.is_linked()) {  // of an old epoch: in line for all that
            e.hot().dirty = 3;
            dirty.push_back(e.hot());
          }
          const auto hot_before = [&] {
            std::array<bool, users> out{};
            for (std::size_t n = 0; n < users; ++n) out[n] = all[n].is_hot();
            return out;
          }();
          records.cool(e);
          REQUIRE(dirty.empty());
          if (free && why[i].until <= device.done) {
            REQUIRE_FALSE(e.is_hot());
            ++cooled_at_once;
          } else if (free) {
            REQUIRE(e.is_hot());
            cooling[i] = true;
          }
          std::size_t others = 0;
          for (std::size_t n = 0; n < users; ++n) {
            if (!hot_before[n] || all[n].is_hot()) continue;
            REQUIRE((all[n].holds == 0 && !why[n].in_slab && !why[n].waits && why[n].until <= device.done));
            if (n != i) {
              REQUIRE(cooling[n]);
              ++others;
              ++cooled_later;
            }
            cooling[n] = false;
            why[n] = {};
          }
          REQUIRE(others <= 2);
          break;
        }
      }
      for (std::size_t n = 0; n < users; ++n) {
        REQUIRE(all[n].known().version == 1 + n);
        if (!all[n].is_hot())
          REQUIRE((all[n].look<0>().extents.empty() && std::as_const(all[n]).hot().last_use[0].empty()));
        if (cooling[n] && (why[n].in_slab || why[n].waits)) {  // whoever changes it heats it before
          records.heat(all[n]);
          cooling[n] = false;
        }
      }
    }
    // When all has come to pass and nothing keeps them, as many calls as there are users find them all.
    device.done = queued;
    for (std::size_t n = 0; n < users; ++n) {
      all[n].holds = 0;
      if (!all[n].is_hot()) continue;
      all[n].hot().extents.clear();
      all[n].hot().write_place.unlink();
    }
    for (std::size_t n = 0; n < users; ++n) records.cool(all[n]);
    for (const entry_type& e : all) REQUIRE_FALSE(e.is_hot());
  }
  CAPTURE(cooled_at_once, cooled_later);
  CHECK((cooled_at_once > 500 && cooled_later > 100));
}

TEST_CASE("hot_records: one that is long under way keeps nobody behind it hot", "[books]")
{
  late_device device;
  const stream_id stream = device.create_stream("s");
  hot_records<entry_type, late_device> records(device);
  std::array<entry_type, 6> all;
  for (std::uint64_t i = 0; i < all.size(); ++i) {
    records.heat(all[i]);
    all[i].hot().last_use[1].add({stream, i == 0 ? 100 : i});
    records.cool(all[i]);
    REQUIRE(all[i].is_hot());
  }
  device.done = all.size();
  entry_type other;
  for (std::size_t looks = 0; looks < all.size(); looks += 2) {
    records.heat(other);
    records.cool(other);
  }
  for (const entry_type& e : all) CHECK(e.is_hot() == (&e == &all[0]));
  device.done = 100;
  records.heat(other);
  records.cool(other);
  CHECK_FALSE(all[0].is_hot());
}

TEST_CASE("hot_records: as many as were hot at a time are used again, as good as new", "[books]")
{
  late_device device;
  const stream_id stream = device.create_stream("s");
  hot_records<entry_type, late_device> records(device);
  std::vector<entry_type> all(100);
  std::size_t before = 0;
  for (int round = 0; round < 4; ++round) {
    if (round == 1) before = allocations();
    for (entry_type& e : all) {
      records.heat(e);
      REQUIRE((e.hot().dirty == 0 && e.hot().tokens.empty() && e.hot().last_use[1].empty()));
      REQUIRE_FALSE((e.hot().place.is_linked() || e.hot().write_place.is_linked() || e.hot().listed));
      e.hot().tokens = {0, 4};
      e.hot().last_use[1].add(device.record(stream));
      e.hot().listed = true;
    }
    for (entry_type& e : all) records.drop(e);
    for (entry_type& e : all) records.drop(e);  // has none any more
  }
  CHECK(allocations() == before);
}

TEST_CASE("hot_records: of a device that does not answer nothing has come to pass", "[books]")
{
  broken_device device;
  hot_records<entry_type, broken_device> records(device);
  entry_type e;
  records.heat(e);
  e.hot().last_use[0].add({device.create_stream("s"), 1});
  records.cool(e);
  CHECK(e.is_hot());
  device.broken = false;
  records.heat(e);  // takes it out of line
  records.cool(e);
  CHECK_FALSE(e.is_hot());
}
