// What of a user's cached tokens a request leaves of use: whether their history was rewritten, where its window begins,
// what its volatile tail overwrites. Arithmetic on what the entry knows; changes nothing.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/request.hpp>
#include <kvstrata/plan/vouchers.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What a request's fingerprint says against what is cached.
struct contradiction
{
  token_interval tokens;         ///< that have another fingerprint; empty: nothing contradicts
  token_count agreed_until = 0;  ///< cached tokens before it are still those of the history
  bool unproven = false;         ///< nothing contradicts, but only because they have no hash of the same tokens
};

/// Everything that is cached is of another history.
inline constexpr contradiction of_another_history{{0, (std::numeric_limits<token_count>::max)()}, 0};

/// O(stretches that both have).
template <class Entry>
[[nodiscard]] contradiction contradiction_of(const request& r, const Entry& e) noexcept
{
  const known_history& known = e.known();
  const bool same_prefix = compares_prefix(r, known);
  if (same_prefix) {
    const token_count tokens = known.vouched.tokens;
    if (r.fingerprint.prefix_hashes[tokens / r.fingerprint.stride - 1] != known.vouched.hash) return {{0, tokens}, 0};
  }
  const token_interval both = compared_stretches(r, known);
  if (!both.empty()) {
    const token_count stride = r.stretches.stride;
    const token_count told = whole_stretches(window_of(r), stride).begin;
    const token_count kept = known.stretches.covered().begin;
    for (token_count s = both.begin; s < both.end; ++s) {
      if (r.stretches.hashes[s - told] == known.stretches.hashes[s - kept]) continue;
      // Behind the last that agrees; where none does, how far the history is the same nobody knows.
      return {{s * stride, (s + 1) * stride}, s == both.begin ? 0 : s * stride};
    }
  }
  const bool vouched = known.vouched.tokens != 0 || !known.stretches.hashes.empty();
  const bool by_prefix = r.fingerprint.stride != 0 && known.vouched.tokens != 0;  // it says more than stretches do
  const bool compared = by_prefix ? same_prefix : !both.empty();
  return {.tokens = {}, .agreed_until = 0, .unproven = vouched && has_fingerprint(r) && !compared};
}

namespace detail {

/// What the levels have of a user, as far as it lies in `within`.
template <class Entry>
class cached_tokens
{
 public:
  cached_tokens(const Entry& e, token_interval within) noexcept
  {
    each_level<0, Entry::memories>([&](auto i) {
      const token_interval has = intersect(e.template at<i()>().tokens, within);
      if (has.empty()) return;
      std::size_t at = count_++;
      for (; at != 0 && has.begin < has_[at - 1].begin; --at) has_[at] = has_[at - 1];
      has_[at] = has;
    });
  }

  /// Behind the last of them; 0 when there is none.
  [[nodiscard]] token_count end() const noexcept
  {
    token_count last = 0;
    for (std::size_t i = 0; i < count_; ++i) last = (std::max)(last, has_[i].end);
    return last;
  }

  /// The first token of [first, until) that no level has although one has tokens behind it, or the end of them all.
  [[nodiscard]] token_count first_gap(token_count first, token_count until) const noexcept
  {
    token_count reached = first;
    for (std::size_t i = 0; i < count_; ++i) {
      if (has_[i].begin > reached && reached < until) return reached;
      reached = (std::max)(reached, has_[i].end);
    }
    return (std::numeric_limits<token_count>::max)();
  }

 private:
  token_interval has_[Entry::memories];  // ascending by their beginning
  std::size_t count_ = 0;
};

}  // namespace detail

/// Of a user of whom nothing is cached, or who goes on as before, everything is kept.
template <class Entry>
[[nodiscard]] bool keeps_all(const request& r, const Entry* found, const contradiction& against) noexcept
{
  if (found == nullptr) return true;
  const known_history& known = found->known();
  return r.first_token == known.first_token && known.earlier_until <= r.first_token && r.volatile_tail == 0 &&
         known.version == version_of(r) && against.tokens.empty() && !against.unproven;
}

/// What the request keeps; `found` may be null: nothing is cached. O(1).
///
/// A row is as good as those before it that it saw. Those of an earlier window cannot be computed again as they were, for
/// what they saw is not told any more: so where one of them is gone, all behind it is of no use.
///
/// A request whose history is not proven to be the cached one may be served, but no row of its own stands among the cached
/// ones: where it would keep one, nothing else is kept. So all rows that a voucher speaks for are of one history.
///
/// `exact_until`: tokens from there on are not exact, and the request wants none of them.
template <class Entry>
[[nodiscard]] kept_tokens kept_by(const request& r, const Entry* found, const contradiction& against,
                                  token_count exact_until = all_exact) noexcept
{
  constexpr token_count no_end = (std::numeric_limits<token_count>::max)();
  kept_tokens out{
      .tokens = {r.first_token, no_end}, .rewritten = !against.tokens.empty(), .unproven = against.unproven};
  if (exact_until == all_exact && keeps_all(r, found, against)) return out;
  const auto cached = [&](token_interval within) { return found->template tokens_in<0, Entry::memories>(within); };
  const auto keep_until = [&](token_count end, std::uint64_t& count) {
    if (end >= out.tokens.end) return;
    const token_interval before = out.tokens;
    out.tokens = end > before.begin ? token_interval{before.begin, end} : token_interval{};
    count += cached(before) - cached(out.tokens);
  };
  const known_history& known = found->known();
  const bool moves = r.first_token > known.first_token;
  if (moves) out.forgotten.passed = cached({0, r.first_token});
  if (known.version != version_of(r)) keep_until(0, out.forgotten.superseded);
  if (!against.tokens.empty()) keep_until(against.agreed_until, out.forgotten.rewritten);
  if (r.first_token < known.first_token) keep_until(0, out.forgotten.widened);
  if (r.volatile_tail != 0) keep_until(lasting_tokens(r).end, out.forgotten.overwritten);
  if (exact_until != all_exact) keep_until(exact_until, out.forgotten.inexact);

  // Where not all of it was computed in the window at hand:
  const auto end_of_kept = [&] { return detail::cached_tokens(*found, out.tokens).end(); };
  const token_count earlier = moves ? end_of_kept() : (std::min)(known.earlier_until, end_of_kept());
  if (earlier > r.first_token) {
    keep_until(detail::cached_tokens(*found, out.tokens).first_gap(r.first_token, earlier), out.forgotten.stranded);
    out.earlier_until = (std::min)(earlier, end_of_kept());
    if (out.earlier_until <= r.first_token) out.earlier_until = 0;
  }
  if (out.unproven) {
    const token_interval lasting = lasting_tokens(r);
    if (cached(intersect(lasting, out.tokens)) != lasting.size()) return kept_by(r, found, of_another_history);
  }
  out.forgets = out.forgotten.total() != 0;
  return out;
}

}  // namespace kvstrata
