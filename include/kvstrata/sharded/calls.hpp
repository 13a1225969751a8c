// The calls of a sharded cache that go through all shards by turns. What they mean is said where they are declared.
#pragma once

#include <kvstrata/sharded/sharded.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Cache>
std::uint64_t sharded<Cache>::clean(std::uint64_t tokens)
{
  const std::uint32_t begin = next_to_clean_.fetch_add(1, std::memory_order_relaxed);
  std::uint64_t written = 0;
  for (std::uint32_t i = 0; i < shards(); ++i) {
    if (written >= tokens) break;
    const std::uint64_t missing = tokens - written;
    const std::uint64_t left = shards() - i;
    written += shards_[(begin + i) % shards()]->clean(missing / left + (missing % left != 0 ? 1 : 0));
  }
  return written;
}

template <class Cache>
std::uint64_t sharded<Cache>::save_sync(std::chrono::nanoseconds at_most)
  requires(Cache::config::tiers_type::stores != 0)
{
  using clock = std::chrono::steady_clock;
  const clock::time_point began = clock::now();
  at_most = (std::max)(at_most, std::chrono::nanoseconds(0));
  std::uint64_t left_out = 0;
  for (const auto& each : shards_) left_out += each->save_sync(at_most - (clock::now() - began));
  return left_out;
}

template <class Cache>
void sharded<Cache>::close()
{
  const std::lock_guard lock(turning_);
  if (closed_) return;
  for (std::uint32_t i = closing_ ? shards() : 0; i < shards(); ++i) {
    const std::uint64_t open = stats(i).leases;
    if (open != 0) throw usage_error("close: " + std::to_string(open) + " leases are not released yet");
  }
  closing_ = true;
  for (const auto& each : shards_) each->close();
  closed_ = true;
}

template <class Cache>
result<batch_plan> sharded<Cache>::plan(std::span<const request> requests, const batch_note& note)
{
  lease scratch(*this, idle_state());
  state& s = *scratch.state_;
  route(requests, s);
  std::vector<batch_plan> parts;
  parts.reserve(s.shards.size());
  for (const std::uint32_t shard : s.shards) {
    auto part = in(shard, [&](Cache& c) { return c.plan(s.asked[shard], note); });
    if (!part) return part.why();
    parts.push_back(std::move(part).value());
    s.plans[shard] = &parts.back();
  }
  s.merge_plans();
  return s.plan;
}

}  // namespace kvstrata
