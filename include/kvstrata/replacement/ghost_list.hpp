// A bounded memory of keys that left: who is in it was here not long ago.
//
//   remember:    the key becomes the youngest of a list
//   take:        is the key remembered? If so, forgets it and says what was known of it
//   forget:      the oldest of a list goes
//
// Policies that tell objects that come back from new ones keep their ghosts here. Several lists may share the slots and
// the index, so that one look finds out in which of them a key is. A ghost remembers how many bytes the object had:
// a tier's objects differ in size, and a memory of "as much as fits into half of the tier" must be counted in bytes.
//
// All in one array that is allocated at construction: the lists run through it as 32-bit indices, as do the chains of
// the index, of which there are four for each key: a wrong guess at a chain's end costs more than the rest. Every
// operation O(1), `take` and `forget` on average.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What a ghost knows beside its size, when that is nothing.
struct no_note
{
};

/// `Lists` lists of ghosts in common slots. Note: what is known of a key beside its bytes. Not synchronised.
template <std::uint32_t Lists = 1, class Note = no_note>
class ghost_list
{
  static_assert(Lists > 0);
  static_assert(std::is_trivially_copyable_v<Note>);

 public:
  struct ghost
  {
    std::uint64_t bytes = 0;
    std::uint32_t list = 0;
    [[no_unique_address]] Note note{};
  };

  /// Room for so many keys in all lists together, though never for more than 2^30: 40 bytes a key and the note, and 4
  /// more where an object may take more than `most_in_one` bytes. None takes more than `largest`, or it counts as that. Throws
  /// std::bad_alloc.
  ghost_list(std::uint64_t slots, std::uint64_t largest)
      : slots_(static_cast<std::uint32_t>((std::min)(slots, std::uint64_t{1} << 30U))),
        chains_(chains_a_key * (std::max)(slots_, 1U)),
        largest_(largest),
        heads_(std::make_unique<std::uint32_t[]>(chains_)),
        nodes_(new node[std::size_t{slots_} + Lists]),
        upper_(largest > most_in_one ? new std::uint32_t[std::size_t{slots_} + Lists] : nullptr),
        unused_(Lists)
  {
    for (std::uint32_t list = 0; list < Lists; ++list) nodes_[list].older = nodes_[list].younger = list;
  }

  /// Keys that are remembered.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint64_t slots() const noexcept { return slots_; }
  [[nodiscard]] bool empty(std::uint32_t list = 0) const noexcept { return nodes_[list].younger == list; }
  /// What the keys of a list were remembered with, summed.
  [[nodiscard]] std::uint64_t bytes(std::uint32_t list = 0) const noexcept { return bytes_[list]; }

  /// The oldest of a list, which must not be empty.
  [[nodiscard]] ghost oldest(std::uint32_t list = 0) const noexcept { return known_of(nodes_[list].younger); }

  /// The key becomes the youngest of `list`. When there is no slot, the oldest of that list is forgotten for it, or the
  /// oldest of another when that list is empty. A key that is remembered twice has two ghosts: take it first.
  void remember(std::uint64_t key, std::uint64_t bytes, std::uint32_t list = 0, const Note& note = {}) noexcept
  {
    if (slots_ == 0) return;
    if (size_ == slots_) {
      std::uint32_t from = list;
      while (empty(from)) from = from + 1 == Lists ? 0 : from + 1;
      forget(from);
    }
    const std::uint32_t at = free_ != none ? free_ : unused_++;
    node& one = nodes_[at];
    if (free_ != none) free_ = one.next;
    std::uint32_t& head = head_of(key);
    const std::uint32_t youngest = nodes_[list].older;
    bytes = (std::min)(bytes, largest_);
    one.key = key;
    one.size = static_cast<std::uint32_t>(bytes << list_bits) | list;
    if (upper_ != nullptr) upper_[at] = static_cast<std::uint32_t>(bytes >> (32U - list_bits));
    one.note = note;
    one.next = head;
    one.older = youngest;
    one.younger = list;
    nodes_[youngest].younger = at;
    nodes_[list].older = at;
    head = at;
    bytes_[list] += bytes;
    ++size_;
  }

