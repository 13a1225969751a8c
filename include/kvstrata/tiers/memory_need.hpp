// How many frames users' histories take in a level, before there is one. Arithmetic: what the slab, a memory and a store do
// with a history, without them. cache/memory_for.hpp asks it for all levels of a cache.
//
// What a level takes of a history depends on how the history comes there: extents are as large as what is written at once,
// and room to grow (layout/concepts.hpp). So a history comes in steps, the commits of its life.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/sizes.hpp>
#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/tiers/write_policy.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// So many users have a history of so many tokens. A list of them is a list of users, or a distribution.
struct history_count
{
  token_count tokens = 0;
  std::uint64_t users = 1;
};

/// What one user's history takes in a level.
struct history_need
{
  token_count tokens = 0;  ///< that the level has of it
  page_count frames = 0;   ///< that hold them, room to grow included
  std::uint32_t runs = 0;  ///< of extents of one size, where the level hands out frames that follow each other
  bool is_joined = false;  ///< one of the runs is of several extents
};

/// What a level must have to hold all of some users.
struct memory_need
{
  std::uint64_t users = 0;   ///< of whom it has something
  std::uint64_t tokens = 0;  ///< that it holds
  std::uint64_t frames = 0;  ///< pages, in all layers
  std::uint64_t bytes = 0;   ///< of these: what to give the level

  friend constexpr bool operator==(const memory_need&, const memory_need&) = default;
};

/// In the slab: whole granules. Throws config_error where the layout cannot place so long a history. O(1).
template <layout_policy Layout>
[[nodiscard]] history_need slab_need(const Layout& layout, token_count tokens)
{
  if (tokens > layout.longest_history()) {
    throw config_error("a history in tokens", tokens,
                       "the layout places at most " + std::to_string(layout.longest_history()));
  }
  const page_interval pages = whole_granules(pages_of({0, tokens}, layout.page_tokens), layout.granule_pages());
  return {.tokens = tokens, .frames = pages.size(), .runs = tokens == 0 ? 0U : 1U};
}

/// In a memory below it that `Writes` feeds, when the history grows by commits of `step` tokens, or comes in one (0), and is
/// then evicted above as a whole: commits bring down what the write policy wants then, the eviction the rest, where the policy
/// takes it. Users who come once are not meant: of those `selective_write` keeps nothing. Throws as slab_need.
/// O(extents + commits).
template <write_policy Writes, layout_policy Layout>
[[nodiscard]] history_need memory_below_need(const Layout& layout, token_count tokens, token_count step = 0)
{
  history_need out = slab_need(layout, tokens);
  out = {};
  page_count last_extent = 0;
  const auto write_until = [&](token_count end) {
    if (end <= out.tokens) return;
    out.tokens = end;
    const page_count wanted = whole_granules(pages_of({0, end}, layout.page_tokens), layout.granule_pages()).end;
    while (out.frames < wanted) {
      const page_count extent = layout.extent_pages(out.frames, wanted - out.frames);
      if (out.frames == 0 || extent != last_extent) ++out.runs;
      else out.is_joined = true;
      last_extent = extent;
      out.frames += extent;
    }
  };
  constexpr std::uint64_t many = (std::uint64_t{1} << 24U) - 1;
  const auto facts = [&](token_count committed) {
    return write_facts{
        .tokens = committed, .page_tokens = layout.page_tokens, .chunk_tokens = layout.chunk_tokens(), .uses = many};
  };
  for (token_count committed = 0; committed < tokens;) {
    committed = step == 0 || tokens - committed < step ? tokens : committed + step;
    write_until(flushed_tokens<Writes>(facts(committed)).end);
  }
  if (tokens != 0 && Writes::writes_back(facts(tokens))) write_until(tokens);
  return out;
}

/// In a store that `Writes` feeds: the pages that hold the tokens, without room to grow. Throws as slab_need. O(1).
template <write_policy Writes, layout_policy Layout>
[[nodiscard]] history_need store_need(const Layout& layout, token_count tokens)
{
  history_need out = slab_need(layout, tokens);
  const write_facts facts{.tokens = tokens,
                          .page_tokens = layout.page_tokens,
                          .chunk_tokens = layout.chunk_tokens(),
                          .uses = (std::uint64_t{1} << 24U) - 1};
  out.tokens = Writes::writes_back(facts) ? tokens : flushed_tokens<Writes>(facts).end;
  out.frames = pages_of({0, out.tokens}, layout.page_tokens).size();
  out.runs = out.tokens == 0 ? 0U : 1U;
  return out;
}

/// The sum over users. `need(tokens)` is one of the functions above, for a level. Throws config_error where it cannot be
/// counted. O(lengths), but for `need`.
template <layout_policy Layout, class Need>
[[nodiscard]] memory_need total_need(const geometry& shape, const Layout& layout,
                                     std::span<const history_count> lengths, Need&& need)
{
  check_pages(shape, layout);
  memory_need sum;
  for (const history_count& h : lengths) {
    const history_need one = need(h.tokens);
    if (one.tokens == 0) continue;
    sum.users = checked_sum("users", sum.users, h.users);
    sum.tokens =
        checked_sum("tokens of all users", sum.tokens, checked_product("tokens of all users", one.tokens, h.users));
    sum.frames =
        checked_sum("pages of all users", sum.frames, checked_product("pages of all users", one.frames, h.users));
  }
  sum.bytes = checked_product("bytes of all users", sum.frames, page_bytes(shape, layout.page_tokens));
  return sum;
}

/// The inverse: how many users find room in `bytes`, when they come in the order of the list, again and again, each length as
/// often as it says, until one does not fit. Users of whom the level keeps nothing count as if they were not there. All, where
/// nobody takes anything: largest_size. `need` and what it throws as above. O(lengths).
template <layout_policy Layout, class Need>
[[nodiscard]] std::uint64_t users_that_fit(std::uint64_t bytes, const geometry& shape, const Layout& layout,
                                           std::span<const history_count> lengths, Need&& need)
{
  const memory_need round = total_need(shape, layout, lengths, need);
  if (round.frames == 0) return largest_size;
  std::uint64_t free = bytes / page_bytes(shape, layout.page_tokens);
  free -= free % layout.granule_pages();
  std::uint64_t fit = free / round.frames * round.users;
  free %= round.frames;
  for (const history_count& h : lengths) {
    const history_need one = need(h.tokens);
    if (one.tokens == 0 || h.users == 0) continue;
    const std::uint64_t more = (std::min)(h.users, free / one.frames);
    fit += more;
    free -= more * one.frames;
    if (more < h.users) break;
  }
  return fit;
}

}  // namespace kvstrata
