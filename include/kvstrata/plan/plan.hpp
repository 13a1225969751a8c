// What a batch needs done, as plain data, decided before anything moves.
#pragma once

#include <kvstrata/books/exactness.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/observe/events.hpp>
#include <kvstrata/plan/part.hpp>

#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What a request makes of all that is cached of its user. By default it keeps everything.
struct kept_tokens
{
  /// What lies outside is forgotten, in every level, before anything else happens.
  token_interval tokens{0, (std::numeric_limits<token_count>::max)()};
  token_count earlier_until = 0;  ///< kept tokens before it were computed in windows that began earlier
  bool forgets = false;           ///< is anything forgotten?
  bool rewritten = false;         ///< what is not kept was computed from other tokens, or may have been
  bool unproven = false;          ///< the request's fingerprint could not be compared with what is kept: it only reads
  tokens_forgotten forgotten{};   ///< how many tokens that are, and why
};

/// Tokens of a request with one source: the uppermost level that has them, or the model.
struct piece
{
  static constexpr level_index computed = ~level_index{0};

  token_interval tokens;
  level_index source = computed;

  [[nodiscard]] constexpr bool is_computed() const noexcept { return source == computed; }
  /// A level below the slab has them: they are brought up.
  [[nodiscard]] constexpr bool is_fetched() const noexcept { return source != computed && source != 0; }

  friend constexpr bool operator==(const piece&, const piece&) = default;
};

/// What becomes of one request, or of one part of one. Its pieces partition [first_token, history).
struct request_plan
{
  user_id user{};                      ///< or the id of a part's sequence, ...
  std::uint32_t space = 0;             ///< ... where this is not 0
  part_mode mode = part_mode::append;  ///< of scratch all is computed, and nothing kept
  token_count history = 0;
  token_count first_token = 0;  ///< of the window; of a prefetch: the first that the slab shall have
  bool joined = false;          ///< it is one of several parts of a request
  bool own = false;             ///< of replace and read: another lease computes it for all, this one for itself alone
  bool exact = false;           ///< the request wants nothing but exact tokens
  token_count inexact_from =
      all_exact;                  ///< from this token on, what is served came through a lossy copy, or rests on one
  token_count lasting = 0;        ///< a commit keeps [first_token, lasting): all but the volatile tail
  kept_tokens kept{};             ///< of what is cached; the pieces are of it
  std::uint32_t piece_begin = 0;  ///< batch_plan::pieces[piece_begin, piece_end), ascending
  std::uint32_t piece_end = 0;
  std::uint32_t compute_begin = 0;  ///< batch_plan::compute[compute_begin, compute_end) is left to the model
  std::uint32_t compute_end = 0;
  token_interval in_slab{};        ///< the piece that lies in the slab; empty when none does
  bool whole = false;              ///< all of it does, and nothing that the cache knows of the user's tokens changes
  token_count fetched = 0;         ///< tokens that are brought up
  token_interval recomputed = {};  ///< a level has them, but computing them is quicker: left to the model
  page_count pages_forgotten = 0;  ///< pages that the user has and that keep nothing; they are given back first
  page_count pages_taken = 0;      ///< pages beyond those that the user then has

  [[nodiscard]] sequence_key key() const noexcept { return {space, to_number(user)}; }
  [[nodiscard]] token_count computed() const noexcept { return history - first_token - in_slab.size() - fetched; }
};

/// A user who makes room in a level. A user of the batch itself, when the slab has more of them than the request wants:
/// then it goes from the rear, or all of it where it lies apart from the request's history.
struct victim_plan
{
  user_id user{};           ///< or the id of a sequence, ...
  std::uint32_t space = 0;  ///< ... where this is not 0
  level_index level = 0;
  page_count pages = 0;          ///< to shed
  bool rear = false;             ///< from the rear; else from the front
  token_count tokens = 0;        ///< that leave the level with them
  token_count dirty_tokens = 0;  ///< of these, how many no level below has when the plan is made
  bool stale = false;            ///< of an old epoch, or superseded: goes whole, from every level
};

