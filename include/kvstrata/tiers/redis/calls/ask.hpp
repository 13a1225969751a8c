// An ask: a sequence's manifest is read, and known from then on for a while.
#pragma once

#include <kvstrata/tiers/redis/calls/cluster_io.hpp>
#include <kvstrata/tiers/redis/calls/read_manifest.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// Books what a server said. The lock is held. Null: there is nothing that counts.
inline std::shared_ptr<const manifest> note_manifest(cluster_core& core, const sequence_key& key,
                                                     std::optional<manifest> what)
{
  known_sequence& mine = core.known.of(key);
  mine.until = core.known_until();
  if (what && what->number < mine.seen) {  // a server that was away, or was made of an old copy
    ++core.counters.older;
    what.reset();
  }
  if (what) mine.seen = what->number;
  const bool has_tokens = what && what->has_tokens();
  const bool can_read = has_tokens && what->codec == core.codec();
  if (has_tokens && !can_read) ++core.counters.foreign;
  mine.what = can_read && what->number != mine.lost ? std::make_shared<const manifest>(*std::move(what)) : nullptr;
  return mine.what;
}

/// Nothing is to be had of a sequence for a while. The lock is held.
inline void note_away(cluster_core& core, const sequence_key& key)
{
  known_sequence& mine = core.known.of(key);
  mine.what = nullptr;
  mine.until = core.away_until();
}

/// Null, and loss::none: there is nothing.
[[nodiscard]] inline loss read_known_sync(cluster_core& core, session& with, const sequence_key& key,
                                          std::shared_ptr<const manifest>& out)
{
  read_state state;
  const loss lost = read_state_sync(core, with, key, state);
  const std::lock_guard lock(core.mutex);
  if (lost != loss::none) {
    note_away(core, key);
    return lost;
  }
  out = note_manifest(core, key, std::move(state.what));
  return loss::none;
}

[[nodiscard]] inline loss ask_sync(cluster_core& core, cluster_io& io)
{
  session with(core.servers, slot_of_sequence(core, io.key), core.request_limit());
  std::shared_ptr<const manifest> what;
  const loss lost = read_known_sync(core, with, io.key, what);
  if (lost == loss::none) ++core.counters.asks;
  return lost;
}

}  // namespace kvstrata::redis
