// What is asked of the cache.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/plan/fingerprint.hpp>
#include <kvstrata/plan/part.hpp>
#include <kvstrata/replacement/object_info.hpp>

#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What becomes of a request whose fingerprint contradicts what is cached.
enum class rewritten_history : std::uint8_t {
  refuse,  ///< history_error: histories are append-only
  start_anew,  ///< what was computed from other tokens is forgotten, and computed anew in the same call; of a replace or read
               ///< part refused all the same: what is changed has another version
};

/// One user's turn in a batch. The model attends to the window [first_token, history_tokens); token numbers, positions
/// and intervals count from the beginning of the history all the same.
///
/// A window may move on from request to request: what lies before it is neither served nor kept. Row i of the KV then is
/// what a pass gives in which it sees [w(i), i], w(i) being the first_token of the request that computed it. A window
/// that begins earlier than the last one did starts anew: rows that saw less are of no use to it.
///
/// A request may be made of parts instead, each a sequence of its own: then `user` says who asks (and, of several shards,
/// which), and what the request itself says of tokens (history_tokens, first_token, volatile_tail, both fingerprints,
/// provisional) says nothing and must be left out.
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
  /// cache.outcome(lease.ticket(request)) says kept. Where that cannot be, as where another request of the batch has parts,
  /// prepare says pressure::arriving as ever.
  bool provisional = false;
  /// Nothing of it may have come through a lossy copy: what did, and what was computed on top of that, is forgotten, and computed
  /// anew. Means something only where a tier of the cache is lossy (codec/concepts.hpp).
  bool exact = false;
  std::span<const part> parts{};  ///< empty: the user's history is all there is. Must live during the call
};

/// The sequence that a request without parts, or of one part, is about: the cache plans such requests alone.
[[nodiscard]] constexpr sequence_key key_of(const request& r) noexcept
{
  return r.parts.empty() ? key_of(r.user) : r.parts.front().key;
}
[[nodiscard]] constexpr part_mode mode_of(const request& r) noexcept
{
  return r.parts.empty() ? part_mode::append : r.parts.front().mode;
}
/// May a part that another lease computes be computed here as well?
[[nodiscard]] constexpr bool computes_own(const request& r) noexcept
{
  return !r.parts.empty() && r.parts.front().if_computed_elsewhere == computed_elsewhere::compute_own;
}
/// Of what is cached only tokens of this version are of use.
[[nodiscard]] constexpr std::uint64_t version_of(const request& r) noexcept
{
  return r.parts.empty() ? 0 : r.parts.front().version;
}

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
