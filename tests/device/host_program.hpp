// Random programs of kernels, waits and I/Os of the host over a few cells, with an oracle for what is ordered.
#pragma once

#include <kvstrata/device/emulated_device.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace kvstrata_test {

struct host_step
{
  enum class kind { work, wait, host_wait, io } what = kind::work;
  std::size_t line = 0;  ///< io: the host stream's number; else the stream's
  std::size_t reads = 0;
  std::size_t writes = 0;
  std::size_t cells = 1;               ///< read and written
  double seconds = 0;                  ///< work, io
  std::vector<std::size_t> awaited{};  ///< earlier steps, work or io: one of a wait, any number an I/O is ready behind
};

struct host_program
{
  std::size_t streams = 0;
  std::size_t host_streams = 0;
  std::size_t cells = 0;
  std::vector<host_step> steps;
};

[[nodiscard]] inline host_program random_host_program(std::uint64_t seed, std::size_t length, unsigned percent_waits)
{
  using kind = host_step::kind;
  std::mt19937_64 random(seed);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  host_program p;
  p.streams = 1 + below(3);
  p.host_streams = 1 + below(3);
  p.cells = 4 + below(60);
  std::vector<std::size_t> points;
  const auto recent = [&] { return points[points.size() - 1 - below((std::min)(points.size(), std::size_t{5}))]; };
  for (std::size_t i = 0; i < length; ++i) {
    host_step s;
    s.cells = 1 + below(3);
    s.reads = below(p.cells - s.cells + 1);
    s.writes = below(p.cells - s.cells + 1);
    s.seconds = static_cast<double>(below(5)) * 0.125;
    if (!points.empty() && below(100) < percent_waits) {
      s.what = below(10) == 0 ? kind::host_wait : kind::wait;
      s.awaited = {recent()};
    } else if (below(2) == 0) {
      s.what = kind::io;
      for (std::size_t n = points.empty() ? 0 : below(4); n-- > 0;) s.awaited.push_back(recent());
    }
    s.line = below(s.what == kind::io ? p.host_streams : p.streams);
    if (s.what == kind::work || s.what == kind::io) points.push_back(i);
    p.steps.push_back(std::move(s));
  }
  return p;
}

/// Pairs of steps that touch a common cell, one of them writing, with nothing to order them. By the transitive closure over
/// two nodes a step: its access, and its point, which of an I/O comes to pass behind the points before it on its line.
[[nodiscard]] inline std::set<std::pair<std::size_t, std::size_t>> races_of(const host_program& p)
{
  using kind = host_step::kind;
  const std::size_t n = p.steps.size();
  std::vector<std::vector<char>> before(2 * n, std::vector<char>(2 * n, 0));
  const auto access = [](std::size_t i) { return 2 * i; };
  const auto point = [](std::size_t i) { return 2 * i + 1; };
  const auto add = [&](std::size_t a, std::size_t b) {  // a and all before it come before b
    before[a][b] = 1;
    for (std::size_t k = 0; k < 2 * n; ++k) before[k][b] = static_cast<char>(before[k][b] | before[k][a]);
  };
  for (std::size_t j = 0; j < n; ++j) {
    const host_step& s = p.steps[j];
    for (const std::size_t a : s.awaited) add(point(a), access(j));
    for (std::size_t i = 0; i < j; ++i) {
      const host_step& e = p.steps[i];
      const bool on_streams = s.what != kind::io && s.what != kind::host_wait && e.what != kind::io;
      if (e.what == kind::host_wait || (on_streams && e.line == s.line)) add(point(i), access(j));
    }
    add(access(j), point(j));
    for (std::size_t i = 0; i < j; ++i) {
      const host_step& e = p.steps[i];
      if (s.what == kind::io && e.what == kind::io && e.line == s.line) add(point(i), point(j));
    }
  }
  const auto meet = [](std::size_t a, std::size_t an, std::size_t b, std::size_t bn) {
    return a < b + bn && b < a + an;
  };
  const auto touches = [](const host_step& s) { return s.what == kind::work || s.what == kind::io; };
  std::set<std::pair<std::size_t, std::size_t>> out;
  for (std::size_t j = 0; j < n; ++j) {
    const host_step& y = p.steps[j];
    for (std::size_t i = 0; i < j && touches(y); ++i) {
      const host_step& x = p.steps[i];
      if (!touches(x) || before[access(i)][access(j)] != 0) continue;
      if (meet(x.writes, x.cells, y.writes, y.cells) || meet(x.writes, x.cells, y.reads, y.cells) ||
          meet(x.reads, x.cells, y.writes, y.cells)) {
        out.emplace(i, j);
      }
    }
  }
  return out;
}

