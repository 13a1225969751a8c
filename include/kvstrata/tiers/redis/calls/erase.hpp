// An erasure: the values go, so that nobody gets them who knows of them; then a manifest without tokens takes the place of what
// was there, and holds off puts of who has not heard of it.
#pragma once

#include <kvstrata/tiers/redis/books/join_put.hpp>
#include <kvstrata/tiers/redis/calls/ask.hpp>
#include <kvstrata/tiers/redis/calls/read_manifest.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// loss::none: nothing of it is found again, by any process.
[[nodiscard]] inline loss erase_sync(cluster_core& core, const sequence_key& key)
{
  session with(core.servers, slot_of_sequence(core, key), core.request_limit());
  read_state state;
  if (const loss lost = read_state_sync(core, with, key, state); lost != loss::none) return lost;
  constexpr int most_tries = 8;
  for (int i = 0; i < most_tries; ++i) {
    std::uint64_t seen = 0;
    {
      const std::lock_guard lock(core.mutex);
      seen = core.known.of(key).seen;
    }
    const std::optional<manifest> before = state.what;
    if (before && before->has_tokens()) {
      if (const loss lost = unlink_sync(core, with, *before, before->puts); lost != loss::none) return lost;
    }
    const manifest none = erased(before, key, (std::max)(state.number, seen + 1));
    bool changed = false;
    if (const loss lost = change_sync(core, with, key, state, none, core.config.erased_seconds, changed);
        lost != loss::none) {
      return lost;
    }
    if (!changed) continue;
    if (!with.replicated_sync()) return loss::timeout;  // a replica that takes over would bring it back
    const std::lock_guard lock(core.mutex);
    known_sequence& mine = core.known.of(key);
    mine.seen = (std::max)(mine.seen, none.number);
    mine.life = 0;  // what is put from here on has heard of it
    mine.what = nullptr;
    mine.until = core.known_until();
    ++core.counters.erasures;
    return loss::none;
  }
  return loss::timeout;
}

/// Carries out an erasure that waits, if one does, or waits for who does. False: it has not reached the cluster.
[[nodiscard]] inline bool settle_erasure_sync(cluster_core& core, const sequence_key& key) noexcept
{
  std::unique_lock lock(core.mutex);
  const time_limit limit = core.request_limit();
  for (;;) {
    waiting_erasure* mine = core.erasure_of(key);
    if (mine == nullptr) return true;
    if (mine->under_way) {
      if (limit.is_over()) return false;
      core.erasure_over.wait_for(lock, std::chrono::milliseconds(limit.slice()));
      continue;
    }
    mine->under_way = true;
    mine->again = false;
    lock.unlock();
    loss lost = loss::io_error;
    try {
      lost = erase_sync(core, key);
    } catch (const std::exception&) {  // no memory: later
    }
    lock.lock();
    mine = core.erasure_of(key);
    mine->under_way = false;
    const bool over = lost == loss::none && !mine->again;
    if (over) core.erasures.erase(core.erasures.begin() + (mine - core.erasures.data()));
    core.erasure_over.notify_all();
    if (lost != loss::none) return false;
    if (over) return true;
  }
}

}  // namespace kvstrata::redis
