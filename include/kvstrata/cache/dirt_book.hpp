// Which users have tokens that only the device has, the coldest first, and how many tokens that are.
#pragma once

#include <kvstrata/cache/entry.hpp>
#include <kvstrata/core/interval.hpp>

#include <cstdint>

namespace kvstrata {

/// The users stand in the order of their last commit, so that a cleaner finds the coldest at once, however many clean
/// users there are. O(1) a call. Entries leave the line by themselves when they go. Not synchronised.
template <class Entry>
class dirt_book
{
 public:
  dirt_book() = default;
  dirt_book(const dirt_book&) = delete;
  dirt_book& operator=(const dirt_book&) = delete;
  ~dirt_book() { line_.clear(); }

  /// Tokens of live users that only the device has.
  [[nodiscard]] std::uint64_t tokens() const noexcept { return tokens_; }

  /// The entry's intervals have changed.
  void note(Entry& e, bool live) noexcept
  {
    if (!live) {  // not counted any more
      e.dirty = 0;
      e.dirty_place.unlink();
      return;
    }
    const token_count now = e.device.tokens.size() - intersect(e.device.tokens, e.lower.tokens).size();
    tokens_ += std::uint64_t{now} - e.dirty;
    e.dirty = now;
    if (now == 0) e.dirty_place.unlink();
    else if (!e.dirty_place.is_linked()) join(e);
  }

  /// The entry's user was served: they are the warmest now.
  void warm(Entry& e) noexcept
  {
    if (!e.dirty_place.is_linked()) return;
    e.dirty_place.unlink();
    join(e);
  }

  /// The entry, which was live, goes.
  void forget(Entry& e) noexcept
  {
    tokens_ -= e.dirty;
    e.dirty = 0;
    e.dirty_place.unlink();
  }

  /// All entries have become stale. They stay in line until somebody looks. O(1).
  void forget_all() noexcept { tokens_ = 0; }

  /// Begins a walk over the line.
  void start_walk() noexcept { ++walk_; }
  /// The coldest entry that the walk has not met, or null. It goes to the end of the line, if it stays in it: whatever
  /// happens to it and to others meanwhile, a walk meets each entry once, and ends.
  [[nodiscard]] Entry* next() noexcept
  {
    if (line_.empty() || line_.front().cleaned_in == walk_) return nullptr;
    Entry& e = line_.front();
    e.cleaned_in = walk_;
    line_.splice(line_.end(), line_, line_.begin());
    return &e;
  }

 private:
  void join(Entry& e) noexcept
  {
    e.cleaned_in = walk_;  // a walk that is under way does not meet who joins meanwhile
    line_.push_back(e);
  }

  line_of<Entry, &Entry::dirty_place> line_;
  std::uint64_t tokens_ = 0;
  std::uint64_t walk_ = 0;
};

}  // namespace kvstrata
