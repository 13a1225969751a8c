// What is in a store's file that has been damaged: it is opened, or refused with a sentence; all that is found in it is read, and is
// as it was, or lost.
#pragma once

#include "support/catch.hpp"
#include "tiers/nvme/crash_run.hpp"

#include <kvstrata/tiers/nvme_file.hpp>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

inline constexpr std::uint64_t damaged_region_bytes = 8 * disk_image::block;
inline constexpr std::uint64_t damaged_file_bytes = 10 * damaged_region_bytes;

[[nodiscard]] inline kvstrata::nvme_file_config damaged_config(std::vector<std::string> paths)
{
  kvstrata::nvme_file_config c;
  c.paths = std::move(paths);
  c.bytes = damaged_file_bytes;
  c.region_bytes = damaged_region_bytes;
  c.chunk_bytes = 4096;
  c.layers = 2;
  c.lanes = 2;
  c.in_flight = 6;
  c.most_records = 1024;
  c.direct = false;
  return c;
}

[[nodiscard]] inline walk_config damaged_walk(std::uint64_t seed)
{
  walk_config w;
  w.seed = seed;
  w.keys = 3;
  w.most_tokens = 60;
  w.pages_of_a_record = 4;
  w.may_evict = true;
  w.shape.token_bytes = 256;
  return w;
}

/// Uses a store for a while and closes it. What it has then is known.
template <class Store>
void fill_to_damage(const kvstrata::nvme_file_config& c, crash_oracle& known, std::uint64_t seed, std::size_t steps)
{
  kvstrata::emulated_device d({.time = kvstrata::time_mode::virtual_time});
  Store s(d, c);
  const memory_disk nobody(0);
  crash_walk<Store> walk(d, s, nobody, known, damaged_walk(seed));
  walk.steps(steps);
  walk.close();
  INFO(walk.report().text());
  REQUIRE(walk.report().faults() == 0);
}

/// Opens what is there and reads all that it finds. Refused: says why, and that is that.
struct damage_report
{
  std::uint64_t opened = 0, refused = 0, got = 0, lost = 0, missed = 0;
  std::uint64_t old = 0;   ///< whole, and of a life that had been replaced or erased: what said so is what was damaged
  std::string old_ones{};  ///< the first
  check_report faults{};
};

template <class Store>
void look_at_damage(const kvstrata::nvme_file_config& c, const crash_oracle& known, damage_report& out,
                    const std::string& what)
{
  kvstrata::emulated_device d({.time = kvstrata::time_mode::virtual_time});
  std::unique_ptr<Store> s;
  try {
    s = std::make_unique<Store>(d, c);
  } catch (const kvstrata::error& refusal) {
    ++out.refused;
    if (std::string(refusal.what()).find("nvme_file") != 0)
      out.faults.say(out.faults.misbehaved, what + refusal.what());
    return;
  }
  ++out.opened;
  store_prober<Store, kvstrata::emulated_device> prober(d, *s, damaged_walk(1).shape);
  for (const auto& key : known.keys()) {
    try {
      bool ended = false;
      for (int attempt = 0; attempt < 64 && !ended; ++attempt) {
        const auto found = prober.find(key);
        if (!found) {
          ++out.missed;
          ended = true;
          continue;
        }
        bool shows = false;
        if (!prober.get(key, *found, found->tokens, shows).done()) {
          ++out.lost;
          continue;
        }
        ended = true;
        ++out.got;
        if (!shows) out.faults.say(out.faults.wrong_bytes, what + "sequence " + text_of(key));
        const possible_states states = known.after_cut(key, 0);
        const auto is_it = [&](const possible_state& one) {
          return one.present && same_life(one.header, *found) && one.most.contains(found->tokens);
        };
        if (std::none_of(states.all().begin(), states.all().end(), is_it)) {
          ++out.old;
          out.old_ones += out.old < 4 ? "\n  " + what + "sequence " + text_of(key) + " is found as " +
                                            text_of(*found, found->tokens) + ", not " + text_of(states)
                                      : std::string();
        }
      }
      if (!ended) out.faults.say(out.faults.misbehaved, what + "found again and again, never got");
    } catch (const std::exception& thrown) {
      out.faults.say(out.faults.misbehaved, what + thrown.what());
    }
  }
}

[[nodiscard]] inline std::string text_of(const damage_report& r)
{
  return std::to_string(r.opened) + " opened, " + std::to_string(r.refused) + " refused, " + std::to_string(r.got) +
         " got, " + std::to_string(r.lost) + " lost, " + std::to_string(r.missed) + " missed, " +
         std::to_string(r.old) + " old; " + r.faults.text() + r.old_ones;
}

}  // namespace kvstrata_test
