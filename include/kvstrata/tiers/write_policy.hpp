// When committed tokens come down to a tier: it sits on the tier that receives.
//
//   pinned_arena<token_write_through>
//
//   page_write_through           at commit, all whole pages; the partial last page at eviction. Loses nothing while
//                                the tier has room. What a tier has when it says nothing.
//   token_write_through          at commit, everything, the partial last page too; eviction finds nothing to write,
//                                but pages that fill slowly travel many times.
//   chunk_write_through          at commit, all whole chunks; nothing at eviction. The paper's way: loses up to a
//                                chunk less one token at every eviction.
//   write_back                   nothing at commit, everything at eviction: the fewest bytes, at the worst moment.
//   selective_write<Uses, Base>  as Base from a user's Uses-th request on; before that nothing, not even at eviction:
//                                who comes once is not worth the link. What is lost is counted as dropped.
//
// expression                                meaning
// ----------------------------------------- -----------------------------------------------------------------------
// typename W::option_kind                   write_policy_option
// W::flushed_end(facts) -> token_count      the tier shall hold [0, result) of the user after a commit; at most
//                                           facts.tokens, and not less for more tokens or more uses
// W::flushed(facts) -> token_interval       in its place: the tier shall hold these tokens, at most [0, facts.tokens). A tier
//                                           keeps one interval of a user, which begins at a page: what does not join on to
//                                           what it has is refused (refusal::apart)
// W::writes_back(facts) -> bool             does the tier take what a level above evicts and no level
//                                           below that one has?
//
// Both are static and pure.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/options.hpp>

#include <concepts>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct write_policy_option;

/// What a write policy may go by.
struct write_facts
{
  token_count tokens = 0;        ///< committed tokens of the user's history
  token_count page_tokens = 1;   ///< tokens a page
  token_count chunk_tokens = 1;  ///< tokens a chunk (layout/concepts.hpp)
  std::uint64_t uses = 0;  ///< requests that the user has had, this one included, since the cache last forgot them, or
                           ///< 2^24 - 1 if these are fewer: who has nothing cached begins anew
  std::uint32_t commits =
      0;  ///< commits of the user since anything of them was last written to the tier, this one included,
          ///< 31 for more; for stores 0
  token_interval here{};  ///< what the tier has of the user; for stores nothing
  token_count below = 0;  ///< of [0, tokens), how many tokens a memory below the tier has; for stores 0
};

template <class W>
concept is_write_option = option<W> && std::same_as<typename W::option_kind, write_policy_option>;

template <class W>
concept writes_at_commit = requires(const write_facts& facts) {
  { W::flushed_end(facts) } -> std::same_as<token_count>;
};

template <class W>
concept writes_a_range_at_commit = requires(const write_facts& facts) {
  { W::flushed(facts) } -> std::same_as<token_interval>;
};

template <class W>
concept decides_write_back = requires(const write_facts& facts) {
  { W::writes_back(facts) } -> std::same_as<bool>;
};

template <class W>
concept write_policy =
    is_write_option<W> && (writes_at_commit<W> || writes_a_range_at_commit<W>) && decides_write_back<W>;

/// What a tier shall hold after a commit.
template <write_policy W>
[[nodiscard]] constexpr token_interval flushed_tokens(const write_facts& facts)
{
  if constexpr (writes_a_range_at_commit<W>) return W::flushed(facts);
  else return {0, W::flushed_end(facts)};
}

struct page_write_through
{
  using option_kind = write_policy_option;
  [[nodiscard]] static constexpr token_count flushed_end(const write_facts& facts) noexcept
  {
    return facts.tokens - facts.tokens % facts.page_tokens;
  }
  [[nodiscard]] static constexpr bool writes_back(const write_facts&) noexcept { return true; }
};

struct token_write_through
{
  using option_kind = write_policy_option;
  [[nodiscard]] static constexpr token_count flushed_end(const write_facts& facts) noexcept { return facts.tokens; }
  [[nodiscard]] static constexpr bool writes_back(const write_facts&) noexcept { return true; }
};

struct chunk_write_through
{
  using option_kind = write_policy_option;
  [[nodiscard]] static constexpr token_count flushed_end(const write_facts& facts) noexcept
  {
    return facts.tokens - facts.tokens % facts.chunk_tokens;
  }
  [[nodiscard]] static constexpr bool writes_back(const write_facts&) noexcept { return false; }
};

struct write_back
{
  using option_kind = write_policy_option;
  [[nodiscard]] static constexpr token_count flushed_end(const write_facts&) noexcept { return 0; }
  [[nodiscard]] static constexpr bool writes_back(const write_facts&) noexcept { return true; }
};

template <std::uint64_t Uses = 2, write_policy Base = page_write_through>
struct selective_write
{
  static_assert(Uses < (std::uint64_t{1} << 24U), "selective_write: nobody's requests are counted so far");
  using option_kind = write_policy_option;
  [[nodiscard]] static constexpr token_count flushed_end(const write_facts& facts)
    requires writes_at_commit<Base>
  {
    return facts.uses < Uses ? 0 : Base::flushed_end(facts);
  }
  [[nodiscard]] static constexpr token_interval flushed(const write_facts& facts)
    requires writes_a_range_at_commit<Base>
  {
    return facts.uses < Uses ? token_interval{} : Base::flushed(facts);
  }
  [[nodiscard]] static constexpr bool writes_back(const write_facts& facts)
  {
    return facts.uses >= Uses && Base::writes_back(facts);
  }
};

static_assert(write_policy<page_write_through> && write_policy<token_write_through>);
static_assert(write_policy<chunk_write_through> && write_policy<write_back>);
static_assert(write_policy<selective_write<>> && write_policy<selective_write<3, write_back>>);

}  // namespace kvstrata
