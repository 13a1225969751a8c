// Streams of keys that policies are held against their oracles on: random ones, Zipf's, loops, mixtures of these with
// scans, and the real traces where they are on this machine.
#pragma once

#include "replacement/key_traces.hpp"
#include "support/effort.hpp"

#include <kvstrata/simulate/readers/zipf.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace kvstrata_test {

struct key_stream
{
  std::string name;
  key_list keys;
  std::vector<std::uint64_t> capacities;
};

/// Some that are hot, loops and new ones, with phases.
[[nodiscard]] inline key_list mixture(std::uint32_t seed, std::size_t requests, std::uint64_t keys)
{
  std::mt19937 random(seed);
  key_list out;
  std::uint64_t fresh = 1'000'000;
  while (out.size() < requests) {
    switch (random() % 5) {
      case 0:
        for (std::uint64_t i = random() % keys; i != 0; --i) out.push_back(fresh++);
        break;
      case 1:
        for (std::uint64_t i = 0; i < 2 * keys; ++i) out.push_back(i % (1 + keys / 2));
        break;
      default:
        for (std::uint64_t i = 0; i < keys; ++i) {
          out.push_back((random() % keys * (random() % keys) / keys + out.size() / 4000 * 31) % keys);
        }
        break;
    }
  }
  return out;
}

/// Short ones, which an oracle that walks may be given. Fewer, where the tests are to be short.
[[nodiscard]] inline std::vector<key_stream> short_streams()
{
  std::vector<key_stream> all;
  const bool is_quick = effort == 1;
  const std::vector<std::uint64_t> capacities =
      is_quick ? std::vector<std::uint64_t>{1, 2, 7, 31, 101}
               : std::vector<std::uint64_t>{1, 2, 3, 4, 7, 10, 31, 64, 100, 101, 150};
  for (std::uint32_t seed = 0; seed < (is_quick ? 1U : 3U); ++seed) {
    std::mt19937 random(seed);
    key_list uniform;
    for (int i = 0; i < 6000; ++i) uniform.push_back(random() % 200);
    all.push_back({"uniform", std::move(uniform), capacities});
    all.push_back({"mixture", mixture(seed, 8000, 160), capacities});
    key_list zipf;
    kvstrata::zipf_source source({.keys = 500, .requests = 8000, .seed = seed + 1, .scattered = true});
    for (const kvstrata::trace_access& one : kvstrata::read_all(source)) zipf.push_back(one.key);
    all.push_back({"Zipf", std::move(zipf), capacities});
  }
  for (const std::uint64_t length : {5U, 101U, 120U}) {
    key_list loop;
    for (std::uint64_t i = 0; i < 4000; ++i) loop.push_back(i % length);
    all.push_back({"loop", std::move(loop), capacities});
  }
  return all;
}

/// The real ones, at 0.3 to 50 % of their objects. Where every access costs many times as much, at one of these.
[[nodiscard]] inline std::vector<key_stream> real_streams(bool quick)
{
  std::vector<key_stream> all;
  for (const char* const name : {"cloudphysics", "cache2k_web12", "mooncake_conversation", "lirs_gli", "lirs_multi3",
                                 "kuairand_session", "kuairand_interaction"}) {
    auto keys = find_key_trace(name);
    if (!keys || (quick && keys->size() > 200'000)) continue;
    const auto objects = std::unordered_set<std::uint64_t>(keys->begin(), keys->end()).size();
    key_stream one{name, std::move(*keys), {}};
    for (const std::size_t permille : {3U, 50U, 101U, 200U, 500U}) {
      if (!quick || permille == 101) one.capacities.push_back((std::max)(objects * permille / 1000, std::size_t{1}));
    }
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace kvstrata_test
