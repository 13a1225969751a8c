// How long an arena takes to be there: pinned memory by threads and page size, beside the runtime's own
// allocation. Which steps take the time is told by who pins.
#pragma once

#include "support/figures.hpp"
#include "support/report.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bench {

struct pin_request
{
  std::size_t bytes = 0;
  unsigned threads = 1;
  bool huge_pages = false;
};

struct pin_steps
{
  double seconds = 0;  ///< in all
  double map = 0;
  double touch = 0;
  double lock = 0;                        ///< cudaHostRegister
  std::optional<double> huge_share = {};  ///< of the bytes, where it can be told
  std::string note = {};                  ///< why it went another way
};

struct startup_config
{
  std::vector<unsigned> mib{1024, 4096, 16384, 65536};
  std::vector<unsigned> threads{1, 4, 16};
  std::size_t available_bytes = 0;  ///< of host memory; 60 % of it are the most that is pinned
  unsigned large_mib = 32768;       ///< from here on only the most threads, and once: it takes long
  sampling_plan plan{.warm_ups = 0, .rounds = 3, .most = 3};
};

/// `pin(pin_request) -> pin_steps` reserves and gives back; `runtime(bytes) -> seconds` does so the runtime's own way.
/// Both only count what comes before the memory can be used.
template <class Pin, class Runtime>
void startup(const startup_config& c, Pin&& pin, Runtime&& runtime, report& out)
{
  table t{.title = "Pinned memory: seconds until it can be used",
          .columns = {"MiB", "how", "seconds", "low", "high", "GB/s", "map", "touch", "register", "huge pages"},
          .rows = {},
          .foot = {},
          .left = 2};
  const auto line = [&](unsigned mib, const std::string& how, std::vector<pin_steps> runs) {
    std::vector<double> seconds;
    for (const pin_steps& run : runs) seconds.push_back(run.seconds);
    const spread s = spread_of(seconds);
    const auto middle = [&](double pin_steps::* step) {
      std::vector<double> all;
      for (const pin_steps& run : runs) all.push_back(run.*step);
      return spread_of(all);
    };
    const auto bytes = static_cast<double>(mib) * (1 << 20);
    const pin_steps& last = runs.back();
    t.rows.push_back({std::to_string(mib), how + (last.note.empty() ? "" : " (" + last.note + ")"),
                      text("%.3f", s.median), text("%.3f", s.low), text("%.3f", s.high),
                      text("%.2f", s.median > 0 ? bytes / s.median / 1e9 : 0.0),
                      text("%.3f", middle(&pin_steps::map).median), text("%.3f", middle(&pin_steps::touch).median),
                      text("%.3f", middle(&pin_steps::lock).median),
                      last.huge_share ? text("%.0f %%", 100 * *last.huge_share) : "-"});
    record& r = out.records.emplace_back();
    r.add("kind", "startup").add("mib", double(mib)).add("how", how).add("seconds", s);
    r.add("map_seconds", middle(&pin_steps::map)).add("touch_seconds", middle(&pin_steps::touch));
    r.add("register_seconds", middle(&pin_steps::lock)).add("note", last.note);
    if (last.huge_share) r.add("huge_share", *last.huge_share);
  };
  const auto repeated = [&](unsigned mib, auto&& run) {
    std::vector<pin_steps> all;
    const bool once = mib >= c.large_mib;
    for (unsigned i = 0; i < c.plan.warm_ups && !once; ++i) static_cast<void>(run());
    for (unsigned i = 0; i < (once ? 1 : c.plan.rounds); ++i) all.push_back(run());
    return all;
  };
  std::string left_out;
  for (const unsigned mib : c.mib) {
    const std::size_t bytes = std::size_t{mib} << 20;
    if (bytes > c.available_bytes / 5 * 3) {
      left_out += " " + std::to_string(mib);
      continue;
    }
    line(mib, "cudaHostAlloc", repeated(mib, [&] { return pin_steps{.seconds = runtime(bytes)}; }));
    for (const unsigned threads : c.threads) {
      if (mib >= c.large_mib && threads != c.threads.back()) continue;
      for (const bool huge : {false, true}) {
        line(mib, std::to_string(threads) + (threads == 1 ? " thread" : " threads") + (huge ? ", huge pages" : ""),
             repeated(mib, [&] { return pin({bytes, threads, huge}); }));
      }
    }
  }
  if (!left_out.empty()) {
    t.foot = "Left out, because it is more than 60 % of the host memory that was free (" +
             text("%.0f MiB", static_cast<double>(c.available_bytes) / (1 << 20)) + "): MiB" + left_out + ".";
  }
  out.add(std::move(t));
}

}  // namespace bench
