// What every tier must do, whatever its medium: run it on your own with a file of a few lines,
//
//   struct my_subject
//   {
//     static auto make(kvstrata::emulated_device& d, std::size_t bytes, std::size_t frame_bytes)
//     {
//       return std::make_unique<my_tier::on<kvstrata::emulated_device>>(d, my_tier::config{.bytes = bytes}, frame_bytes);
//     }
//   };
//   TEST_CASE("my tier") { kvstrata_test::tier_conformance<my_subject>(); }
//
// and on a device of your own with tier_conformance<my_subject, my_device>(). The oracle is a bitmap of frames, each with
// all that was ever said to use it. The emulated device, which is the default, runs in virtual time, so that work is
// still under way when frames come back.
#pragma once

#include "support/catch.hpp"
#include "support/device_bed.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/concepts.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace kvstrata_test {

[[nodiscard]] inline kvstrata::emulated_device_config tier_device_config()
{
  kvstrata::emulated_device_config config;
  config.time = kvstrata::time_mode::virtual_time;
  config.check_ordering = true;
  return config;
}

template <kvstrata::device Device>
[[nodiscard]] Device tier_device()
{
  if constexpr (std::same_as<Device, kvstrata::emulated_device>) return Device(tier_device_config());
  else return Device();
}

/// The part about frames, which a device_slab shares with the memories below it.
template <class Subject, class Device = kvstrata::emulated_device>
void frame_conformance()
{
  using namespace kvstrata;
  using bed_type = device_bed<Device>;
  constexpr std::size_t frame_bytes = 4096;
  Device d(tier_device<Device>());
  bed_type bed(d);
  const stream_id streams[] = {d.create_stream("a"), d.create_stream("b"), d.create_stream("c")};
  const auto work = [&](std::size_t stream, double seconds) {
    bed.delay(streams[stream], seconds);
    return d.record(streams[stream]);
  };

  SECTION("a tier has as many whole frames as it was given room for, all of them free")
  {
    const auto tier = Subject::make(d, 10 * frame_bytes + 4095, frame_bytes);
    static_assert(bound_tier<std::decay_t<decltype(*tier)>>);
    REQUIRE(tier->capacity() == 10);
    REQUIRE(tier->free() == 10);
    REQUIRE(tier->in_flight() == 0);
    REQUIRE(tier->data() != nullptr);
    REQUIRE_NOTHROW(tier->drain_sync());
  }

  SECTION("room for less than a frame is refused with the value")
  {
    for (const std::size_t bytes : {std::size_t{0}, frame_bytes - 1}) {
      std::string sentence;
      try {
        static_cast<void>(Subject::make(d, bytes, frame_bytes));
      } catch (const config_error& e) {
        sentence = e.what();
      }
      CAPTURE(sentence);
      REQUIRE(sentence.find(" is " + std::to_string(bytes) + ",") != std::string::npos);
    }
  }

  SECTION("a fresh tier gives what is asked for in one run, and nothing when there is nothing")
  {
    const auto tier = Subject::make(d, 100 * frame_bytes, frame_bytes);
    REQUIRE_FALSE(tier->try_take(0));
    const auto most = tier->try_take(60);
    REQUIRE(most);
    REQUIRE(most->run.count == 60);
    const auto rest = tier->try_take(60);
    REQUIRE(rest);
    REQUIRE(rest->run.count == 40);
    REQUIRE_FALSE(tier->try_take(1));
    REQUIRE(tier->free() == 0);
    REQUIRE(most->last_use.empty());  // nobody has used it yet
    tier->give_back(rest->run, {});
    tier->give_back(most->run, {});
    REQUIRE(tier->free() == 100);
  }

  if constexpr (holds_streams<bed_type>) {
    SECTION("giving back does not wait, and the next owner learns of the last use")
    {
      const auto tier = Subject::make(d, 8 * frame_bytes, frame_bytes);
      const auto taken = tier->try_take(8);
      REQUIRE(taken);
      gate_keeper keeper = bed.hold(streams[0]);
      const event use = d.record(streams[0]);
      tier->give_back(taken->run, use);
      if constexpr (counts_calls<Device>) REQUIRE(d.stats().host_waits == 0);
      REQUIRE(tier->free() == 8);
      REQUIRE(tier->in_flight() == 8);
      const auto again = tier->try_take(8);
      REQUIRE(again);
      REQUIRE_FALSE(again->last_use.empty());
      REQUIRE(tier->in_flight() == 0);
      REQUIRE_FALSE(d.query(use));
      keeper.open();
      wait_for_sync(d, again->last_use);
      REQUIRE(d.query(use));
      tier->give_back(again->run, again->last_use);
      REQUIRE(tier->in_flight() == 0);
    }
  }

  SECTION("draining waits for all that uses free frames")
  {
    const auto tier = Subject::make(d, 8 * frame_bytes, frame_bytes);
    std::vector<event> uses;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto taken = tier->try_take(2);
      uses.push_back(work(i, 1.0 + static_cast<double>(i)));
      fence last_use = taken->last_use;  // perhaps the run that came back just now
      last_use.add(uses.back());
      tier->give_back(taken->run, last_use);
    }
    tier->drain_sync();
    for (const event use : uses) REQUIRE(d.query(use));
    REQUIRE(tier->in_flight() == 0);
  }

  SECTION("random takes and returns against a bitmap")
  {
    for (std::uint32_t seed = 0; seed < 6; ++seed) {
      std::mt19937 random(seed);
      const auto below = [&random](std::size_t n) { return static_cast<page_count>(random() % n); };
      const page_count capacity = 1 + below(64);
      const auto tier = Subject::make(d, capacity * frame_bytes, frame_bytes);
      std::vector<char> is_taken(capacity, 0);
      std::vector<std::vector<event>> uses(capacity);
      struct owned_run
      {
        frame_run run;
        fence before;  // what must come to pass before it is written
      };
      std::vector<owned_run> mine;
      page_count owned = 0;
      CAPTURE(seed, capacity);
      for (int step = 0; step < 400; ++step) {
        if (below(2) == 0) {
          const page_count most = 1 + below(capacity);
          const auto taken = tier->try_take(most);
          REQUIRE(taken.has_value() == (owned != capacity));
          if (taken) {
            const frame_run run = taken->run;
            REQUIRE((run.count >= 1 && run.count <= most && run.first + run.count <= capacity));
            if (below(2) == 0) wait_for_sync(d, taken->last_use);
            const fence& before = taken->last_use;
            const bool passed = std::all_of(before.begin(), before.end(), [&](event e) { return d.query(e); });
            bool right = true;
            for (page_count f = run.first; f < run.first + run.count; ++f) {
              right = right && is_taken[f] == 0;
              is_taken[f] = 1;
              for (const event use : uses[f]) right = right && (!passed || d.query(use));
              uses[f].clear();
            }
            REQUIRE(right);
            owned += run.count;
            mine.push_back({run, before});
          }
        } else if (!mine.empty()) {
          const std::size_t which = below(mine.size());
          const auto [whole, before] = mine[which];
          const page_count begin = below(whole.count);
          const frame_run back{whole.first + begin, 1 + below(whole.count - begin)};
          mine.erase(mine.begin() + static_cast<std::ptrdiff_t>(which));
          if (begin != 0) mine.push_back({{whole.first, begin}, before});
          if (const page_count end = back.first + back.count; end != whole.first + whole.count) {
            mine.push_back({{end, whole.first + whole.count - end}, before});
          }
          fence last_use = before;
          for (page_count points = below(4); points != 0; --points) {
            last_use.add(work(below(3), 1e-3 * (1 + below(5))));
          }
          for (page_count f = back.first; f < back.first + back.count; ++f) {
            is_taken[f] = 0;
            for (const event use : last_use) uses[f].push_back(use);
          }
          owned -= back.count;
          tier->give_back(back, last_use);
        }
        if (below(8) == 0) {
          const double passes = 1e-3 * below(6);
          if constexpr (bed_type::is_virtual) d.advance_host(passes);
          else if (passes > 4e-3) bed.pass_time();
        }

        // Every frame is somebody's, or free; and of the free ones those in flight are known. Asked for first: what is
        // under way after that was under way before.
        const page_count in_flight = tier->in_flight();
        page_count used = 0;
        for (page_count f = 0; f < capacity; ++f) {
          if (is_taken[f] == 0 && !std::all_of(uses[f].begin(), uses[f].end(), [&](event e) { return d.query(e); })) {
            ++used;
          }
        }
        REQUIRE(tier->capacity() == capacity);
        REQUIRE(tier->free() == capacity - owned);
        REQUIRE((used <= in_flight && in_flight <= tier->free()));
        if (used == 0 && below(4) == 0) {
          tier->drain_sync();
          REQUIRE(tier->in_flight() == 0);
        }
      }
      for (const owned_run& left : mine) tier->give_back(left.run, left.before);
      tier->drain_sync();
      REQUIRE(tier->in_flight() == 0);
      page_count again = 0;
      while (const auto taken = tier->try_take(capacity)) again += taken->run.count;
      REQUIRE(again == capacity);
    }
  }
}

