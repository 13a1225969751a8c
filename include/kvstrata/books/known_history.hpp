// What is known of a user's history itself, of those whose requests have told: fingerprints, and where windows begin.
#pragma once

#include <kvstrata/core/interval.hpp>

#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The newest prefix that a user's fingerprint vouched for.
struct vouched_prefix
{
  token_count tokens = 0;
  std::uint64_t hash = 0;
};

/// The newest stretches that a user's fingerprints vouched for, side by side.
struct vouched_stretches
{
  token_count stride = 0;
  token_count end = 0;                ///< the stretch behind the newest
  std::vector<std::uint64_t> hashes;  ///< ascending

  /// The stretches that they are of.
  [[nodiscard]] token_interval covered() const noexcept { return {end - static_cast<token_count>(hashes.size()), end}; }
};

/// Most users have none of this: whoever sends neither fingerprints nor windows nor versions costs nothing for it.
struct known_history
{
  vouched_prefix vouched;
  vouched_stretches stretches;
  token_count first_token = 0;    ///< of the last request: nothing before it is here
  token_count earlier_until = 0;  ///< tokens before it were computed in windows that began earlier
  std::uint64_t version = 0;      ///< of the tokens; of an append part what they stand on, in one number
};

}  // namespace kvstrata
