// Finds users, and forgets a whole epoch at once.
#pragma once

#include <kvstrata/core/ids.hpp>

#include <boost/intrusive/list.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace kvstrata {

/// Owns the entries. Live ones can be found; stale ones (of an older epoch) and doomed ones (erased while held) only
/// wait to be discarded. Discarded ones are used again, so that users who come and go cost no allocation: there are as many
/// as there were at a time. Not synchronised.
template <class Entry>
class directory
{
 public:
  explicit directory(epoch_id epoch) : epoch_(epoch) {}
  directory(const directory&) = delete;
  directory& operator=(const directory&) = delete;
  ~directory()
  {
    for (list* all : {&live_, &stale_, &doomed_, &idle_}) all->clear_and_dispose(std::default_delete<Entry>());
  }

  [[nodiscard]] epoch_id epoch() const noexcept { return epoch_; }

  /// The user's live entry, or null. O(1).
  [[nodiscard]] Entry* find(user_id user) const
  {
    const auto it = index_.find(user);
    return it == index_.end() || (*it)->epoch != epoch_ ? nullptr : *it;
  }

  /// A new live entry for a user who has none.
  Entry& add(user_id user)
  {
    if (idle_.empty()) idle_.push_back(*std::make_unique<Entry>(user, epoch_).release());
    Entry& made = idle_.front();
    made.user = user;
    made.epoch = epoch_;
    if (const auto [at, fresh] = index_.insert(&made); !fresh) {  // hides a stale one
      index_.erase(at);
      index_.insert(&made);
    }
    live_.splice(live_.end(), idle_, idle_.begin());
    return made;
  }

  /// Takes back an entry, which must hold nothing any more.
  void discard(Entry& gone) noexcept
  {
    stretch_bytes_ -= bytes_of(gone.stretches.hashes);
    forget(gone);
    list& home = gone.doomed ? doomed_ : gone.epoch == epoch_ ? live_ : stale_;
    gone.renew();
    idle_.splice(idle_.begin(), home, home.iterator_to(gone));
  }

  /// Makes room for so many stretch hashes of an entry's user, so that keeping them cannot fail.
  void reserve_stretches(Entry& e, std::size_t most)
  {
    const std::size_t had = bytes_of(e.stretches.hashes);
    e.stretches.hashes.reserve(most);
    stretch_bytes_ += bytes_of(e.stretches.hashes) - had;
  }
  /// Bytes that these take.
  [[nodiscard]] std::uint64_t stretch_bytes() const noexcept { return stretch_bytes_; }

  /// Makes a held entry unfindable; whoever releases it last discards it.
  void doom(Entry& held) noexcept
  {
    forget(held);
    list& home = held.epoch == epoch_ ? live_ : stale_;
    doomed_.splice(doomed_.end(), home, home.iterator_to(held));
    held.doomed = true;
  }

  /// Makes every live entry stale. O(1).
  void advance(epoch_id epoch) noexcept
  {
    epoch_ = epoch;
    stale_.splice(stale_.end(), live_);
  }

  /// Calls visit(entry) -> bool for stale entries, the longest stale first, until it returns false.
  template <class Visit>
  void stale(Visit&& visit)
  {
    for (Entry& old : stale_) {
      if (!visit(old)) return;
    }
  }

  /// Calls visit(entry) for all entries, of whatever standing.
  template <class Visit>
  void all(Visit&& visit)
  {
    for (list* each : {&live_, &stale_, &doomed_}) {
      for (Entry& e : *each) visit(e);
    }
  }

 private:
  using list = boost::intrusive::list<Entry>;

  struct hash
  {
    using is_avalanching = void;
    using is_transparent = void;
    std::size_t operator()(user_id user) const noexcept
    {
      std::uint64_t x = to_number(user) + 0x9e3779b97f4a7c15U;  // splitmix64
      x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
      x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
      return static_cast<std::size_t>(x ^ (x >> 31U));
    }
    std::size_t operator()(const Entry* e) const noexcept { return (*this)(e->user); }
  };
  struct equal
  {
    using is_transparent = void;
    bool operator()(const Entry* a, const Entry* b) const noexcept { return a->user == b->user; }
    bool operator()(user_id user, const Entry* e) const noexcept { return user == e->user; }
    bool operator()(const Entry* e, user_id user) const noexcept { return user == e->user; }
  };

  template <class T>
  [[nodiscard]] static std::size_t bytes_of(const std::vector<T>& list) noexcept
  {
    return list.capacity() * sizeof(T);
  }

  void forget(const Entry& e) noexcept
  {
    const auto it = index_.find(e.user);
    if (it != index_.end() && *it == &e) index_.erase(it);
  }

  epoch_id epoch_;
  boost::unordered_flat_set<Entry*, hash, equal> index_;
  list live_, stale_, doomed_, idle_;
  std::uint64_t stretch_bytes_ = 0;
};

}  // namespace kvstrata
