// What of a user's cached tokens a request leaves of use: whether their history was rewritten, where its window begins,
// what its volatile tail overwrites. Arithmetic on what the entry knows; changes nothing.
#pragma once

#include <kvstrata/cache/plan.hpp>
#include <kvstrata/cache/request.hpp>
#include <kvstrata/core/interval.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace kvstrata {

/// What a request's fingerprint says against what is cached.
struct contradiction
{
  token_interval tokens;         ///< that have another fingerprint; empty: nothing contradicts
  token_count agreed_until = 0;  ///< cached tokens before it are still those of the history
};

/// O(stretches that both have).
template <class Entry>
[[nodiscard]] contradiction contradiction_of(const request& r, const Entry& e) noexcept
{
  if (const token_count stride = r.fingerprint.stride; stride != 0) {
    const token_count tokens = e.vouched.tokens;
    const bool comparable = tokens != 0 && tokens <= r.history_tokens && tokens % stride == 0;
    if (comparable && r.fingerprint.prefix_hashes[tokens / stride - 1] != e.vouched.hash) return {{0, tokens}, 0};
  }
  if (const token_count stride = r.stretches.stride; stride != 0 && stride == e.stretches.stride) {
    const token_interval known = e.stretches.covered();
    const token_interval told = whole_stretches(window_of(r), stride);
    const token_interval both = intersect(known, told);
    for (token_count s = both.begin; s < both.end; ++s) {
      if (r.stretches.hashes[s - told.begin] == e.stretches.hashes[s - known.begin]) continue;
      // Behind the last that agrees; where none does, how far the history is the same nobody knows.
      return {{s * stride, (s + 1) * stride}, s == both.begin ? 0 : s * stride};
    }
  }
  return {};
}

namespace detail {

/// Tokens of `a` and of `b`, those of both once, that lie in `within`.
[[nodiscard]] constexpr token_count tokens_of_either(token_interval a, token_interval b, token_interval within) noexcept
{
  a = intersect(a, within);
  b = intersect(b, within);
  return a.size() + b.size() - intersect(a, b).size();
}

/// The first token of [first, earlier_until) that neither `a` nor `b` has although one of them has tokens behind it, or
/// the end of them all.
[[nodiscard]] constexpr token_count first_gap(token_interval a, token_interval b, token_count first,
                                              token_count earlier_until) noexcept
{
  token_count reached = first;
  if (a.empty() || (!b.empty() && b.begin < a.begin)) std::swap(a, b);
  for (const token_interval piece : {a, b}) {
    if (piece.empty()) continue;
    if (piece.begin > reached && reached < earlier_until) return reached;
    reached = (std::max)(reached, piece.end);
  }
  return (std::numeric_limits<token_count>::max)();
}

}  // namespace detail

/// Of a user of whom nothing is cached, or who goes on as before, everything is kept.
template <class Entry>
[[nodiscard]] bool keeps_all(const request& r, const Entry* found, const contradiction& against) noexcept
{
  return found == nullptr || (r.first_token == found->first_token && found->earlier_until <= r.first_token &&
                              r.volatile_tail == 0 && against.tokens.empty());
}

/// What the request keeps; `found` may be null: nothing is cached. O(1).
///
/// A row is as good as those before it that it saw. Those of an earlier window cannot be computed again as they were, for
/// what they saw is not told any more: so where one of them is gone, all behind it is of no use.
template <class Entry>
[[nodiscard]] kept_tokens kept_by(const request& r, const Entry* found, const contradiction& against) noexcept
{
  constexpr token_count no_end = (std::numeric_limits<token_count>::max)();
  kept_tokens out{.tokens = {r.first_token, no_end}};
  if (keeps_all(r, found, against)) return out;
  const token_interval above = found->device.tokens;
  const token_interval below = found->lower.tokens;
  const auto cached = [&](token_interval within) { return detail::tokens_of_either(above, below, within); };
  const auto keep_until = [&](token_count end, std::uint64_t& count) {
    if (end >= out.tokens.end) return;
    const token_interval before = out.tokens;
    out.tokens = end > before.begin ? token_interval{before.begin, end} : token_interval{};
    count += cached(before) - cached(out.tokens);
  };
  const bool moves = r.first_token > found->first_token;
  if (moves) out.forgotten.passed = cached({0, r.first_token});
  if (!against.tokens.empty()) keep_until(against.agreed_until, out.forgotten.rewritten);
  if (r.first_token < found->first_token) keep_until(0, out.forgotten.widened);
  if (r.volatile_tail != 0) keep_until(lasting_tokens(r).end, out.forgotten.overwritten);

  // Where not all of it was computed in the window at hand:
  const auto end_of_kept = [&] {
    const token_interval a = intersect(above, out.tokens);
    const token_interval b = intersect(below, out.tokens);
    return (std::max)(a.end, b.end);  // 0 where empty
  };
  const token_count earlier = moves ? end_of_kept() : (std::min)(found->earlier_until, end_of_kept());
  if (earlier > r.first_token) {
    keep_until(detail::first_gap(intersect(above, out.tokens), intersect(below, out.tokens), r.first_token, earlier),
               out.forgotten.stranded);
    out.earlier_until = (std::min)(earlier, end_of_kept());
    if (out.earlier_until <= r.first_token) out.earlier_until = 0;
  }
  out.forgets = out.forgotten.total() != 0;
  return out;
}

}  // namespace kvstrata
