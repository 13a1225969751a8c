// What is said of the tokens of one sequence in a store, and when two stretches of them are one.
#pragma once

#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/interval.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// One life of a sequence, from its first token on: drawn at random, so that no two processes, now or later, give the same
/// one. Two stretches of tokens belong together if they are of one incarnation, and else never.
enum class incarnation_id : std::uint64_t {};

[[nodiscard]] constexpr std::uint64_t to_number(incarnation_id id) noexcept { return static_cast<std::uint64_t>(id); }

/// What the bytes of a record mean: KV of another shape, page or format has another number, and is nobody's.
enum class kv_format : std::uint64_t {};

[[nodiscard]] constexpr kv_format format_of(const geometry& shape, token_count page_tokens) noexcept
{
  constexpr std::uint64_t version = 1;  // pages in order, in each its layers
  std::uint64_t x = version;
  for (const std::uint64_t part :
       {std::uint64_t{shape.layers}, std::uint64_t{shape.kv_heads}, std::uint64_t{shape.head_dim},
        static_cast<std::uint64_t>(shape.element), std::uint64_t{page_tokens}}) {
    x = (x ^ part) * 0x9e3779b97f4a7c15U;
    x ^= x >> 29U;
  }
  return static_cast<kv_format>(x);
}

/// Kept beside the bytes of every record. The bytes are those of the pages that hold `tokens`, one after the other, in each
/// its layers; of a page that they fill in part the rest means nothing.
struct record_header
{
  incarnation_id incarnation{};
  epoch_id epoch{};
  kv_format format{};
  token_count page_tokens = 1;
  token_interval tokens;
  token_count first_token = 0;     ///< where the sequence's window began
  token_count earlier_until = 0;   ///< tokens before it were computed in windows that began earlier
  token_count vouched_tokens = 0;  ///< the newest prefix that a fingerprint vouched for
  std::uint64_t vouched_hash = 0;
  token_count stretch_stride = 0;  ///< of the newest stretch that one vouched for; 0: none did
  token_count stretch_end = 0;     ///< the stretch behind it
  std::uint64_t stretch_hash = 0;
  /// Tokens of the life from there on came through a lossy copy, or rest on one; the store's own code does not count.
  token_count inexact_from = (std::numeric_limits<token_count>::max)();
  std::uint64_t version = 0;  ///< of the tokens; of an append part what they stand on
  bool atomic = false;        ///< of a replace or read part: of use as a whole or not at all

  [[nodiscard]] constexpr page_interval pages() const noexcept { return pages_of(tokens, page_tokens); }
  friend constexpr bool operator==(const record_header&, const record_header&) = default;
};

/// Bytes of a record in memory that a device's copies address.
struct io_piece
{
  std::byte* data = nullptr;
  std::size_t bytes = 0;
};

/// May the tokens of both be one interval, however far apart they lie?
[[nodiscard]] constexpr bool same_life(const record_header& a, const record_header& b) noexcept
{
  return a.incarnation == b.incarnation && a.epoch == b.epoch && a.format == b.format && a.page_tokens == b.page_tokens;
}

/// What becomes of a record when another of the same sequence is put.
struct record_union
{
  token_interval tokens;     ///< that it has then
  page_interval from_fresh;  ///< pages that come from the new one; those of `tokens` besides stay as they are
};

namespace detail {

/// Settles who gives the page that the new record fills in part. True: the new one does.
constexpr bool fresh_gives(page_count page, token_interval old, token_interval fresh, token_count page_tokens,
                           token_interval& all) noexcept
{
  const token_interval whole{page * page_tokens, (page + 1) * page_tokens};
  const token_interval had = intersect(old, whole);
  const token_interval has = intersect(fresh, whole);
  if (had.contains(has) && !had.empty()) return false;
  if (has.contains(had)) return true;
  // Each has tokens there that the other lacks, and a page is of one of them.
  if (had.begin < has.begin) all.begin = has.begin;
  if (had.end > has.end) all.end = has.end;
  return true;
}

}  // namespace detail

/// Joins a record and one that was put after it. Of another life, or where there is a gap between them, the new one stands
/// for itself, and what was there is gone. O(1).
[[nodiscard]] constexpr record_union join(const record_header& old, const record_header& fresh) noexcept
{
  record_union out{fresh.tokens, fresh.pages()};
  if (!same_life(old, fresh) || old.tokens.empty() || fresh.tokens.empty() || !joinable(old.tokens, fresh.tokens)) {
    return out;
  }
  out.tokens = hull(old.tokens, fresh.tokens);
  const page_count first = out.from_fresh.begin;
  const page_count last = out.from_fresh.end - 1;
  const bool gives_first = detail::fresh_gives(first, old.tokens, fresh.tokens, fresh.page_tokens, out.tokens);
  const bool gives_last =
      first == last ? gives_first : detail::fresh_gives(last, old.tokens, fresh.tokens, fresh.page_tokens, out.tokens);
  if (!gives_first) ++out.from_fresh.begin;
  if (!gives_last && first != last) --out.from_fresh.end;
  return out;
}

}  // namespace kvstrata
