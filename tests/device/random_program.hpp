// Random programs of copies, kernels, waits and host waits over a few regions, with an oracle for what is ordered.
#pragma once

#include <kvstrata/device/emulated_device.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// One operation on cells: dst += src where both are single bytes, as a kernel; or a wait; or a host wait.
struct program_step
{
  enum class kind { work, wait, host_wait } what = kind::work;
  std::size_t stream = 0;
  std::size_t reads = 0;   ///< first cell read
  std::size_t writes = 0;  ///< first cell written
  std::size_t cells = 1;
  double seconds = 0;
  std::size_t awaited = 0;  ///< index of an earlier step of kind work
};

struct program
{
  std::size_t streams = 0;
  std::size_t cells = 0;
  std::vector<program_step> steps;
};

[[nodiscard]] inline program random_program(std::uint64_t seed, std::size_t length, unsigned percent_waits)
{
  std::mt19937_64 random(seed);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  program p;
  p.streams = 2 + below(3);
  p.cells = 4 + below(40);
  std::vector<std::size_t> work;
  for (std::size_t i = 0; i < length; ++i) {
    program_step s;
    s.stream = below(p.streams);
    if (!work.empty() && below(100) < percent_waits) {
      s.what = below(12) == 0 ? program_step::kind::host_wait : program_step::kind::wait;
      s.awaited = work[work.size() - 1 - below((std::min)(work.size(), std::size_t{6}))];
    } else {
      s.cells = 1 + below(4);
      s.reads = below(p.cells - s.cells + 1);
      s.writes = below(p.cells - s.cells + 1);
      s.seconds = static_cast<double>(below(5)) * 0.125;
      work.push_back(i);
    }
    p.steps.push_back(s);
  }
  return p;
}

/// happens_before[i][j]: step i is ordered before step j, by the transitive closure of what the steps say.
[[nodiscard]] inline std::vector<std::vector<char>> order_of(const program& p)
{
  const std::size_t n = p.steps.size();
  std::vector<std::vector<char>> before(n, std::vector<char>(n, 0));
  const auto add = [&](std::size_t i, std::size_t j) {  // i and all before it come before j
    before[i][j] = 1;
    for (std::size_t k = 0; k < i; ++k) before[k][j] = static_cast<char>(before[k][j] | before[k][i]);
  };
  for (std::size_t j = 0; j < n; ++j) {
    const program_step& s = p.steps[j];
    for (std::size_t i = 0; i < j; ++i) {
      const program_step& e = p.steps[i];
      // A host wait is a place on the host's line; what is queued afterwards comes after it.
      const bool host = e.what == program_step::kind::host_wait;
      const bool same_line = s.what != program_step::kind::host_wait && !host && e.stream == s.stream;
      if (host || same_line) add(i, j);
    }
    if (s.what != program_step::kind::work) add(s.awaited, j);
  }
  return before;
}

/// Pairs of work steps that touch a common cell, one of them writing, with nothing to order them.
[[nodiscard]] inline std::set<std::pair<std::size_t, std::size_t>> races_of(const program& p)
{
  const auto before = order_of(p);
  const auto meet = [](std::size_t a, std::size_t an, std::size_t b, std::size_t bn) {
    return a < b + bn && b < a + an;
  };
  std::set<std::pair<std::size_t, std::size_t>> out;
  for (std::size_t j = 0; j < p.steps.size(); ++j) {
    const program_step& y = p.steps[j];
    if (y.what != program_step::kind::work) continue;
    for (std::size_t i = 0; i < j; ++i) {
      const program_step& x = p.steps[i];
      if (x.what != program_step::kind::work || before[i][j]) continue;
      if (meet(x.writes, x.cells, y.writes, y.cells) || meet(x.writes, x.cells, y.reads, y.cells) ||
          meet(x.reads, x.cells, y.writes, y.cells)) {
        out.emplace(i, j);
      }
    }
  }
  return out;
}

/// The program with waits put in until nothing races.
[[nodiscard]] inline program mended(program p)
{
  for (;;) {
    const auto races = races_of(p);
    if (races.empty()) return p;
    const auto [first, second] = *races.begin();
    for (program_step& s : p.steps) {
      if (s.what != program_step::kind::work && s.awaited >= second) ++s.awaited;
    }
    program_step wait;
    wait.what = program_step::kind::wait;
    wait.stream = p.steps[second].stream;
    wait.awaited = first;
    p.steps.insert(p.steps.begin() + static_cast<std::ptrdiff_t>(second), wait);
  }
}

inline void do_work(std::byte* cells, const program_step& s, std::size_t number)
{
  for (std::size_t c = 0; c < s.cells; ++c) {
    const auto sum = std::to_integer<unsigned>(cells[s.writes + c]) * 3 + std::to_integer<unsigned>(cells[s.reads + c]);
    cells[s.writes + c] = static_cast<std::byte>((sum + number) & 0xFF);
  }
}

/// The cells after the steps one by one in the order they were queued.
[[nodiscard]] inline std::vector<std::byte> run_in_order(const program& p)
{
  std::vector<std::byte> cells(p.cells);
  for (std::size_t i = 0; i < p.steps.size(); ++i) {
    if (p.steps[i].what == program_step::kind::work) do_work(cells.data(), p.steps[i], i);
  }
  return cells;
}

/// The cells after a device has run the program.
[[nodiscard]] inline std::vector<std::byte> run_on(kvstrata::emulated_device& d, const program& p)
{
  using namespace kvstrata;
  const auto memory = d.allocate_device(p.cells, "cells");
  std::byte* const cells = memory.data();
  std::vector<stream_id> streams;
  for (std::size_t s = 0; s < p.streams; ++s) streams.push_back(d.create_stream("s" + std::to_string(s)));
  std::vector<event> points(p.steps.size());
  for (std::size_t i = 0; i < p.steps.size(); ++i) {
    const program_step s = p.steps[i];
    if (s.what == program_step::kind::work) {
      const emulated_device::memory_range reads[] = {{cells + s.reads, s.cells}};
      const emulated_device::memory_range writes[] = {{cells + s.writes, s.cells}};
      d.launch(streams[s.stream], {std::to_string(i), s.seconds, reads, writes}, [=] { do_work(cells, s, i); });
    } else if (s.what == program_step::kind::wait) {
      d.wait(streams[s.stream], points[s.awaited]);
    } else {
      d.wait_sync(points[s.awaited]);
    }
    points[i] = d.record(streams[s.stream]);
  }
  for (const stream_id s : streams) d.wait_sync(d.record(s));
  return {cells, cells + p.cells};
}

}  // namespace kvstrata_test
