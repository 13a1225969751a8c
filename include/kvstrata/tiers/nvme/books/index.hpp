// Where the records of a store lie, in memory: 32 bytes a record, whatever its key and its header on disk say.
//
// Keys are not kept, only the bits of a hash: a bucket, and a tag of 32. Two sequences may have both in common, one
// pair in 2^32 times the buckets. Then what is found of one may be a record of the other, which its head on disk tells;
// and what is erased of one is gone of the other, too, until the store is opened again.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/interval.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// What is known of a record without reading its head.
struct index_entry
{
  std::uint32_t life = 0;   ///< the low half of life_of its header
  std::uint32_t block = 0;  ///< of its head, in the medium: what it is told by
  token_interval tokens{};
  std::uint8_t hits = 0;  ///< up to 255
  bool durable = false;

  friend constexpr bool operator==(const index_entry&, const index_entry&) = default;
};

/// The bits of a key that an index keeps: the upper half chooses a bucket, the lower one is the tag.
struct key_bits
{
  [[nodiscard]] constexpr std::uint64_t operator()(const sequence_key& key) const noexcept
  {
    std::uint64_t x = key.id + 0x9e3779b97f4a7c15U * (std::uint64_t{key.space} + 1);
    x = (x ^ x >> 30U) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27U) * 0x94d049bb133111ebU;
    return x ^ x >> 31U;
  }
};

/// Not synchronised. Nothing is allocated after construction. What is said of a key is O(1) expected, and O(records of
/// it). What is handed in (visit, newer, gone) throws nothing, and does not call back to change the index.
template <class KeyBits = key_bits>
class basic_record_index
{
 public:
  /// Takes address space for so many records; memory as they come. Throws config_error for none, capacity_error where
  /// it cannot be had.
  explicit basic_record_index(std::uint32_t most_records) : capacity_(most_records)
  {
    if (most_records == 0 || most_records == (std::numeric_limits<std::uint32_t>::max)()) {
      throw config_error("most_records", most_records, "an index is for at least 1 record, and less than 2^32 - 1");
    }
    // Zeros are an empty index; of large allocations they are pages that nobody has touched.
    buckets_.reset(static_cast<std::uint32_t*>(std::calloc(capacity_, sizeof(std::uint32_t))));
    nodes_.reset(static_cast<node*>(std::calloc(capacity_, sizeof(node))));
    if (!buckets_ || !nodes_) {
      throw capacity_error("an index of " + std::to_string(most_records) + " records needs " + std::to_string(bytes()) +
                           " bytes, which cannot be had");
    }
  }

  /// Keeps a record. newer(a, b) of two blocks: was what lies at `a` put after what lies at `b`? Its answer stays the
  /// same as long as both are here, and a block is here at most once. False: the index is full, and nothing has
  /// changed.
  template <class Newer>
  [[nodiscard]] bool insert(const sequence_key& key, const index_entry& entry, Newer newer) noexcept
  {
    if (free_ == 0 && used_ == capacity_) return false;
    const place at = place_of(key);
    number* link = at.bucket;
    while (*link != 0 && (node_of(*link).tag != at.tag || newer(node_of(*link).entry.block, entry.block))) {
      link = &node_of(*link).next;
    }
    number mine = free_;
    if (mine != 0) free_ = node_of(mine).next;
    else mine = ++used_;
    node_of(mine) = {entry, at.tag, *link};
    *link = mine;
    ++size_;
    return true;
  }

  /// The records of a sequence, the newest first, until `visit` returns false, if it returns anything. It may change
  /// life, tokens, hits and durable of what it is shown, not the block.
  template <class Visit>
  void for_each_of(const sequence_key& key, Visit visit) noexcept
  {
    const place at = place_of(key);
    for (number n = *at.bucket; n != 0; n = node_of(n).next) {
      if (node_of(n).tag == at.tag && !goes_on(visit, node_of(n).entry)) return;
    }
  }
  template <class Visit>
  void for_each_of(const sequence_key& key, Visit visit) const noexcept
  {
    const place at = place_of(key);
    for (number n = *at.bucket; n != 0; n = node_of(n).next) {
      if (node_of(n).tag == at.tag && !goes_on(visit, std::as_const(node_of(n).entry))) return;
    }
  }

