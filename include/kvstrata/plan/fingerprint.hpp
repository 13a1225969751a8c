// What a request tells of the history that its tokens are of.
#pragma once

#include <kvstrata/core/ids.hpp>

#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

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

}  // namespace kvstrata