inline void do_work(std::byte* cells, const host_step& s, std::size_t number)
{
  for (std::size_t c = 0; c < s.cells; ++c) {
    const auto sum = std::to_integer<unsigned>(cells[s.writes + c]) * 3 + std::to_integer<unsigned>(cells[s.reads + c]);
    cells[s.writes + c] = static_cast<std::byte>((sum + number) & 0xFF);
  }
}

/// The cells after the steps one by one.
[[nodiscard]] inline std::vector<std::byte> run_in_order(const host_program& p)
{
  using kind = host_step::kind;
  std::vector<std::byte> cells(p.cells);
  for (std::size_t i = 0; i < p.steps.size(); ++i) {
    if (p.steps[i].what == kind::work || p.steps[i].what == kind::io) do_work(cells.data(), p.steps[i], i);
  }
  return cells;
}

/// The cells after a device has run the program: I/Os are a thread each in real time, late answers in virtual time.
[[nodiscard]] inline std::vector<std::byte> run_on(kvstrata::emulated_device& d, const host_program& p)
{
  using namespace kvstrata;
  using kind = host_step::kind;
  const auto memory = d.allocate_pinned(p.cells, "cells");
  std::byte* const cells = memory.data();
  std::vector<stream_id> streams;
  std::vector<stream_id> lanes;
  for (std::size_t s = 0; s < p.streams; ++s) streams.push_back(d.create_stream("s" + std::to_string(s)));
  for (std::size_t s = 0; s < p.host_streams; ++s) lanes.push_back(d.create_host_stream("h" + std::to_string(s)));
  std::vector<event> points(p.steps.size());
  std::vector<std::thread> hosts;
  for (std::size_t i = 0; i < p.steps.size(); ++i) {
    const host_step& s = p.steps[i];
    const byte_range reads[] = {{cells + s.reads, s.cells}};
    const byte_range writes[] = {{cells + s.writes, s.cells}};
    const std::string label = std::to_string(i);
    switch (s.what) {
      case kind::work:
        d.launch(streams[s.line], {label, s.seconds, reads, writes}, [=, &s] { do_work(cells, s, i); });
        points[i] = d.record(streams[s.line]);
        break;
      case kind::wait: d.wait(streams[s.line], points[s.awaited[0]]); break;
      case kind::host_wait: d.wait_sync(points[s.awaited[0]]); break;
      case kind::io: {
        fence ready;
        for (const std::size_t a : s.awaited) ready.add(points[a]);
        points[i] = d.promise(lanes[s.line], {label, ready, reads, writes});
        if (d.config().time == time_mode::virtual_time) {
          d.complete_later(points[i], s.seconds, [=, &s] { do_work(cells, s, i); });
        } else {
          hosts.emplace_back([=, &d, &s, point = points[i]] {
            wait_for_sync(d, ready);
            do_work(cells, s, i);
            d.complete(point);
          });
        }
        break;
      }
    }
  }
  for (std::thread& host : hosts) host.join();
  for (const stream_id s : streams) d.wait_sync(d.record(s));
  for (const stream_id s : lanes) d.wait_sync(d.record(s));
  return {cells, cells + p.cells};
}

}  // namespace kvstrata_test
