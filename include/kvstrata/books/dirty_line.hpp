// Which users have tokens that only the slab has, the coldest first, and how many tokens that are.
#pragma once

#include <kvstrata/books/entry.hpp>
#include <kvstrata/core/interval.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Who has any stands in line, and nobody else, in the order of their last commit: so a cleaner finds the coldest at once,
/// however many clean users there are. O(1) a call. Entries leave the line by themselves when they go. Not synchronised.
template <class Entry>
class dirty_line
{
 public:
  dirty_line() = default;
  dirty_line(const dirty_line&) = delete;
  dirty_line& operator=(const dirty_line&) = delete;
  ~dirty_line() { line_.clear(); }

  /// Tokens of live users that only the slab has.
  [[nodiscard]] std::uint64_t tokens() const noexcept { return tokens_; }

  /// The entry's intervals have changed.
  void note(Entry& e, bool live) noexcept
  {
    if (!e.is_hot()) return;  // nothing of it is in the slab
    auto& mine = e.hot();
    const token_interval all = mine.tokens;
    const token_count now = live ? all.size() - e.template tokens_in<1, Entry::memories>(all) : 0;
    const token_count before = mine.dirty;
    if (now == before) return;
    mine.dirty = now;
    if (live) tokens_ += std::uint64_t{now} - before;  // else it is not counted any more
    if (now == 0) mine.place.unlink();
    else if (before == 0) join(mine);
  }

  /// The entry's user, who is hot, was served: they are the warmest now.
  void warm(Entry& e) noexcept
  {
    auto& mine = e.hot();
    if (mine.dirty == 0) return;
    mine.place.unlink();
    join(mine);
  }

  /// The entry, which was live, goes.
  void forget(Entry& e) noexcept
  {
    if (!e.is_hot()) return;
    auto& mine = e.hot();
    if (mine.dirty == 0) return;
    tokens_ -= mine.dirty;
    mine.dirty = 0;
    mine.place.unlink();
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
    hot_record& first = line_.front();
    first.cleaned_in = walk_;
    line_.splice(line_.end(), line_, line_.begin());
    return first.who;
  }

 private:
  using hot_record = typename Entry::hot_record;

  void join(hot_record& mine) noexcept
  {
    if constexpr (Entry::memories == 1) return;  // nobody could clean
    mine.cleaned_in = walk_;                     // a walk that is under way does not meet who joins meanwhile
    line_.push_back(mine);
  }

  line_of<hot_record, &hot_record::place> line_;
  std::uint64_t tokens_ = 0;
  std::uint32_t walk_ = 0;  // one in four billion may end early
};

}  // namespace kvstrata
