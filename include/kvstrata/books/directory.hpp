// Finds users, and forgets a whole epoch at once.
#pragma once

#include <kvstrata/books/record_pool.hpp>
#include <kvstrata/core/ids.hpp>

#include <boost/unordered/unordered_flat_set.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Owns the entries. Live ones can be found; stale ones (of an older epoch) and doomed ones (erased while held) only
/// wait to be discarded. Discarded ones are used again, so that users who come and go cost no allocation: there are as many
/// as there were at a time. Not synchronised.
template <class Entry>
class directory
{
 public:
  explicit directory(epoch_id epoch)
      : epoch_(epoch), index_(0, hash{&entries_}, equal{&entries_}), beside_(0, hash{&entries_}, equal{&entries_})
  {
  }
  directory(const directory&) = delete;
  directory& operator=(const directory&) = delete;

  [[nodiscard]] epoch_id epoch() const noexcept { return epoch_; }
  [[nodiscard]] bool is_stale(const Entry& e) const noexcept { return e.generation != generation_; }

  /// The sequence's live entry, or null. O(1).
  [[nodiscard]] Entry* find(const sequence_key& key) const
  {
    const auto it = index_.find(key);
    if (it == index_.end()) return nullptr;
    Entry& found = entries_[*it];
    return is_stale(found) ? nullptr : &found;
  }

  [[nodiscard]] Entry* find(user_id user) const { return find(key_of(user)); }

  /// A new live entry, a cold one, for a sequence that has none.
  Entry& add(const sequence_key& key)
  {
    Entry& made = entries_.take();
    made.space = key.space;
    made.user = user_id{key.id};
    made.generation = generation_;
    try {
      if (const auto [at, fresh] = index_.insert(made.number); !fresh) {  // hides a stale one
        index_.erase(at);
        index_.insert(made.number);
      }
    } catch (...) {
      entries_.give_back(made);
      throw;
    }
    live_.push_back(made);
    return made;
  }
  Entry& add(user_id user) { return add(key_of(user)); }

  /// A new entry that cannot be found, and goes with its last hold: one to be held at once. `to_be_published`: it is written
  /// beside what its key has, and may take its place; there is one of a key at a time.
  Entry& add_unseen(const sequence_key& key, bool to_be_published)
  {
    Entry& made = entries_.take();
    made.space = key.space;
    made.user = user_id{key.id};
    made.generation = generation_;
    try {
      if (to_be_published) {
        if (const auto [at, fresh] = beside_.insert(made.number); !fresh) {  // of an older epoch
          give_up(entries_[*at]);
          beside_.insert(made.number);
        }
      }
    } catch (...) {
      entries_.give_back(made);
      throw;
    }
    made.doomed = true;
    made.beside = to_be_published;
    doomed_.push_back(made);
    return made;
  }
  /// Who is written beside what a key has, in this epoch; or null. O(1).
  [[nodiscard]] Entry* writer(const sequence_key& key) const
  {
    if (beside_.empty()) return nullptr;
    const auto it = beside_.find(key);
    return it == beside_.end() || is_stale(entries_[*it]) ? nullptr : &entries_[*it];
  }
  /// It will not be published any more.
  void give_up(Entry& writer) noexcept
  {
    if (!writer.beside) return;
    beside_.erase(writer.number);
    writer.beside = false;
  }
  /// What was written beside can be found from now on, and its key has nothing else. Throws where there is no memory: then it
  /// is as before.
  void publish(Entry& writer)
  {
    if (const auto [at, fresh] = index_.insert(writer.number); !fresh) {  // hides a stale one
      index_.erase(at);
      index_.insert(writer.number);
    }
    give_up(writer);
    doomed_.remove(writer);
    live_.push_back(writer);
    writer.doomed = false;
  }
  /// What a live entry has is of no use any more: it is as of an older epoch.
  void turn_stale(Entry& e) noexcept
  {
    forget(e);
    live_.remove(e);
    stale_.push_back(e);
    e.generation = past;
  }
  /// By its number: whose number was told once may have gone since, and another have it.
  [[nodiscard]] Entry& at(std::uint32_t number) const noexcept { return entries_[number]; }