  /// The record of this sequence at this block; null: it is not there. Valid until the index is changed.
  [[nodiscard]] index_entry* find(const sequence_key& key, std::uint32_t block) noexcept
  {
    index_entry* found = nullptr;
    for_each_of(key, [&](index_entry& entry) noexcept {
      if (entry.block == block) found = &entry;
      return found == nullptr;
    });
    return found;
  }
  /// It was got.
  void hit(const sequence_key& key, std::uint32_t block) noexcept
  {
    index_entry* const entry = find(key, block);
    if (entry != nullptr && entry->hits != (std::numeric_limits<std::uint8_t>::max)()) ++entry->hits;
  }
  void mark_durable(const sequence_key& key, std::uint32_t block) noexcept
  {
    if (index_entry* const entry = find(key, block); entry != nullptr) entry->durable = true;
  }

  /// False: it was not there.
  bool remove(const sequence_key& key, std::uint32_t block) noexcept
  {
    return remove_if(key, [block](const index_entry& entry) noexcept { return entry.block == block; }) != 0;
  }
  /// Those of the sequence that `gone` says. How many they were.
  template <class Gone>
  std::uint32_t remove_if(const sequence_key& key, Gone gone) noexcept
  {
    const place at = place_of(key);
    return unlink(at.bucket, [&](const node& one) { return one.tag == at.tag && gone(one.entry); });
  }
  /// All of the sequence. How many they were.
  std::uint32_t erase(const sequence_key& key) noexcept
  {
    return remove_if(key, [](const index_entry&) noexcept { return true; });
  }
  /// Those of any sequence. O(capacity).
  template <class Gone>
  std::uint32_t remove_all_if(Gone gone) noexcept
  {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i != capacity_ && size_ != 0; ++i) {
      count += unlink(buckets_.get() + i, [&](const node& one) { return gone(one.entry); });
    }
    return count;
  }

  /// All, those of a sequence newest first. O(capacity).
  template <class Visit>
  void for_each(Visit visit) const noexcept
  {
    for (std::uint32_t i = 0; i != capacity_; ++i) {
      for (number n = buckets_.get()[i]; n != 0; n = node_of(n).next) visit(std::as_const(node_of(n).entry));
    }
  }

  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }  ///< records
  [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }
  /// Of address space. In memory is, page by page, what was ever touched.
  [[nodiscard]] std::size_t bytes() const noexcept { return capacity_ * (sizeof(node) + sizeof(number)); }

 private:
  using number = std::uint32_t;  // of a node, from 1 on; 0: none

  struct node
  {
    index_entry entry;
    std::uint32_t tag;
    number next;  // in its bucket, or of those that are free
  };
  static_assert(sizeof(node) == 28 && std::is_trivially_copyable_v<node>);

  struct place
  {
    number* bucket = nullptr;
    std::uint32_t tag = 0;
  };

  struct freed
  {
    void operator()(void* memory) const noexcept { std::free(memory); }
  };

  [[nodiscard]] place place_of(const sequence_key& key) const noexcept
  {
    const std::uint64_t bits = KeyBits{}(key);
    return {buckets_.get() + ((bits >> 32U) * capacity_ >> 32U), static_cast<std::uint32_t>(bits)};
  }
  [[nodiscard]] node& node_of(number n) const noexcept { return nodes_.get()[n - 1]; }

  template <class Visit, class Entry>
  [[nodiscard]] static bool goes_on(Visit& visit, Entry& entry) noexcept
  {
    if constexpr (std::is_void_v<decltype(visit(entry))>) return visit(entry), true;
    else return visit(entry);
  }

  template <class Gone>
  std::uint32_t unlink(number* link, Gone gone) noexcept
  {
    std::uint32_t count = 0;
    while (*link != 0) {
      const number n = *link;
      node& one = node_of(n);
      if (!gone(std::as_const(one))) {
        link = &one.next;
        continue;
      }
      *link = one.next;
      one.next = free_;
      free_ = n;
      ++count;
    }
    size_ -= count;
    return count;
  }

  std::uint32_t capacity_ = 0;
  std::uint32_t size_ = 0;
  number used_ = 0;  // nodes that ever were; those behind are zeros
  number free_ = 0;  // of those, the first that is not any more
  std::unique_ptr<number, freed> buckets_;
  std::unique_ptr<node, freed> nodes_;
};

using record_index = basic_record_index<>;

}  // namespace kvstrata::nvme
