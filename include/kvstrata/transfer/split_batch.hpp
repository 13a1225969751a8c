// What a split policy is asked: a batch, for its users share the link and the model.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/interval.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// One user of a batch: who has what of the tokens [first_token, history).
struct split_question
{
  token_count history = 0;
  token_interval in_slab{};  ///< need not be fetched
  token_interval front{};    ///< the first tokens to be fetched, side by side; what lies before them is computed
  token_count behind = 0;  ///< tokens to be fetched whatever is decided: behind the front, or not to be computed again
  std::span<const token_interval> compute{};  ///< what no level has, ascending
  token_count first_token = 0;                ///< what lies before it does not count: nothing attends to it
};

/// Work that a batch finds queued before its own, in seconds of all layers together. Zero where nobody knows.
struct queued_work
{
  double model_seconds = 0;  ///< on the batch's compute stream
  double link_seconds = 0;   ///< copies towards the device
};

/// All users of a batch in the order of the requests, those who fetch nothing, too: their computing hides others' copies.
struct split_batch
{
  std::span<const split_question> users{};
  token_count page_tokens = 1;
  queued_work queued{};
};

namespace detail {

/// Where a user's front is cut when each is computed for `reach` pages from the one where their window begins: a multiple of
/// page_tokens, or an end of the front. So the last tokens of all cost about the same, and no other cuts that compute as many
/// tokens take less computing.
[[nodiscard]] inline token_count cut_at(const split_question& q, std::uint64_t reach, token_count page_tokens) noexcept
{
  const std::uint64_t cut = (q.first_token / page_tokens + reach) * page_tokens;
  return static_cast<token_count>(std::clamp<std::uint64_t>(cut, q.front.begin, q.front.end));
}

/// The last reach that leaves something of a front to be fetched. One more, and all of them are computed.
[[nodiscard]] inline std::uint64_t last_reach(const split_batch& batch) noexcept
{
  std::uint64_t reach = 0;
  for (const split_question& q : batch.users) {
    if (q.front.empty()) continue;
    const token_count pages = (q.front.end - 1) / batch.page_tokens - q.first_token / batch.page_tokens;
    reach = (std::max)(reach, std::uint64_t{pages});
  }
  return reach;
}

/// The smallest reach beyond `reach` with another cut for somebody.
[[nodiscard]] inline std::uint64_t next_reach(const split_batch& batch, std::uint64_t reach) noexcept
{
  std::uint64_t next = (std::numeric_limits<std::uint64_t>::max)();
  for (const split_question& q : batch.users) {
    const token_count here = q.front.empty() ? 0 : cut_at(q, reach, batch.page_tokens);
    if (q.front.empty() || here == q.front.end) continue;
    if (here != q.front.begin) return reach + 1;
    const token_count pages = q.front.begin / batch.page_tokens - q.first_token / batch.page_tokens;
    next = (std::min)(next, pages + std::uint64_t{1});
  }
  return next;
}

/// The cut as a policy tells it: nothing is computed again when it is where the front begins.
[[nodiscard]] inline token_count told(const split_question& q, token_count cut) noexcept
{
  return cut > q.front.begin ? cut : 0;
}

}  // namespace detail

}  // namespace kvstrata
