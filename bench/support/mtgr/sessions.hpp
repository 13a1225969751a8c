// MTGR from a cache against MTGR without one, on streams of sessions: what the stream itself allows, and what of that is had.
#pragma once

#include "command_line/source_dir.hpp"
#include "replay/mtgr/run.hpp"
#include "support/paired.hpp"
#include "support/target.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

namespace bench::sessions {

constexpr std::uint32_t candidates = 100;

/// The paper's small model, S of 1,000 tokens.
inline replay::mtgr_options small_model()
{
  replay::mtgr_options o = replay::usual_mtgr_options();
  o.common.hidden = 512;
  o.common.link_gbps = 25;
  o.candidates = {candidates};
  o.cases = {"none", "default"};
  return o;
}

/// KuaiRand-Pure where it is on this machine, else empty: the synthetic workload of its shape.
inline std::string kuairand()
{
  const char* const set = std::getenv("KVSTRATA_DATA");
  const std::filesystem::path data =
      set != nullptr ? std::filesystem::path(set) : tools::source_dir() / "../shared/data";
  std::error_code ignored;
  const std::filesystem::path trace = data / "kuairand-pure-2w";
  return std::filesystem::is_directory(trace, ignored) ? trace.string() : std::string();
}

/// What all sessions of the trace allow, not only those that are served here.
inline void tell_whole_stream(replay::mtgr_options o)
{
  o.common.users = 10'000'000;
  o.common.requests = 1'000'000'000;
  o.common.batch = 1;
  o.candidates = {1};  // of a request; what they cost is counted for as many as are served
  const replay::mtgr_load all = replay::make_mtgr_load(o);
  const replay::mtgr_load::extremes e = all.bounds(candidates);
  std::printf(
      "  all %llu sessions, %s cut: %.0f %% need U and S anew; no cache %.2f times the FLOPs of one that forgets "
      "nothing (U and S alone %.2f)\n",
      static_cast<unsigned long long>(all.load.facts.requests), o.cut.c_str(),
      100 * static_cast<double>(all.versions) / static_cast<double>(all.load.facts.requests), e.bound(),
      e.whole.statics / e.ideal.statics);
}

struct measured
{
  spread ratio;  ///< processor seconds without over with
  double bound = 1;
};

inline measured serve(const char* name, const replay::mtgr_options& o, int rounds)
{
  replay::progress silent(std::cerr, replay::progress::kind::silent);
  const replay::mtgr_load load = replay::make_mtgr_load(o);
  const mtgr::model m(load.model);
  std::vector<double> ratios;
  replay::mtgr_pass last;
  for (int round = 0; round < rounds; ++round) {
    last = replay::serve_mtgr(o, load, m, candidates, silent);
    ratios.push_back(replay::speed_up(last, last.cases[1]));
  }
  const measured out{spread_of(ratios), last.bound};
  const replay::mtgr_case_result& c = last.cases[1];
  std::printf("  %s: %llu requests of %llu users\n", name, static_cast<unsigned long long>(c.requests),
              static_cast<unsigned long long>(load.load.facts.users));
  std::printf("    %.2f times less processor time (%.2f to %.2f, %d runs), the bound is %.2f: %.2f of it\n",
              out.ratio.median, out.ratio.low, out.ratio.high, rounds, out.bound, out.ratio.median / out.bound);
  for (const auto& [part, split] : {std::pair{"U and S", &c.statics}, {"R", &c.recents}}) {
    std::printf("    %-8s %5.1f %% from the slab, %5.1f %% from the arena, %5.1f %% computed (%.1f %% once more)\n",
                part, 100 * split->tokens.level_share(0), 100 * split->tokens.level_share(1),
                100 * split->tokens.computed_share(),
                split->tokens.total() == 0
                    ? 0.0
                    : 100 * static_cast<double>(split->again) / static_cast<double>(split->tokens.total()));
  }
  return out;
}

inline void run(int rounds, std::vector<target>& targets)
{
  replay::mtgr_options o = small_model();
  o.common.trace = kuairand();
  o.common.users = 8;
  o.common.requests = 64;
  o.common.batch = 1;
  std::printf("cached (default_cache) against no cache: small, f32, K = %u, U and S of 1,020 tokens; sessions of %s\n",
              candidates,
              o.common.trace.empty() ? "synthetic users (KuaiRand is not on this machine)" : "KuaiRand-Pure");
  for (const char* const cut : {"daily", "weekly"}) {
    o.cut = cut;
    if (!o.common.trace.empty()) tell_whole_stream(o);
    const measured one = serve(cut, o, rounds);
    targets.push_back({std::string("mtgr_cached_of_bound_") + cut, one.ratio.median / one.bound, better::more, 0.9,
                       o.common.trace.empty() ? "synthetic" : "kuairand_session"});
  }
  o = small_model();
  o.common.users = 4;
  o.common.requests = 128;  // four days: memory that is touched for the first time is 2 % of two
  o.common.batch = 4;       // all users at once, with and without a cache
  o.sessions_a_day = 8;
  const measured regular = serve("8 sessions a user and day", o, rounds);
  targets.push_back({"mtgr_cached_over_none", regular.ratio.median, better::more, 4, "8_sessions_a_day"});
  std::puts("");
}

}  // namespace bench::sessions
