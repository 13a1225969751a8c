// Requests of parts over a store: what rows say is decided by what they are of, the version and what they stand on, so that a row
// of anything else shows, whoever wrote it, before or after a restart.
#pragma once

#include "cache/stores_bed.hpp"

#include <kvstrata/plan/part.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// `Scene`: a text_scene with a store below, which is kept over restarts.
template <class Scene>
struct parts_over_a_store : Scene
{
  using Scene::Scene;

  [[nodiscard]] static kvstrata::part statics(std::uint64_t id, std::uint64_t version, kvstrata::token_count tokens)
  {
    return {.key = {1, id}, .version = version, .tokens = tokens, .mode = kvstrata::part_mode::replace};
  }
  [[nodiscard]] static kvstrata::part appends(std::uint64_t id, kvstrata::token_count tokens)
  {
    return {.key = {2, id}, .tokens = tokens};
  }

  /// By part, where its tokens came from, once what is on its way has come.
  std::vector<kvstrata::token_sources> serve(const std::vector<kvstrata::part>& parts, bool commits = true)
  {
    const kvstrata::request r{.user = kvstrata::user_id{1}, .epoch = this->epoch, .parts = parts};
    for (int attempt = 0; attempt < 60; ++attempt) {
      auto lease = this->cache->prepare({&r, 1}, this->compute);
      if (!lease) {
        REQUIRE(lease.why().why == kvstrata::pressure::reason::arriving);
        this->device.wait_sync(kvstrata::arrival_of(lease.why()));
        continue;
      }
      return run_parts(*lease, parts, commits);
    }
    FAIL("records are on their way for ever");
    return {};
  }

  /// Whoever comes between sends all others out of slab and arena.
  void push_out()
  {
    for (std::uint64_t id = 100; id < 106; ++id) serve({appends(id, 32)});
    this->settle();
  }

 private:
  std::vector<kvstrata::token_sources> run_parts(typename Scene::cache_type::lease& lease,
                                                 const std::vector<kvstrata::part>& parts, bool commits)
  {
    auto work = std::make_shared<lease_work>();
    std::vector<kvstrata::token_sources> out;
    std::uint64_t ground = 0;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const kvstrata::page_table_view view = lease.view(p);
      work->value_offset = view.value_offset();
      work->layer_stride = view.where.layer_stride;
      out.push_back(lease.sources(0, p));
      const kvstrata::part& mine = parts[p];
      if (is_shared(mine.mode)) ground = mix({ground, mine.key.space, mine.key.id, mine.version});
      for (kvstrata::token_count t = 0; t < mine.tokens; ++t) {
        bool writes = false;
        for (const kvstrata::token_interval piece : lease.compute(0, p)) writes = writes || piece.contains(t);
        const std::uint64_t rests_on = mine.mode == kvstrata::part_mode::append ? ground : mine.version;
        work->cells.push_back({.key = view.key(0, 0, t),
                               .tag = mix({mine.key.space, mine.key.id, rests_on, to_number(this->epoch), t}),
                               .user = alias_of(mine.key),
                               .token = t,
                               .writes = writes});
      }
    }
    for (kvstrata::layer_index layer = 0; layer < tiny.layers; ++layer) {
      lease.wait(layer);
      this->model.launch(this->compute, layer, work);
      lease.layer_done(layer);
    }
    if (commits) lease.commit();
    lease.release();
    return out;
  }
};

struct parts_served
{
  kvstrata::by_level<std::uint64_t> from{};
  std::uint64_t superseded = 0;
};

/// Versions that go forward, events that are appended, others in between, restarts. `Scene` says what restart(how) does.
template <class Scene>
parts_served walk_parts(parts_over_a_store<Scene>& s, std::uint64_t seed, int steps)
{
  std::mt19937_64 random(seed);
  const auto below = [&random](unsigned n) { return static_cast<unsigned>(random() % n); };
  constexpr unsigned users = 7;
  std::uint64_t versions[users] = {};
  kvstrata::token_count events[users] = {};
  parts_served out;
  for (int step = 0; step < steps; ++step) {
    CAPTURE(seed, step);
    const unsigned user = below(users);
    const unsigned what = below(40);
    if (what == 0) {
      out.superseded += s.cache->stats().forgotten.superseded;
      s.restart(below(4));
      continue;
    }
    if (what == 1) {
      s.cache->erase(kvstrata::sequence_key{1 + below(2), user});
      continue;
    }
    if (what < 4) {
      s.device.advance_host(1e-3 * below(4));
      s.cache->poll();
      continue;
    }
    if (what < 8) ++versions[user];
    events[user] = std::min<kvstrata::token_count>(events[user] + below(6), 36);
    std::vector<kvstrata::part> parts;
    if (what < 36)
      parts.push_back(
          s.statics(user, versions[user], 1 + static_cast<kvstrata::token_count>(mix({user, versions[user]}) % 21)));
    if (what > 5) parts.push_back(s.appends(user, events[user]));
    if (below(3) == 0) parts.push_back({.tokens = below(9), .mode = kvstrata::part_mode::scratch});
    if (parts.empty()) continue;
    const auto from = s.serve(parts, below(8) != 0);
    for (std::size_t p = 0; p < parts.size(); ++p) {
      if (is_shared(parts[p].mode)) CHECK((from[p].computed == 0 || from[p].computed == parts[p].tokens));
      for (kvstrata::level_index i = 0; i < kvstrata::most_levels; ++i) out.from[i] += from[p].from[i];
    }
    const kvstrata::cache_stats now = s.cache->stats();
    for (kvstrata::level_index i = 0; i < 2; ++i) {
      const kvstrata::tier_stats& tier = now.levels[i];
      REQUIRE(tier.free_bytes + tier.resident_bytes + tier.in_flight_bytes == tier.capacity_bytes);
    }
  }
  out.superseded += s.cache->stats().forgotten.superseded;
  return out;
}

}  // namespace kvstrata_test
