// Threads whose requests have parts, on one cache and on shards: they read versions of what all share while others write the next
// one beside, in real time, so that the sanitizers see what goes wrong. What a row says is decided by what it is of, its version
// and what it stands on, so that a row of anything else shows, whoever wrote it.
#include "cache/parts_bed.hpp"
#include "cache/tiny_model.hpp"
#include "support/effort.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/sharded/sharded.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

/// Who numbers the versions of what all share does so in one place.
struct shared_versions
{
  static constexpr unsigned count = 3;
  std::array<std::atomic<std::uint64_t>, count> newest{};

  [[nodiscard]] static token_count tokens_of(std::uint64_t id, std::uint64_t version)
  {
    return static_cast<token_count>(3 + (id + version * 5) % 11);
  }
};

template <class Cache>
class parts_client
{
 public:
  parts_client(Cache& cache, emulated_device& device, shared_versions& versions, unsigned number)
      : cache_(cache),
        device_(device),
        versions_(versions),
        stream_(device.create_stream("compute")),
        model_(device, 0),
        number_(number),
        random_(number)
  {
  }

  void run(int batches)
  {
    for (int i = 0; i < batches; ++i) {
      chosen_ = {};
      std::vector<std::vector<part>> parts;
      std::vector<request> batch;
      for (unsigned n = 0, all = 1 + below(2); n < all; ++n) parts.push_back(parts_of(number_ * 100 + n));
      for (unsigned n = 0; n < parts.size(); ++n)
        batch.push_back({.user = user_id{number_ * 100 + n}, .parts = parts[n]});
      try {
        other_calls(batch.front());
        auto got = cache_.prepare(batch, stream_);
        if (got) {
          serve(*got, batch);
          continue;
        }
        ++refused;
        if (below(2) == 0) static_cast<void>(cache_.wait_sync(got.why(), std::chrono::microseconds(200)));
        else std::this_thread::yield();
      } catch (const history_error&) {
        ++late;  // another version was committed since this one was chosen
      }
    }
    device_.wait_sync(device_.record(stream_));
  }

  [[nodiscard]] const findings& found() const noexcept { return model_.found(); }
  std::uint64_t read = 0, written = 0, grown = 0, refused = 0, late = 0, in_part = 0;

 private:
  [[nodiscard]] unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  [[nodiscard]] part shared_part(unsigned id)
  {
    if (chosen_[id] == 0) {
      std::atomic<std::uint64_t>& newest = versions_.newest[id];
      chosen_[id] = below(6) == 0 ? ++newest : newest.load();
      if (chosen_[id] == 0) chosen_[id] = ++newest;
    }
    return {.key = {1, id},
            .version = chosen_[id],
            .tokens = shared_versions::tokens_of(id, chosen_[id]),
            .mode = part_mode::replace};
  }
  [[nodiscard]] std::vector<part> parts_of(std::uint64_t user)
  {
    std::vector<part> out;
    if (below(2) == 0) out.push_back({.key = {3, 7}, .tokens = 6, .mode = part_mode::read});
    out.push_back(shared_part(below(shared_versions::count)));
    out.push_back({.key = {2, user}, .tokens = below(20)});
    if (below(2) == 0) out.push_back({.tokens = below(9), .mode = part_mode::scratch});
    return out;
  }

  void other_calls(const request& r)
  {
    switch (below(14)) {
      case 0: cache_.erase(sequence_key{2, to_number(r.user)}); break;
      case 1: cache_.erase(sequence_key{3, 7}); break;
      case 2:
      case 3: static_cast<void>(cache_.prefetch(r, {.pages = 6})); break;
      case 4: static_cast<void>(cache_.plan({&r, 1})); break;
      case 5: static_cast<void>(cache_.stats()); break;
      case 6: static_cast<void>(cache_.clean(4)); break;
      default: break;
    }
  }

