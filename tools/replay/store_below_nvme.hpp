// An nvme_file below a case's memories, the case's own. To be included before the cache is made a case of.
#pragma once

#include "replay/format.hpp"
#include "replay/store_below.hpp"

#ifdef REPLAY_HAS_URING
#include <kvstrata/tiers/nvme/io/best_engine.hpp>
#endif
#include <kvstrata/tiers/nvme_file.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>

namespace replay {

/// The third tier is the store. It outlives the cache.
template <class Cache>
  requires(std::tuple_size_v<decltype(typename Cache::config{}.tiers)> == 3 && third_tier_is<Cache>("nvme_file"))
class store_below<Cache>
{
 public:
  static constexpr bool is_there = true;

  /// Throws config_error, error: nvme_file's sentences.
  store_below(typename Cache::device_type& d, const cache_sizes& s)
      : region_bytes_(s.store_region_bytes),
        room_bytes_((std::max)(2 * s.page_bytes(), (std::min)(std::size_t{64} << 20U, 4 * s.window_bytes))),
        store_(d, {.paths = {s.store_path},
                   .bytes = s.store_bytes,
                   .region_bytes = s.store_region_bytes,
                   .chunk_bytes = (std::min)(std::uint64_t{4} << 20U, s.store_region_bytes / 4),
                   .layers = s.shape.layers,
                   .workers = 4,
                   .engine = engine_maker()})
  {
  }

  [[nodiscard]] typename Cache::config joined(typename Cache::config c)
  {
    std::get<2>(c.tiers).store = &store_;
    c.stores.room_bytes = room_bytes_;
    return c;
  }

  [[nodiscard]] std::string remark() const
  {
    const kvstrata::nvme::store_figures_now f = store_.figures();
    std::string out = "The store has " + with_commas(f.records) + " records in " +
                      bytes_text(f.regions * region_bytes_) + "; " + bytes_text(f.counts.put_bytes) + " were put, " +
                      bytes_text(f.counts.got_bytes) + " got, and " + with_commas(f.counts.evicted_records) +
                      " records evicted. Engine: " + std::string(store_.engine_name()) + ".";
    if (const std::string why = store_.explanation(); !why.empty()) out += ' ' + why;
    return out;
  }

 private:
  [[nodiscard]] static kvstrata::nvme::engine_maker engine_maker()
  {
#ifdef REPLAY_HAS_URING
    return kvstrata::nvme::make_best_engine;
#else
    return {};
#endif
  }

  std::uint64_t region_bytes_;
  std::size_t room_bytes_;
  mutable kvstrata::nvme_file_on<typename Cache::device_type> store_;
};

}  // namespace replay
