// What tests of pools share: a device that is told what has come to pass, and every frame on its own with all that was ever
// said to use it.
#pragma once

#include <kvstrata/tiers/run_pool.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace kvstrata_test {

[[nodiscard]] inline kvstrata::event at(std::uint32_t stream, std::uint64_t sequence)
{
  return {kvstrata::stream_id{stream}, sequence};
}

[[nodiscard]] inline bool waits_for(const kvstrata::fence& f, kvstrata::event point)
{
  return std::any_of(f.begin(), f.end(),
                     [point](kvstrata::event e) { return e.stream == point.stream && e.sequence >= point.sequence; });
}

struct told_device
{
  bool query(kvstrata::event e)
  {
    ++queries;
    if (broken) throw std::runtime_error("the device does not answer");
    return passed(e);
  }
  void wait_sync(kvstrata::event e)
  {
    ++waits;
    std::uint64_t& stream = done.at(static_cast<std::uint32_t>(e.stream));
    stream = (std::max)(stream, e.sequence);
  }
  [[nodiscard]] bool passed(kvstrata::event e) const
  {
    return e.sequence <= done.at(static_cast<std::uint32_t>(e.stream));
  }

  std::array<std::uint64_t, 16> done{};
  std::size_t queries = 0;
  std::size_t waits = 0;
  bool broken = false;
};

struct naive_frames
{
  explicit naive_frames(kvstrata::page_count frames) : taken(frames, 0), uses(frames) {}

  [[nodiscard]] kvstrata::page_count free() const
  {
    return static_cast<kvstrata::page_count>(std::count(taken.begin(), taken.end(), 0));
  }
  [[nodiscard]] std::vector<kvstrata::frame_run> free_runs() const
  {
    std::vector<kvstrata::frame_run> runs;
    for (kvstrata::page_count f = 0; f < taken.size(); ++f) {
      if (taken[f] != 0) continue;
      if (!runs.empty() && runs.back().end() == f) ++runs.back().count;
      else runs.push_back({f, 1});
    }
    return runs;
  }
  [[nodiscard]] kvstrata::page_count in_flight(const told_device& d) const
  {
    kvstrata::page_count frames = 0;
    for (std::size_t f = 0; f < taken.size(); ++f) {
      frames +=
          taken[f] == 0 && std::any_of(uses[f].begin(), uses[f].end(), [&d](auto e) { return !d.passed(e); }) ? 1U : 0U;
    }
    return frames;
  }

  /// Takes the frames. Were they free, and does the fence speak of their uses: of each that has not passed, of no others?
  [[nodiscard]] bool take(const kvstrata::taken_run& t, const told_device& d)
  {
    bool right = t.run.end() <= taken.size();
    std::vector<kvstrata::event> all;
    for (kvstrata::page_count f = t.run.first; right && f < t.run.end(); ++f) {
      right = taken[f] == 0;
      taken[f] = 1;
      all.insert(all.end(), uses[f].begin(), uses[f].end());
      uses[f].clear();
    }
    for (const kvstrata::event e : all) right = right && (d.passed(e) || waits_for(t.last_use, e));
    for (const kvstrata::event e : t.last_use) right = right && std::find(all.begin(), all.end(), e) != all.end();
    return right;
  }
  void give_back(kvstrata::frame_run run, const kvstrata::fence& last_use)
  {
    for (kvstrata::page_count f = run.first; f < run.end(); ++f) {
      taken[f] = 0;
      for (const kvstrata::event point : last_use) uses[f].push_back(point);
    }
  }

  std::vector<char> taken;
  std::vector<std::vector<kvstrata::event>> uses;
};

}  // namespace kvstrata_test