  template <class Lease>
  void serve(Lease& lease, const std::vector<request>& batch)
  {
    auto work = std::make_shared<lease_work>();
    std::vector<page_id> computed_here;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      std::uint64_t ground = 0;
      for (std::size_t p = 0; p < batch[i].parts.size(); ++p) {
        const part& mine = batch[i].parts[p];
        const page_table_view view = lease.view(p);
        work->value_offset = view.value_offset();
        work->layer_stride = view.where.layer_stride;
        token_count computed = 0;
        for (const token_interval piece : lease.compute(i, p)) computed += piece.size();
        if (is_shared(mine.mode)) {
          ground = mix({ground, mine.key.space, mine.key.id, mine.version});
          if (computed != 0 && computed != mine.tokens) ++in_part;
          const page_id first = view.pages(i).front();  // of several shards each has its own
          if (std::find(computed_here.begin(), computed_here.end(), first) != computed_here.end()) continue;
          if (computed != 0) computed_here.push_back(first);  // later rows are written by the same kernel
          (computed != 0 ? written : read) += 1;
        } else if (mine.mode == part_mode::append && computed < mine.tokens) {
          ++grown;
        }
        const std::uint64_t rests_on = mine.mode == part_mode::append ? ground : mine.version;
        for (token_count t = 0; t < mine.tokens; ++t) {
          bool writes = false;
          for (const token_interval piece : lease.compute(i, p)) writes = writes || piece.contains(t);
          work->cells.push_back({.key = view.key(0, i, t),
                                 .tag = mix({mine.key.space, mine.key.id, rests_on, t}),
                                 .user = alias_of(mine.key),
                                 .token = t,
                                 .writes = writes});
        }
      }
    }
    for (layer_index layer = 0; layer < tiny.layers; ++layer) {
      if (below(8) == 0) lease.wait_sync(layer);
      else lease.wait(layer);
      model_.launch(stream_, layer, work);
      lease.layer_done(layer);
    }
    if (below(8) == 0) return lease.release();  // dropped: nothing that it computed is kept
    lease.commit();
    if (below(2) == 0) lease.release();
  }

  Cache& cache_;
  emulated_device& device_;
  shared_versions& versions_;
  stream_id stream_;
  tiny_model model_;
  unsigned number_;
  std::mt19937_64 random_;
  std::array<std::uint64_t, shared_versions::count> chosen_{};
};

template <class Cache>
void serve_parts(Cache& cache, emulated_device& device)
{
  shared_versions versions;
  std::vector<std::unique_ptr<parts_client<Cache>>> clients;
  for (unsigned i = 1; i <= 4; ++i)
    clients.push_back(std::make_unique<parts_client<Cache>>(cache, device, versions, i));
  std::vector<std::thread> threads;
  for (auto& c : clients) threads.emplace_back([&c] { c->run(120 * effort); });
  for (std::thread& t : threads) t.join();
  std::uint64_t read = 0, written = 0, grown = 0;
  for (const auto& c : clients) {
    CHECK(c->found().first() == "");
    CHECK(c->in_part == 0);
    read += c->read;
    written += c->written;
    grown += c->grown;
  }
  CHECK(read != 0);
  CHECK(written != 0);
  CHECK(grown != 0);
  const auto violations = device.violations();
  if (!violations.empty()) UNSCOPED_INFO(to_string(violations.front()));
  CHECK(violations.empty());
  for (std::uint32_t space = 1; space < 4; ++space) {
    for (std::uint64_t id = 0; id < 500; ++id) cache.erase(sequence_key{space, id});
  }
  cache.drain_sync();
  const cache_stats s = cache.stats();
  CHECK(s.leases == 0);
  CHECK(s.users == 0);
  for (const tier_stats& tier : all_tiers(s)) {
    CHECK(tier.free_bytes + tier.resident_bytes + tier.in_flight_bytes == tier.capacity_bytes);
    CHECK(tier.resident_tokens == 0);
    CHECK(tier.resident_bytes == tier.stale_bytes);
  }
  cache.close();
}

constexpr emulated_device_config checked{.check_ordering = true, .poison_freed = true};

TEST_CASE("threads with requests of parts on one cache", "[cache][parts][threads]")
{
  emulated_device device(checked);
  default_scene_cache cache(device, tiny_config<default_scene_cache>(60, 60));
  serve_parts(cache, device);
}

TEST_CASE("threads with requests of parts on shards", "[cache][parts][threads][sharded]")
{
  emulated_device device(checked);
  sharded<default_scene_cache> cache(device, tiny_config<default_scene_cache>(120, 120), 3);
  serve_parts(cache, device);
}

}  // namespace
