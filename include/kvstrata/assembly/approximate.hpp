// What was computed on top of reused blocks is approximate, and its type says so.
//
// A block was encoded by itself: its tokens did not see what stands before it here. So from the second layer on its K and V are
// not those of this context, and whatever attends to them is inexact, however little. The error is measured, not bounded; it is 0
// where nothing is reused, and where the one block that is reused stands at the context's beginning.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/recompute/concepts.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of a context's tokens. reused + recomputed + own is all of it.
struct reuse_report
{
  token_count reused = 0;  ///< K and V from blocks
  token_count reused_exactly =
      0;  ///< of these, in a block at the context's beginning: they saw all that stands before them, so they are exact
  token_count stood_in = 0;    ///< of the reused: K and V of other tokens, prototypes, which are exact nowhere
  token_count recomputed = 0;  ///< in blocks, and computed all the same
  token_count own = 0;         ///< in no block: always computed

  /// Did nothing inexact go into it?
  [[nodiscard]] constexpr bool exact() const noexcept { return reused == reused_exactly; }
  friend constexpr bool operator==(const reuse_report&, const reuse_report&) = default;
};

/// Of a context of so many tokens, whose blocks and what is computed anew of them ascend, each disjoint. O(blocks + intervals).
[[nodiscard]] constexpr reuse_report report_of(std::span<const reused_block> blocks,
                                               std::span<const token_interval> anew, token_count context) noexcept
{
  reuse_report out{.own = context};
  auto next = anew.begin();
  for (const reused_block& b : blocks) {
    const token_count end = b.start + b.tokens;
    token_count mine = 0;  // an interval may go on in the next block
    for (; next != anew.end() && next->begin < end; ++next) {
      mine += (std::min)(next->end, end) - (std::max)(next->begin, b.start);
      if (next->end > end) break;
    }
    out.recomputed += mine;
    out.reused += b.tokens - mine;
    out.own -= b.tokens;
    if (b.stands_in) out.stood_in += b.tokens - mine;
    else if (b.start == 0) out.reused_exactly = b.tokens - mine;
  }
  return out;
}

/// For those who want exact tokens (request::exact): throws usage_error where a context reuses what is not exact there.
inline void require_exact(const reuse_report& how)
{
  if (how.exact()) return;
  throw usage_error("exact tokens are asked for, but " + std::to_string(how.reused - how.reused_exactly) + " of the " +
                    std::to_string(how.reused + how.recomputed + how.own) +
                    " of a context would be reused where they are not");
}

/// A T that is not to be taken for one: whoever wants the value says so, and what went into it stands beside it.
template <class T>
class approximate
{
 public:
  approximate(T value, const reuse_report& how) : value_(std::move(value)), how_(how) {}

  [[nodiscard]] const T& approximate_value() const& noexcept { return value_; }
  [[nodiscard]] T approximate_value() && noexcept { return std::move(value_); }
  [[nodiscard]] const reuse_report& how() const noexcept { return how_; }

 private:
  T value_;
  reuse_report how_;
};

}  // namespace kvstrata
