// What was last heard of sequences: by whom a find is answered without asking.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/tiers/redis/format/manifest.hpp>
#include <kvstrata/tiers/redis/topology/back_off.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

struct known_sequence
{
  std::shared_ptr<const manifest> what{};  ///< null: there is nothing
  time_point until{};                      ///< it counts so long
  std::uint64_t seen = 0;                  ///< the newest number heard of
  std::uint64_t lost = 0;                  ///< number of a manifest whose values turned out to be bad
  std::uint64_t life = 0;                  ///< of the newest put from here, and
  std::uint64_t life_seen = 0;             ///< what had been heard of when it began
};

/// So many at most, those last that were used longest ago. Not synchronised. O(1) expected.
class known_sequences
{
 public:
  explicit known_sequences(std::size_t most) : most_(most) {}

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

  /// Null: nothing is known. Valid until the next call.
  [[nodiscard]] known_sequence* find(const sequence_key& key)
  {
    const auto at = places_.find(key);
    if (at == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, at->second);
    return &at->second->second;
  }
  [[nodiscard]] known_sequence& of(const sequence_key& key)
  {
    if (known_sequence* const mine = find(key)) return *mine;
    if (entries_.size() >= most_) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(key, known_sequence{});
    try {
      places_.emplace(key, entries_.begin());
    } catch (...) {
      entries_.pop_front();
      throw;
    }
    return entries_.front().second;
  }

 private:
  struct hash
  {
    [[nodiscard]] std::size_t operator()(const sequence_key& key) const noexcept
    {
      std::uint64_t x = key.id + 0x9e3779b97f4a7c15U * (std::uint64_t{key.space} + 1);
      x = (x ^ x >> 30U) * 0xbf58476d1ce4e5b9U;
      return x ^ x >> 31U;
    }
  };
  using list = std::list<std::pair<sequence_key, known_sequence>>;

  std::size_t most_;
  list entries_;  // the last used first
  boost::unordered_flat_map<sequence_key, list::iterator, hash> places_;
};

}  // namespace kvstrata::redis
