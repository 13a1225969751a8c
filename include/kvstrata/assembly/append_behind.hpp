// An append part behind a context of blocks: its rows were computed on top of what was reused, so they are as approximate, and they stay
// in the cache. Whoever asks for the part on other ground must not get them, nor who wants exact tokens.
#pragma once

#include <kvstrata/assembly/block_list.hpp>
#include <kvstrata/core/exact.hpp>
#include <kvstrata/plan/part.hpp>
#include <kvstrata/recompute/choose.hpp>

#include <bit>
#include <cstdint>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What rows behind these blocks rest on, as a number: which blocks stand where, and what of them is computed anew. 0, that of an append
/// part behind nothing at all, where all is: then they are what a pass without blocks gives. `selector`: token_selector::name.
[[nodiscard]] inline std::uint64_t rests_on(const block_list& list, const recompute_shares& shares,
                                            std::string_view selector) noexcept
{
  if (list.blocks().empty() || (selector != "none" && is_exactly(shares.items, 1) && is_exactly(shares.history, 1)))
    return 0;
  std::uint64_t sum = 0;
  const auto take = [&sum](std::uint64_t with) {
    sum = (sum ^ with) + 0x9e37'79b9'7f4a'7c15U;  // splitmix64
    sum = (sum ^ (sum >> 30U)) * 0xbf58'476d'1ce4'e5b9U;
    sum = (sum ^ (sum >> 27U)) * 0x94d0'49bb'1331'11ebU;
    sum ^= sum >> 31U;
  };
  for (const char c : selector) take(static_cast<unsigned char>(c));
  take(std::bit_cast<std::uint32_t>(shares.items));
  take(std::bit_cast<std::uint32_t>(shares.history));
  take(shares.window);
  take(list.context());
  for (const placed_block& b : list.blocks()) {
    for (const std::uint64_t with :
         {std::uint64_t{b.key.kind}, b.key.id, b.key.version, std::uint64_t{b.start}, std::uint64_t{b.tokens}})
      take(with);
  }
  return sum | 1U;
}

/// The part as it is to be asked for: its version says what its rows rest on, beside what it said before. Behind the list's parts or
/// without them: with the same blocks at the same places and the same shares its rows are served, else they are computed anew, and what
/// was there goes. The context's own tokens are not in it: say in `append.version` which they are, where they differ from request to
/// request, and likewise which context it is where all of it is computed anew. request::exact takes parts that rest on nothing: with shares below 1 they never are.
[[nodiscard]] inline part append_behind(part append, const block_list& list, const recompute_shares& shares,
                                        std::string_view selector) noexcept
{
  const std::uint64_t ground = rests_on(list, shares, selector);
  if (ground != 0) append.version = (append.version ^ ground) * 0x9e37'79b9'7f4a'7c15U | 1U;
  return append;
}

}  // namespace kvstrata
