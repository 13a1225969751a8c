// How large the levels of a cache must be to hold all of some users, and how many users levels of a size hold.
//
//   const history_count users[] = {{.tokens = 4'096, .users = 100'000}, {.tokens = 20'480, .users = 2'000}};
//   const auto need = memory_for<my_cache>({.shape = shape, .layout = {.page_tokens = 32}}, users);
//   config.tiers = {{.bytes = need.levels[0].bytes}, {.bytes = need.levels[1].bytes}};
#pragma once

#include <kvstrata/books/directory.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/tiers/concepts.hpp>
#include <kvstrata/tiers/memory_need.hpp>
#include <kvstrata/tiers/run_pool.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Host memory that the books of a cache take. Without what an allocator adds to an allocation, what replacement policies
/// remember, and what is kept of users who send fingerprints or windows.
struct books_need
{
  std::uint64_t entries = 0;      ///< a record for each user of whom anything is cached
  std::uint64_t index = 0;        ///< that finds them
  std::uint64_t hot_records = 0;  ///< one for each user with pages in the slab
  std::uint64_t extents = 0;      ///< of users who have several runs of frames in a level
  std::uint64_t frames = 0;       ///< which frames of the slab and of the memories are free

  [[nodiscard]] constexpr std::uint64_t bytes() const noexcept
  {
    return entries + index + hot_records + extents + frames;
  }
};

/// What a cache must have.
struct cache_need
{
  level_index depth = 0;               ///< levels, stores among them
  by_level<std::string_view> names{};  ///< what texts call them
  by_level<memory_need> levels{};      ///< bytes for each of them
  books_need books{};
};

namespace detail {

template <class Config>
using tiers_of = typename Config::tiers_type;

/// What one history takes in that level of a cache of these tiers.
template <class Tiers, level_index Level, layout_policy Layout>
[[nodiscard]] history_need need_at(const Layout& layout, token_count tokens, token_count step)
{
  using recipe = typename Tiers::template tier<Level>;
  if constexpr (Level == 0) return slab_need(layout, tokens);
  else if constexpr (Level < Tiers::memories) return memory_below_need<tier_writes_t<recipe>>(layout, tokens, step);
  else return store_need<typename recipe::writes>(layout, tokens);
}

/// What a memory's configuration must say for so many frames.
template <class Tiers, level_index Level, class Config>
[[nodiscard]] std::uint64_t bytes_at(const Config& config, std::uint64_t frames)
{
  using recipe = typename Tiers::template tier<Level>;
  return tier_bytes_for<recipe>(std::get<Level>(config.tiers), config.shape, config.layout.page_tokens, frames);
}

/// Bytes of a boost::unordered_flat_set of so many numbers that grew one by one.
[[nodiscard]] constexpr std::uint64_t index_bytes(std::uint64_t users) noexcept
{
  constexpr std::uint64_t slots = 15;     // of a group
  constexpr std::uint64_t metadata = 16;  // bytes of a group
  if (users == 0) return 0;
  const std::uint64_t groups = std::bit_ceil((users * 8 / 7 + slots) / slots);  // it is full to seven eighths
  return groups * (slots * sizeof(std::uint32_t) + metadata);
}

/// Bytes of so many records in whole blocks (record_pool.hpp).
[[nodiscard]] constexpr std::uint64_t pool_bytes(std::uint64_t records, std::uint64_t record_bytes) noexcept
{
  constexpr std::uint64_t block = 64;
  return (records + block - 1) / block * block * record_bytes;
}

/// Bytes of a pool of so many frames. What is beyond 2^16 is as large as that in proportion.
template <class Pool>
[[nodiscard]] std::uint64_t frame_pool_bytes(std::uint64_t frames)
{
  constexpr std::uint64_t some = std::uint64_t{1} << 16U;
  if (frames == 0) return 0;
  const std::uint64_t bytes = Pool(static_cast<page_count>((std::min)(frames, some))).bytes();
  return frames <= some ? bytes : scaled_size(bytes, static_cast<double>(frames) / static_cast<double>(some));
}

/// Bytes that a user's list of extents takes beyond their record.
[[nodiscard]] constexpr std::uint64_t extent_list_bytes(const history_need& need) noexcept
{
  constexpr std::uint64_t run = 16;
  return need.runs > 1 || need.is_joined ? (need.runs + std::uint64_t{1}) * run : 0;
}

}  // namespace detail

