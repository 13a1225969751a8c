// A made-up run that fills every field of replay::results.
#pragma once

#include "replay/options.hpp"
#include "replay/results.hpp"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace replay_test {

[[nodiscard]] inline replay::timeline sample_timeline(double compute, double onload, bool overlapped)
{
  replay::timeline t;
  t.batch = 17;
  t.requests = 4;
  t.tokens = {{6000, onload > 0 ? 5000u : 0u}, 420};
  double loaded = 0;
  double computed = 0;
  for (int layer = 0; layer < 4; ++layer) {
    const std::string name = "layer " + std::to_string(layer);
    if (onload > 0) {
      t.spans.push_back({"onload", name, loaded, loaded + onload, replay::work_kind::copy});
      loaded += onload;
    }
    const double ready = std::max(computed, overlapped ? loaded : 4 * onload);
    if (ready > computed) {
      t.spans.push_back({"compute", "stall: waits for onload", computed, ready, replay::work_kind::stall});
    }
    t.exposed_seconds += ready - computed;
    computed = ready;
    t.spans.push_back({"compute", name, computed, computed + compute});
    computed += compute;
    if (onload <= 0) continue;
    t.spans.push_back({"offload", name, computed, computed + onload / 6, replay::work_kind::copy});
    t.up = {t.up.bytes + 1'300'000, t.up.calls + 1, t.up.pieces + 41};
    t.down = {t.down.bytes + 70'000, t.down.calls + 3, t.down.pieces + 3};
  }
  t.spans.push_back({"compute", "head", computed, computed + compute / 3});
  return t;
}

[[nodiscard]] inline replay::results sample_results()
{
  replay::results r;
  r.machine = {"AMD EPYC 9B14 <at home>", 2, std::uint64_t{8} << 30, "g++ 12.2"};
  r.workload = {"synthetic",
                "session",
                "Made-up users whose history lengths, gaps and hours follow what was published of KuaiRand-1K.",
                96,
                600,
                1830.4,
                1410,
                3600,
                9120,
                211000,
                {"History lengths are the published ones times 0.1."}};
  r.settings = replay::describe(replay::options{});
  r.balance = {1.9e11, 8.0e9, 4, 16};
  const char* const keys[] = {"none", "device", "synchronous", "mtserve", "default"};
  const char* const names[] = {"no cache", "device only", "synchronous arena", "mtserve_cache", "default_cache"};
  const char* const says[] = {"computes every history again", "what falls out of the slab is gone",
                              "copies from the arena, then computes", "the paper's way: chunks, whole users, LRU",
                              "page-granular, layer by layer, front of a user goes first"};
  const double slab[] = {0, 0.42, 0.40, 0.40, 0.47};
  const double arena[] = {0, 0, 0.49, 0.49, 0.505};
  const double slow[] = {0.21, 0.125, 0.082, 0.061, 0.048};
  for (int i = 0; i < 5; ++i) {
    replay::case_result c;
    c.key = keys[i];
    c.name = names[i];
    c.description = says[i];
    c.requests = 600;
    c.batches = 150;
    const auto split = [&](double total, double warm) {
      const double d = slab[i] * warm;
      const double h = arena[i] * warm;
      return replay::token_split{{static_cast<std::uint64_t>(total * d), static_cast<std::uint64_t>(total * h)},
                                 static_cast<std::uint64_t>(total * (1 - d - h))};
    };
    for (std::uint64_t b = 0; b < 40; ++b) {
      const double wobble = 1.0 + 0.06 * std::sin(static_cast<double>(b) * 1.7 + i);
      c.over_time.push_back({b * 15, 15, split(27000, (1 - std::exp(-static_cast<double>(b) / 5.0)) * wobble * 0.94)});
      c.tokens += c.over_time.back().tokens;
    }
    std::vector<double> samples;
    for (int s = 1; s <= 600; ++s) {
      const double u = (s - 0.5) / 600;
      samples.push_back(slow[i] * std::exp(0.55 * std::log(u / (1 - u))));
    }
    c.latency = replay::summarize(samples);
    c.seconds = c.latency.mean * 150;
    c.requests_per_second = 600 / c.seconds;
    c.onload_bytes = i < 2 ? 0 : 7'300'000'000ULL;
    c.offload_bytes = i < 2 ? 0 : 1'700'000'000ULL;
    c.exposed_transfer_seconds = i < 2 ? 0 : i == 2 ? 2.1 : 0.11 / i;
    if (i != 0) c.levels.push_back({"slab", i == 1 ? 512'000u : i == 3 ? 17'230u : 0u});
    if (i > 1) c.levels.push_back({"arena", 4000});
    c.onload_calls = i < 2 ? 0 : 8'120;
    c.onload_pieces = i < 2 ? 0 : 60'411;
    c.offload_calls = i < 2 ? 0 : 2'077;
    c.offload_pieces = i < 2 ? 0 : 2'077;
    c.recomputed_tokens = i == 4 ? 31'415 : 0;
    c.device_bytes = i == 0 ? 0 : 123'000'000;
    c.control_seconds = i == 0 ? 0 : 0.0011 * i;
    c.queue_seconds = 0.002 * i;
    c.speed_up = slow[0] / slow[i];
    if (i > 0) {
      for (const double share : {0.02, 0.05, 0.1, 0.2, 0.4, 0.8}) {
        const double d = 0.94 * (1 - std::exp(-share * (2.2 + i)));
        const double h = i == 1 ? 0.0 : (0.8 + i * 0.03 - d) * (d < 0.8 ? 1 : 0);
        c.capacity.push_back({static_cast<std::uint64_t>(share * 6600),
                              share,
                              {{static_cast<std::uint64_t>(1e6 * d), static_cast<std::uint64_t>(1e6 * h)},
                               static_cast<std::uint64_t>(1e6 * (1 - d - h))}});
      }
    }
    c.batch = sample_timeline(i == 0 ? 0.05 : i == 1 ? 0.03 : 0.006, i < 2 ? 0.0 : 0.004, i > 2);
    if (i == 0) c.batch->tokens = {{}, 6420};
    r.cases.push_back(c);
  }
  r.verified = replay::verification{0.05, 150, 9600, 0, 1.4e-6, 1e-4, {}};
  return r;
}

}  // namespace replay_test