/// All that is asked of a memory tier.
template <class Subject, class Device = kvstrata::emulated_device>
void tier_conformance()
{
  using namespace kvstrata;
  frame_conformance<Subject, Device>();

  SECTION("every frame keeps its own bytes, at data() + frame * frame_bytes")
  {
    for (const std::size_t frame_bytes : {std::size_t{1} << 16U, std::size_t{5000}}) {
      constexpr page_count frames = 23;
      Device d(tier_device<Device>());
      device_bed<Device> bed(d);
      const stream_id down = d.create_stream("down");
      const stream_id up = d.create_stream("up");
      const auto tier = Subject::make(d, frames * frame_bytes, frame_bytes);
      const auto from = d.allocate_device(frames * frame_bytes, "from");
      const auto to = d.allocate_device(frames * frame_bytes, "to");
      std::mt19937 random(7);
      std::vector<std::byte> bytes(from.size());
      for (std::byte& b : bytes) b = static_cast<std::byte>(random() & 0xFFU);
      bed.write(from.data(), bytes.data(), bytes.size());
      const auto all = tier->try_take(frames);
      REQUIRE(all);
      REQUIRE(all->run.count == frames);
      for (page_count f = 0; f < frames; ++f) {
        d.copy(down, copy_direction::from_device, tier->data() + f * frame_bytes, from.data() + f * frame_bytes,
               frame_bytes);
      }
      d.wait(up, d.record(down));
      for (page_count f = frames; f-- != 0;) {
        d.copy(up, copy_direction::to_device, to.data() + f * frame_bytes, tier->data() + f * frame_bytes, frame_bytes);
      }
      d.wait_sync(d.record(up));
      REQUIRE(std::memcmp(bed.look(to.data(), to.size()), bytes.data(), bytes.size()) == 0);
      REQUIRE(bed.orderly());
      tier->give_back(all->run, d.record(up));
    }
  }

  SECTION("a tier goes when its device is idle, and another can take its place")
  {
    Device d(tier_device<Device>());
    for (int again = 0; again < 20; ++again) {
      const auto tier = Subject::make(d, 64 * 4096, 4096);
      const auto taken = tier->try_take(64);
      REQUIRE(taken);
      std::memset(tier->data(), again, 64 * 4096);
      tier->give_back(taken->run, {});
      tier->drain_sync();
    }
  }
}

}  // namespace kvstrata_test