/// What each level needs to hold all of these users at once, who come one after the other, so that none of it is evicted:
/// with a frame less, somebody is, or the last of them has less room to grow. Of `config` shape and layout count, and of the
/// tiers' recipes the write policies. `step`: tokens by which histories grow from commit to commit, 0: each comes in one. A
/// slab of that size has nothing to spare for others: what a batch reads anew, it evicts for. Throws config_error for
/// histories that the layout cannot place and sums that cannot be counted. O(lengths), but for the extents of each.
template <class Cache>
[[nodiscard]] cache_need memory_for(const typename Cache::config& config, std::span<const history_count> lengths,
                                    token_count step = 0)
{
  using tiers_type = detail::tiers_of<typename Cache::config>;
  using entry_type = typename Cache::entry_type;
  cache_need out{.depth = tiers_type::depth};
  std::uint64_t most_users = 0;
  each_level<0, tiers_type::depth>([&](auto i) {
    constexpr level_index level = decltype(i)::value;
    out.names[level] = tiers_type::names[level];
    const auto need = [&](token_count tokens) {
      return detail::need_at<tiers_type, level>(config.layout, tokens, step);
    };
    memory_need all = total_need(config.shape, config.layout, lengths, need);
    if constexpr (level < tiers_type::memories) all.bytes = detail::bytes_at<tiers_type, level>(config, all.frames);
    out.levels[level] = all;
    if constexpr (level < tiers_type::memories) {
      most_users = (std::max)(most_users, all.users);
      out.books.frames += detail::frame_pool_bytes<std::conditional_t<level == 0, run_pool, bit_pool>>(all.frames);
      for (const history_count& h : lengths) {
        out.books.extents += detail::extent_list_bytes(need(h.tokens)) * h.users;
      }
    }
  });
  out.books.entries = detail::pool_bytes(most_users, sizeof(entry_type));
  out.books.hot_records = detail::pool_bytes(out.levels[0].users, sizeof(typename entry_type::hot_record));
  out.books.index = detail::index_bytes(most_users);
  return out;
}

/// How many users find room in a level of so many bytes, when they come in the order of the list, again and again: the inverse
/// of memory_for, which says what the rest means.
template <class Cache, level_index Level>
[[nodiscard]] std::uint64_t users_for(std::uint64_t bytes, const typename Cache::config& config,
                                      std::span<const history_count> lengths, token_count step = 0)
{
  using tiers_type = detail::tiers_of<typename Cache::config>;
  static_assert(Level < tiers_type::depth, "the cache has no such level");
  const auto need = [&](token_count tokens) { return detail::need_at<tiers_type, Level>(config.layout, tokens, step); };
  if constexpr (Level < tiers_type::memories) {
    using recipe = typename tiers_type::template tier<Level>;
    if constexpr (keeps_codes<recipe>) {
      auto sizes = std::get<Level>(config.tiers);
      sizes.bytes = bytes;
      const token_count page = config.layout.page_tokens;
      return users_that_fit(code_bytes_of<recipe>(sizes, config.shape, page),
                            stored_shape<recipe>(sizes, config.shape, page), config.layout, lengths, need);
    }
  }
  return users_that_fit(bytes, config.shape, config.layout, lengths, need);
}

/// Bytes of a page table of a batch of these users (layout/page_table_view.hpp): an id a page, and three numbers a request.
/// A cache keeps one for each lease that is out at a time. Throws as slab_need.
template <layout_policy Layout>
[[nodiscard]] std::uint64_t page_table_bytes(const Layout& layout, std::span<const history_count> batch)
{
  std::uint64_t bytes = sizeof(std::int32_t);
  for (const history_count& h : batch) {
    static_cast<void>(slab_need(layout, h.tokens));
    const std::uint64_t ids = pages_of({0, h.tokens}, layout.page_tokens).size();
    const std::uint64_t each = ids * sizeof(page_id) + 2 * sizeof(std::int32_t) + sizeof(token_count);
    bytes = checked_sum("bytes of a page table", bytes, checked_product("bytes of a page table", each, h.users));
  }
  return bytes;
}

}  // namespace kvstrata
