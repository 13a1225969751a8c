// How large the levels of a sharded cache must be to hold all of some users: users go to shards by a hash, so the fullest
// shard says how much every shard must have.
#pragma once

#include <kvstrata/cache/memory_for.hpp>
#include <kvstrata/sharded/shard_sizes.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A user and the length of their history.
struct user_history
{
  user_id user{};
  token_count tokens = 0;
};

/// As memory_for, for sharded<Cache> of so many shards: bytes to write into the config that it divides, and the sums of what
/// all shards keep books of. With a granule of the layout less in a level, a shard lacks one. `bytes` and `frames` are those of
/// all shards, also of what lies idle in the emptier ones. Throws config_error for no shard, and as memory_for. O(users), but
/// for the extents of each.
template <class Cache>
[[nodiscard]] cache_need memory_for_shards(const typename Cache::config& config, std::span<const user_history> users,
                                           std::uint32_t shards, token_count step = 0)
{
  using tiers_type = detail::tiers_of<typename Cache::config>;
  if (shards == 0) throw config_error("shards", shards, "there must be at least one");
  std::vector<std::vector<history_count>> lengths(shards);
  for (const user_history& u : users) lengths[shard_of(u.user, shards)].push_back({.tokens = u.tokens});
  const std::uint64_t granule = config.layout.granule_pages();
  cache_need all;
  for (std::uint32_t shard = 0; shard < shards; ++shard) {
    const cache_need mine = memory_for<Cache>(config, lengths[shard], step);
    all.depth = mine.depth;
    all.names = mine.names;
    for (level_index i = 0; i < mine.depth; ++i) {
      memory_need& sum = all.levels[i];
      sum.users += mine.levels[i].users;
      sum.tokens += mine.levels[i].tokens;
      if (i < tiers_type::memories) {  // the first shards get what equal shares leave over
        const std::uint64_t units = (std::max)(mine.levels[i].frames / granule, std::uint64_t{1});
        sum.frames = (std::max)(sum.frames, ((units - 1) * shards + shard + 1) * granule);
      } else {
        sum.frames += mine.levels[i].frames;
      }
    }
    all.books.entries += mine.books.entries;
    all.books.index += mine.books.index;
    all.books.hot_records += mine.books.hot_records;
    all.books.extents += mine.books.extents;
    all.books.frames += mine.books.frames;
  }
  const std::uint64_t page = page_bytes(config.shape, config.layout.page_tokens);
  for (memory_need& level : all.levels) level.bytes = checked_product("bytes of all users", level.frames, page);
  each_level<1, tiers_type::memories>(
      [&](auto i) { all.levels[i()].bytes = detail::bytes_at<tiers_type, i()>(config, all.levels[i()].frames); });
  return all;
}

}  // namespace kvstrata