  /// Takes back an entry, which must be cold and hold nothing any more.
  void discard(Entry& gone) noexcept
  {
    stretch_bytes_ -= bytes_of(gone.known().stretches.hashes);
    give_up(gone);
    forget(gone);
    line_with(gone).remove(gone);
    gone.renew();
    entries_.give_back(gone);
  }

  /// Makes room for so many stretch hashes of an entry's user, so that keeping them cannot fail.
  void reserve_stretches(Entry& e, std::size_t most)
  {
    auto& hashes = e.learn().stretches.hashes;
    const std::size_t had = bytes_of(hashes);
    hashes.reserve(most);
    stretch_bytes_ += bytes_of(hashes) - had;
  }
  /// Bytes that these take.
  [[nodiscard]] std::uint64_t stretch_bytes() const noexcept { return stretch_bytes_; }

  /// Makes a held entry unfindable; whoever releases it last discards it.
  void doom(Entry& held) noexcept
  {
    forget(held);
    line_with(held).remove(held);
    doomed_.push_back(held);
    held.doomed = true;
  }

  /// Makes every live entry stale. O(1); O(entries) once in 65,535 times, when the numbers of epochs begin anew.
  void advance(epoch_id epoch) noexcept
  {
    epoch_ = epoch;
    stale_.take_all(live_);
    if (++generation_ != past) return;
    for (line* each : {&stale_, &doomed_}) {
      each->each_while([](Entry& e) {
        e.generation = past;
        return true;
      });
    }
    ++generation_;
  }

  /// Calls visit(entry) -> bool for stale entries, the longest stale first, until it returns false.
  template <class Visit>
  void stale(Visit&& visit)
  {
    stale_.each_while(visit);
  }

  /// Calls visit(entry) for all entries, of whatever standing.
  template <class Visit>
  void all(Visit&& visit)
  {
    for (line* each : {&live_, &stale_, &doomed_}) {
      each->each_while([&visit](Entry& e) {
        visit(e);
        return true;
      });
    }
  }

 private:
  using line = pool_line<Entry>;
  static constexpr std::uint16_t past = 0;  // of an epoch before the numbers began anew

  struct hash
  {
    using is_avalanching = void;
    using is_transparent = void;
    const record_pool<Entry>* entries;
    std::size_t operator()(const sequence_key& key) const noexcept { return sequence_key_hash()(key); }
    std::size_t operator()(std::uint32_t number) const noexcept { return (*this)((*entries)[number].key()); }
  };
  struct equal
  {
    using is_transparent = void;
    const record_pool<Entry>* entries;
    bool operator()(std::uint32_t a, std::uint32_t b) const noexcept
    {
      return (*entries)[a].key() == (*entries)[b].key();
    }
    bool operator()(const sequence_key& key, std::uint32_t number) const noexcept
    {
      return key == (*entries)[number].key();
    }
    bool operator()(std::uint32_t number, const sequence_key& key) const noexcept { return (*this)(key, number); }
  };

  template <class T>
  [[nodiscard]] static std::size_t bytes_of(const std::vector<T>& list) noexcept
  {
    return list.capacity() * sizeof(T);
  }

  [[nodiscard]] line& line_with(const Entry& e) noexcept { return e.doomed ? doomed_ : is_stale(e) ? stale_ : live_; }
  void forget(const Entry& e) noexcept
  {
    const auto it = index_.find(e.key());
    if (it != index_.end() && *it == e.number) index_.erase(it);
  }

  epoch_id epoch_;
  std::uint16_t generation_ = past + 1;  // of the entries of this epoch
  record_pool<Entry> entries_;
  boost::unordered_flat_set<std::uint32_t, hash, equal> index_;   // by number
  boost::unordered_flat_set<std::uint32_t, hash, equal> beside_;  // of those to be published
  line live_{entries_}, stale_{entries_}, doomed_{entries_};
  std::uint64_t stretch_bytes_ = 0;
};

}  // namespace kvstrata
