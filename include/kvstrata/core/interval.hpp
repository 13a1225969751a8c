// Half-open intervals of tokens, and lists of them: the arithmetic under every plan.
#pragma once

#include <kvstrata/core/ids.hpp>

#include <algorithm>
#include <initializer_list>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Tokens [begin, end). Every empty interval equals every other.
struct token_interval
{
  token_count begin = 0;
  token_count end = 0;

  [[nodiscard]] constexpr bool empty() const noexcept { return begin >= end; }
  [[nodiscard]] constexpr token_count size() const noexcept { return empty() ? 0 : end - begin; }
  [[nodiscard]] constexpr bool contains(token_count token) const noexcept { return token >= begin && token < end; }
  [[nodiscard]] constexpr bool contains(token_interval other) const noexcept
  {
    return other.empty() || (other.begin >= begin && other.end <= end);
  }

  friend constexpr bool operator==(token_interval a, token_interval b) noexcept
  {
    return (a.empty() && b.empty()) || (a.begin == b.begin && a.end == b.end);
  }
};

[[nodiscard]] constexpr token_interval intersect(token_interval a, token_interval b) noexcept
{
  const token_interval both{(std::max)(a.begin, b.begin), (std::min)(a.end, b.end)};
  return both.empty() ? token_interval{} : both;
}

/// True when the union of both is one interval: they overlap, touch, or one is empty.
[[nodiscard]] constexpr bool joinable(token_interval a, token_interval b) noexcept
{
  return a.empty() || b.empty() || (a.begin <= b.end && b.begin <= a.end);
}

/// How many tokens of `whole` are not in `cover`.
[[nodiscard]] constexpr token_count uncovered_tokens(token_interval whole, token_interval cover) noexcept
{
  return whole.size() - intersect(whole, cover).size();
}

/// The smallest interval that holds both. It is their union only when they are joinable.
[[nodiscard]] constexpr token_interval hull(token_interval a, token_interval b) noexcept
{
  if (a.empty()) return b.empty() ? token_interval{} : b;
  if (b.empty()) return a;
  return {(std::min)(a.begin, b.begin), (std::max)(a.end, b.end)};
}

/// Ascending, disjoint, non-empty intervals.
using interval_list = std::vector<token_interval>;

[[nodiscard]] inline token_count total(const interval_list& list) noexcept
{
  token_count sum = 0;
  for (const token_interval piece : list) sum += piece.size();
  return sum;
}

/// Appends to `out`, ascending, what of `whole` lies in neither `a` nor `b`. At most three pieces.
inline void append_uncovered(interval_list& out, token_interval whole, token_interval a, token_interval b)
{
  if (b.begin < a.begin || a.empty()) std::swap(a, b);
  token_count next = whole.begin;
  for (const token_interval cover : {a, b}) {
    const token_interval inside = intersect(cover, whole);
    if (inside.empty()) continue;
    if (inside.begin > next) out.push_back({next, inside.begin});
    next = (std::max)(next, inside.end);
  }
  if (next < whole.end) out.push_back({next, whole.end});
}

/// What of `whole` lies neither in `a` nor in `b`, ascending.
[[nodiscard]] inline interval_list uncovered(token_interval whole, token_interval a, token_interval b = {})
{
  interval_list out;
  append_uncovered(out, whole, a, b);
  return out;
}

/// Pages [begin, end) of one user's history, page p holding the tokens [p * page_tokens, (p + 1) * page_tokens).
struct page_interval
{
  page_count begin = 0;
  page_count end = 0;

  [[nodiscard]] constexpr bool empty() const noexcept { return begin >= end; }
  [[nodiscard]] constexpr page_count size() const noexcept { return empty() ? 0 : end - begin; }
};

/// The pages that hold at least one token of `tokens`.
[[nodiscard]] constexpr page_interval pages_of(token_interval tokens, token_count page_tokens) noexcept
{
  if (tokens.empty()) return {};
  return {tokens.begin / page_tokens, (tokens.end - 1) / page_tokens + 1};
}

}  // namespace kvstrata