  /// The same, for policies that may be told to keep hooks instead (ghost_hooks).
  template <class Hook>
  void remember(Hook&, std::uint64_t key, std::uint64_t bytes, std::uint32_t list = 0) noexcept
  {
    remember(key, bytes, list);
  }

  /// What is known of the key; empty when it is not remembered.
  [[nodiscard]] std::optional<ghost> find(std::uint64_t key) const noexcept
  {
    const std::uint32_t at = *link_to(key);
    return at == none ? std::nullopt : std::optional(known_of(at));
  }

  /// The same, and forgets it.
  std::optional<ghost> take(std::uint64_t key) noexcept
  {
    std::uint32_t* const link = link_to(key);
    if (*link == none) return std::nullopt;
    const ghost found = known_of(*link);
    erase(link);
    return found;
  }

  /// Forgets the oldest of a list until it remembers at most so many bytes.
  void limit(std::uint64_t bytes, std::uint32_t list = 0) noexcept
  {
    while (bytes_[list] > bytes) forget(list);
  }

  /// Forgets the oldest of a list, which must not be empty.
  void forget(std::uint32_t list = 0) noexcept
  {
    const std::uint32_t at = nodes_[list].younger;
    std::uint32_t* link = &head_of(nodes_[at].key);
    while (*link != at) link = &nodes_[*link].next;
    erase(link);
  }

 private:
  static constexpr std::uint32_t none = 0;  // node 0 ends list 0: it is never in a chain
  static constexpr std::uint32_t chains_a_key = 4;
  static constexpr std::uint32_t list_bits = std::bit_width(Lists - 1);
  static constexpr std::uint64_t most_in_one = (std::numeric_limits<std::uint32_t>::max)() >> list_bits;

  /// The first `Lists` nodes are the ends of the lists: their `younger` is the oldest, their `older` the youngest.
  struct node
  {
    std::uint64_t key;
    std::uint32_t next;  // in the chain of its bucket, or among the free
    std::uint32_t older;
    std::uint32_t younger;
    std::uint32_t size;  // in bytes, the lower part of it, and below that which list it is in
    [[no_unique_address]] Note note;
  };

  [[nodiscard]] std::uint32_t& head_of(std::uint64_t key) const noexcept
  {
    return heads_[(key * 0x9e3779b97f4a7c15U >> 32U) * chains_ >> 32U];
  }

  /// The link of a chain that leads to the key, or the one at the chain's end.
  [[nodiscard]] std::uint32_t* link_to(std::uint64_t key) const noexcept
  {
    std::uint32_t* link = &head_of(key);
    while (*link != none && nodes_[*link].key != key) link = &nodes_[*link].next;
    return link;
  }

  [[nodiscard]] std::uint32_t list_of(std::uint32_t at) const noexcept
  {
    return nodes_[at].size & ((1U << list_bits) - 1);
  }
  [[nodiscard]] std::uint64_t bytes_of(std::uint32_t at) const noexcept
  {
    const std::uint64_t lower = nodes_[at].size >> list_bits;
    return upper_ == nullptr ? lower : lower | std::uint64_t{upper_[at]} << (32U - list_bits);
  }
  [[nodiscard]] ghost known_of(std::uint32_t at) const noexcept { return {bytes_of(at), list_of(at), nodes_[at].note}; }

  /// Takes out what `*link`, a link of its chain, points to.
  void erase(std::uint32_t* link) noexcept
  {
    const std::uint32_t at = *link;
    node& one = nodes_[at];
    *link = one.next;
    nodes_[one.older].younger = one.younger;
    nodes_[one.younger].older = one.older;
    bytes_[list_of(at)] -= bytes_of(at);
    --size_;
    one.next = free_;
    free_ = at;
  }

  std::uint32_t slots_;
  std::uint32_t chains_;
  std::uint64_t largest_;
  std::unique_ptr<std::uint32_t[]> heads_;  // [chains_]: the first node of each
  std::unique_ptr<node[]> nodes_;           // [Lists + slots_]
  std::unique_ptr<std::uint32_t[]> upper_;  // [Lists + slots_], of bytes; null where all are most_in_one
  std::uint32_t unused_;                    // nodes from here on were never used
  std::uint32_t free_ = none;
  std::uint64_t size_ = 0;
  std::array<std::uint64_t, Lists> bytes_{};
};

}  // namespace kvstrata
