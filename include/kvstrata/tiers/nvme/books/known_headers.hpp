// What a store has been told of sequences: the newest header of so many, in memory.
#pragma once

#include <kvstrata/tiers/nvme/books/region_book.hpp>
#include <kvstrata/tiers/stores/record.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

struct sequence_hash
{
  [[nodiscard]] std::size_t operator()(const sequence_key& key) const noexcept
  {
    std::uint64_t x = (key.id ^ (std::uint64_t{key.space} << 32U)) * 0x9e3779b97f4a7c15U;
    x ^= x >> 32U;
    return x * 0x9e3779b97f4a7c15U;
  }
};

/// A header counts as long as the record that it came with is the newest of its sequence. Not synchronised. O(1).
class known_headers
{
 public:
  explicit known_headers(std::size_t most) : most_(most) {}

  struct known
  {
    block_number head = 0;
    bool others = false;  ///< the record there turned out to be another sequence's
    record_header header{};
  };

  /// Of the sequence whose newest record is at `head`; null when that must be asked.
  [[nodiscard]] const known* find(const sequence_key& key, block_number head) const
  {
    const auto at = map_.find(key);
    return at == map_.end() || at->second.head != head ? nullptr : &at->second;
  }

  /// Forgets another when there are too many: one after the other, in the order they came.
  void set(const sequence_key& key, const known& what)
  {
    if (const auto at = map_.find(key); at != map_.end()) {
      at->second = what;
      return;
    }
    if (ring_.size() < most_) {
      ring_.push_back(key);
    } else {
      map_.erase(ring_[hand_]);
      ring_[hand_] = key;
      hand_ = (hand_ + 1) % ring_.size();
    }
    map_.emplace(key, what);
  }

  /// The record there is not the newest any more, or never was. noexcept.
  void forget(const sequence_key& key) noexcept
  {
    const auto at = map_.find(key);
    if (at != map_.end()) at->second.head = none;
  }

  [[nodiscard]] std::size_t size() const noexcept { return map_.size(); }

 private:
  static constexpr block_number none = ~block_number{0};

  std::size_t most_;
  std::size_t hand_ = 0;
  std::vector<sequence_key> ring_;
  boost::unordered_flat_map<sequence_key, known, sequence_hash> map_;
};

}  // namespace kvstrata::nvme
