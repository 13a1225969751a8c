// An append part behind a context of blocks: its rows were computed on top of what was reused, so they are as approximate, and they stay
// in the cache. Whoever asks for the part on other ground must not get them, nor who wants exact tokens.
#pragma once

#include <kvstrata/assembly/block_list.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/exact.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/plan/part.hpp>
#include <kvstrata/recompute/choose.hpp>

#include <bit>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What rows rest on, taken in number by number (splitmix64).
struct ground_number
{
  std::uint64_t sum = 0;
  constexpr void take(std::uint64_t with) noexcept
  {
    sum = (sum ^ with) + 0x9e37'79b9'7f4a'7c15U;
    sum = (sum ^ (sum >> 30U)) * 0xbf58'476d'1ce4'e5b9U;
    sum = (sum ^ (sum >> 27U)) * 0x94d0'49bb'1331'11ebU;
    sum ^= sum >> 31U;
  }
};

/// Which tokens are the context's own, as a number: those that are in no block, in order. `context`: all of its tokens, as any integers;
/// what stands in blocks is not looked at. O(own tokens). Throws usage_error for another number of tokens than the list's context.
template <std::integral Token>
[[nodiscard]] std::uint64_t fingerprint_of_own(const block_list& list, std::span<const Token> context)
{
  if (context.size() != list.context()) {
    throw usage_error("fingerprint_of_own: " + std::to_string(context.size()) +
                      " tokens are given, but the context has " + std::to_string(list.context()));
  }
  ground_number out;
  list.each_own([&](token_interval own) {
    for (token_count p = own.begin; p < own.end; ++p) out.take(static_cast<std::uint64_t>(context[p]));
  });
  return out.sum;
}

/// What rows behind these blocks rest on, as a number: which tokens are the context's own (`own`: fingerprint_of_own(), or any other number that
/// says so), which blocks stand where, and what of them is computed anew. Where all is, whatever chose it, the rows are exact, and the
/// number says which context it is, and nothing else. 0 where there is none. `selector`: token_selector::name.
[[nodiscard]] inline std::uint64_t rests_on(const block_list& list, const recompute_shares& shares,
                                            std::string_view selector, std::uint64_t own) noexcept
{
  if (list.context() == 0) return 0;
  ground_number out;
  out.take(own);
  out.take(list.context());
  for (const placed_block& b : list.blocks()) {
    for (const std::uint64_t with :
         {std::uint64_t{b.key.kind}, b.key.id, b.key.version, std::uint64_t{b.start}, std::uint64_t{b.tokens}})
      out.take(with);
  }
  const bool all_anew = selector != "none" && is_exactly(shares.items, 1) && is_exactly(shares.history, 1);
  if (!list.blocks().empty() && !all_anew) {
    for (const char c : selector) out.take(static_cast<unsigned char>(c));
    out.take(std::bit_cast<std::uint32_t>(shares.items));
    out.take(std::bit_cast<std::uint32_t>(shares.history));
    out.take(shares.window);
  }
  return out.sum | 1U;
}

/// The part as it is to be asked for: its version says what its rows rest on, beside what it said before. With the same own tokens, the
/// same blocks at the same places and the same shares its rows are served, else they are computed anew, and what was there goes.
/// request::exact may take those that were made with shares of 1, and with no others.
[[nodiscard]] inline part append_behind(part append, const block_list& list, const recompute_shares& shares,
                                        std::string_view selector, std::uint64_t own) noexcept
{
  const std::uint64_t ground = rests_on(list, shares, selector, own);
  if (ground != 0) append.version = (append.version ^ ground) * 0x9e37'79b9'7f4a'7c15U | 1U;
  return append;
}

}  // namespace kvstrata
