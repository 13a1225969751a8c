// What is asked of the cache.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/replacement/object_info.hpp>

#include <cstdint>
#include <span>

namespace kvstrata {

/// What a history says, so that the cache can tell when a request contradicts what it holds. prefix_hashes[i] stands
/// for the first (i + 1) * stride tokens; any hash will do, as long as equal prefixes hash equally. The cache compares
/// the newest one that was committed, so a stride of 1 checks every token, and a larger one all but a tail. A request
/// that is shorter than that prefix, or whose stride does not hit its end, is served unchecked.
struct history_fingerprint
{
  token_count stride = 0;                        ///< 0: no fingerprint, nothing is checked
  std::span<const std::uint64_t> prefix_hashes;  ///< at least history_tokens / stride; must live during the call
};

/// One user's turn in a batch.
struct request
{
  user_id user{};
  token_count history_tokens = 0;  ///< the model attends to tokens [0, history_tokens)
  epoch_id epoch{};                ///< the model version that will compute; must be the cache's
  history_fingerprint fingerprint{};
  std::int64_t time_ms = 0;  ///< when it was made; for policies that look at time. 0: not told
  reuse_hint hint{};         ///< what the history says of the user's pace; spans must live during the call
};

}  // namespace kvstrata
