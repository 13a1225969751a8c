// What is asked of the cache.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/replacement/object_info.hpp>

#include <cstdint>
#include <span>

namespace kvstrata {

/// What a history says, so that the cache can tell when a request contradicts what it holds. prefix_hashes[i] stands
/// for the first (i + 1) * stride tokens; any hash will do, as long as equal prefixes hash equally. The cache compares
/// the newest one that was committed, so a stride of 1 checks every token, and a larger one all but a tail. A request
/// that is shorter than that prefix, or whose stride does not hit its end, cannot be compared: it is served unchecked, but
/// only if all that it would leave in the cache is there already; else it starts anew, so that rows of two histories never
/// stand side by side.
struct history_fingerprint
{
  token_count stride = 0;                        ///< 0: no fingerprint, nothing is checked
  std::span<const std::uint64_t> prefix_hashes;  ///< at least history_tokens / stride; must live during the call
};

/// The same for callers who have only the newest events of a history. Stretch s is the tokens [s * stride,
/// (s + 1) * stride), counted from the beginning of the history; hashes[i] stands for the tokens of the i-th stretch
/// that begins at first_token or behind it, and for no others. The cache keeps the newest of these that were committed
/// (`kept_stretches` of its configuration says how many), and compares those that the request has, too. Where none is in
/// both, or their strides differ, the request cannot be compared (above). Tokens behind the last whole stretch are not
/// checked.
struct stretch_fingerprint
{
  token_count stride = 0;                 ///< 0: no fingerprint, nothing is checked
  std::span<const std::uint64_t> hashes;  ///< of all whole stretches in the window; must live during the call
};

/// What becomes of a request whose fingerprint contradicts what is cached.
enum class rewritten_history : std::uint8_t {
  refuse,      ///< history_error: histories are append-only
  start_anew,  ///< what was computed from other tokens is forgotten, and computed anew in the same call
};

/// One user's turn in a batch. The model attends to the window [first_token, history_tokens); token numbers, positions
/// and intervals count from the beginning of the history all the same.
///
/// A window may move on from request to request: what lies before it is neither served nor kept. Row i of the KV then is
/// what a pass gives in which it sees [w(i), i], w(i) being the first_token of the request that computed it. A window
/// that begins earlier than the last one did starts anew: rows that saw less are of no use to it.
struct request
{
  user_id user{};
  token_count history_tokens = 0;  ///< of the whole history, whatever the window is
  epoch_id epoch{};                ///< the model version that will compute; must be the cache's
  history_fingerprint fingerprint{};
  std::int64_t time_ms = 0;       ///< when it was made; for policies that look at time. 0: not told
  reuse_hint hint{};              ///< what the history says of the user's pace; spans must live during the call
  token_count first_token = 0;    ///< where the window begins; at most history_tokens
  token_count volatile_tail = 0;  ///< the last so many tokens are computed at every request and never served: for
                                  ///< models whose last rows depend on what comes next, or on when they are asked
  stretch_fingerprint stretches{};
  rewritten_history if_rewritten = rewritten_history::refuse;
  /// Opt in: where what a store has of the user is still on its way, the lease begins all the same, and its layers wait for
  /// it. Until it has come nothing of the request is served to anybody else; the server answers it only when
  /// cache.outcome(lease.ticket(request)) says kept. Where that cannot be, prepare says pressure::arriving as ever.
  bool provisional = false;
  /// Nothing of it may have come through a lossy copy: what did, and what was computed on top of that, is forgotten, and computed
  /// anew. Means something only where a tier of the cache is lossy (codec/concepts.hpp).
  bool exact = false;
};

[[nodiscard]] constexpr bool has_fingerprint(const request& r) noexcept
{
  return r.fingerprint.stride != 0 || r.stretches.stride != 0;
}

/// The tokens that the model attends to.
[[nodiscard]] constexpr token_interval window_of(const request& r) noexcept
{
  return {r.first_token, r.history_tokens};
}

/// Of these, the ones that a commit keeps.
[[nodiscard]] constexpr token_interval lasting_tokens(const request& r) noexcept
{
  const token_interval all = window_of(r);
  return {all.begin, all.end - (r.volatile_tail < all.size() ? r.volatile_tail : all.size())};
}

/// The stretches [begin, end) that lie in `tokens` as a whole.
[[nodiscard]] constexpr token_interval whole_stretches(token_interval tokens, token_count stride) noexcept
{
  return {tokens.begin / stride + (tokens.begin % stride != 0 ? 1 : 0), tokens.end / stride};
}

}  // namespace kvstrata
