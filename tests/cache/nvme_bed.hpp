// A cache over a slab, an arena and an nvme_file, which is closed, destroyed or killed and opened again on its file.
#pragma once

#include "cache/stores_bed.hpp"
#include "tiers/nvme/scratch_files.hpp"

#include <kvstrata/tiers/nvme_file.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

template <class... Options>
using nvme_cache = kvstrata::cache<
    kvstrata::tier_stack<kvstrata::device_slab<moody_device>, kvstrata::pinned_arena<kvstrata::token_write_through>,
                         kvstrata::nvme_file<Options...>>,
    kvstrata::paged_layout, kvstrata::layerwise_transfer<>, kvstrata::lru, losses>;
/// The store below a cache's two memories.
template <class Cache>
using tiny_drive = typename Cache::config::tiers_type::template tier<2>::template on<moody_device>;

/// Regions of seven records of one chunk, so that they are evicted, and few headers in memory, so that the store is asked.
[[nodiscard]] inline kvstrata::nvme_file_config tiny_nvme(std::uint64_t regions = 24)
{
  constexpr std::uint64_t region = 1U << 17U;
  kvstrata::nvme_file_config c{.bytes = regions * region, .region_bytes = region, .chunk_bytes = 4 * tiny_page_bytes};
  c.layers = tiny.layers;
  c.piece = kvstrata::piece_of(tiny, tiny_page);
  c.in_flight = 8;
  c.known_headers = 3;
  c.direct = false;
  c.depth = 2;
  return c;
}

template <class Cache = nvme_cache<kvstrata::write_back>>
struct nvme_scene : text_scene<Cache>
{
  explicit nvme_scene(kvstrata::nvme_file_config how, const store_sizes& s = {}, std::uint64_t seed = 0)
      : text_scene<Cache>(s, seed), config(std::move(how))
  {
    if (config.paths.empty()) config.paths = {folder.path("drive 0")};
    start();
  }
  ~nvme_scene() { this->cache.reset(); }

  void start()
  {
    if (!drive) drive.emplace(this->device, config);
    this->start_over(*drive);
  }

  /// The store is opened again, and a new cache is made over it. `closed`: the cache is closed, and the store before it goes.
  void reopen(bool closed)
  {
    if (closed) {
      this->cache->close();
      flush();
      const auto before = drive->figures();
      const auto has = all_found();
      drive->close();
      forget_drive(before.counts);
      start();
      const auto after = drive->figures();
      CHECK(after.recovery.torn + after.recovery.left_out + after.recovery.unreadable == 0);
      CHECK(after.records == before.records);
      CHECK(all_found() == has);
      erased.clear();
    } else {
      this->cache.reset();
      const auto before = drive->figures();
      forget_drive(before.counts);
      start();
      CHECK(drive->figures().recovery.torn == 0);
      erased.clear();  // destroying it closes it
    }
  }

  /// The process is killed: what the kernel was told is there, and nothing else. Who erased somebody and saw no flush since
  /// erases them again.
  void kill()
  {
    std::vector<std::string> left;
    for (std::size_t i = 0; i < config.paths.size(); ++i) {
      left.push_back(folder.path("drive " + std::to_string(++files)));
      std::filesystem::copy_file(config.paths[i], left.back());
    }
    this->cache.reset();
    forget_drive(drive->figures().counts);
    for (const std::string& path : config.paths) std::filesystem::remove(path);
    config.paths = left;
    start();
    for (const unsigned user : erased) this->cache->erase(kvstrata::user_id{user});
    ++kills;
  }

  void restart(unsigned how)
  {
    switch (how % 4) {
      case 0: return start();
      case 1: return reopen(true);
      case 2: return reopen(false);
      default: return kill();
    }
  }
  void falls_silent() {}
  /// Every other erasure is made durable at once.
  void erase(unsigned user)
  {
    this->cache->erase(kvstrata::user_id{user});
    erased.insert(user);
    if (++erasures % 2 == 0) flush();
  }
  void flush()
  {
    for (int attempt = 0; attempt < 1000; ++attempt) {
      if (const auto flushed = drive->flush()) {
        this->device.wait_sync(flushed->point);
        const auto outcome = drive->poll(*flushed);
        REQUIRE(outcome);
        if (outcome->done()) erased.clear();
        return;
      }
      this->device.advance_host(1e-3);
    }
    FAIL("a flush finds no room for ever");
  }

  /// What the store has of each user.
  [[nodiscard]] std::map<unsigned, kvstrata::record_header> all_found()
  {
    using knowledge = kvstrata::found_record::knowledge;
    std::map<unsigned, kvstrata::record_header> out;
    for (const auto& [user, text] : this->texts) {
      const kvstrata::sequence_key key = kvstrata::key_of(kvstrata::user_id{user});
      kvstrata::found_record found = drive->find(key);
      if (found.is == knowledge::unknown) {
        const auto asked = drive->ask(key);
        REQUIRE(asked);
        this->device.wait_sync(asked->point);
        REQUIRE(drive->poll(*asked));
        found = drive->find(key);
      }
      if (found.is == knowledge::present) out.emplace(user, found.header);
    }
    return out;
  }

  /// Of all stores that there were.
  [[nodiscard]] kvstrata::nvme::store_counts counts() const
  {
    kvstrata::nvme::store_counts out = gone;
    if (drive) add(out, drive->figures().counts);
    return out;
  }

  scratch_files folder;
  kvstrata::nvme_file_config config;
  std::optional<tiny_drive<Cache>> drive;
  std::set<unsigned> erased;  ///< users of whom nobody has said that their end is durable
  std::uint64_t kills = 0;

 private:
  static void add(kvstrata::nvme::store_counts& to, const kvstrata::nvme::store_counts& more)
  {
    to.puts += more.puts;
    to.gets += more.gets;
    to.asks += more.asks;
    to.erasures += more.erasures;
    to.refused += more.refused;
    to.lost_io += more.lost_io;
    to.lost_checksum += more.lost_checksum;
    to.evicted_records += more.evicted_records;
    to.reinserted_bytes += more.reinserted_bytes;
    to.sealed_regions += more.sealed_regions;
  }
  void forget_drive(const kvstrata::nvme::store_counts& last)
  {
    add(gone, last);
    drive.reset();
  }

  kvstrata::nvme::store_counts gone;
  unsigned files = 0;
  unsigned erasures = 0;
};

}  // namespace kvstrata_test