struct batch_plan
{
  std::vector<request_plan> requests;     ///< rows: a request each, or where any has parts, a part each
  std::vector<std::uint32_t> first_rows;  ///< [request] its first row, and at last all rows; empty where none has parts
  std::vector<piece> pieces;              ///< of all requests, one after the other
  std::vector<token_interval> compute;    ///< those that the model computes, of all requests
  std::vector<victim_plan> victims;
  page_count pages_needed = 0;     ///< taken by all requests together
  page_count pages_free = 0;       ///< free before anything is forgotten or evicted
  page_count pages_forgotten = 0;  ///< given back by all requests together

  /// Requests of the batch.
  [[nodiscard]] std::size_t size() const noexcept
  {
    return first_rows.empty() ? requests.size() : first_rows.size() - 1;
  }
  /// Parts of a request: 1 where it has none, for its history.
  [[nodiscard]] std::size_t parts(std::size_t request) const noexcept
  {
    return first_rows.empty() ? 1 : first_rows[request + 1] - first_rows[request];
  }
  /// Where a part of a request stands in `requests`.
  [[nodiscard]] std::size_t row(std::size_t request, std::size_t part = 0) const noexcept
  {
    return first_rows.empty() ? request : first_rows[request] + part;
  }

  [[nodiscard]] std::span<const piece> pieces_of(const request_plan& r) const
  {
    return std::span(pieces).subspan(r.piece_begin, r.piece_end - r.piece_begin);
  }
  /// Of a row.
  [[nodiscard]] std::span<const piece> pieces_of(std::size_t row) const { return pieces_of(requests[row]); }

  [[nodiscard]] std::span<const token_interval> compute_of(const request_plan& r) const
  {
    return std::span(compute).subspan(r.compute_begin, r.compute_end - r.compute_begin);
  }
  [[nodiscard]] std::span<const token_interval> compute_of(std::size_t row) const { return compute_of(requests[row]); }

  /// Of a row's compute list the tokens from the beginning of its window on; empty when that is served, or the row is one of
  /// several parts: what stands before it may be on its way.
  [[nodiscard]] token_interval front_of(std::size_t row) const
  {
    const std::span<const token_interval> all = compute_of(row);
    return all.empty() || requests[row].joined || all.front().begin != requests[row].first_token ? token_interval{}
                                                                                                 : all.front();
  }

  /// Member by member: a plan is handed on with its memory, batch by batch.
  friend void swap(batch_plan& a, batch_plan& b) noexcept
  {
    a.requests.swap(b.requests);
    a.first_rows.swap(b.first_rows);
    a.pieces.swap(b.pieces);
    a.compute.swap(b.compute);
    a.victims.swap(b.victims);
    std::swap(a.pages_needed, b.pages_needed);
    std::swap(a.pages_free, b.pages_free);
    std::swap(a.pages_forgotten, b.pages_forgotten);
  }

  void clear() noexcept
  {
    requests.clear();
    first_rows.clear();
    clear_all_but_requests();
  }
  void clear_all_but_requests() noexcept
  {
    pieces.clear();
    compute.clear();
    victims.clear();
    pages_needed = pages_forgotten = 0;
  }
};

/// Where a request's tokens came from.
struct token_sources
{
  by_level<token_count> from{};  ///< [level] served from there; [0] lay in the slab, the others were brought up
  token_count computed = 0;      ///< left to the model

  /// From all levels below the slab.
  [[nodiscard]] constexpr token_count fetched() const noexcept
  {
    token_count sum = 0;
    for (level_index i = 1; i < most_levels; ++i) sum += from[i];
    return sum;
  }
};

[[nodiscard]] inline token_sources sources_of(std::span<const piece> pieces) noexcept
{
  token_sources out;
  for (const piece& p : pieces) (p.is_computed() ? out.computed : out.from[p.source]) += p.tokens.size();
  return out;
}

}  // namespace kvstrata
