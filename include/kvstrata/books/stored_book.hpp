// What stores have of the users of whom a memory has something, as far as is known, and which life of theirs it is.
#pragma once

#include <kvstrata/books/exactness.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/tiers/stores/record.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <sys/random.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Numbers that nobody else draws. The upper bits say who: a life has one writer, and whoever meets another's in a store may
/// read it, but goes on in a life of their own.
class random_lives
{
 public:
  random_lives() noexcept
  {
    if (::getrandom(&state_, sizeof state_, 0) != static_cast<ssize_t>(sizeof state_)) {
      state_ = reinterpret_cast<std::uintptr_t>(this) * 0x9e3779b97f4a7c15U;  // better than all the same
    }
    writer_ = draw() >> own_bits;
  }

  [[nodiscard]] incarnation_id next() noexcept
  {
    constexpr std::uint64_t own = (std::uint64_t{1} << own_bits) - 1;
    return static_cast<incarnation_id>((writer_ << own_bits) | (draw() & own));
  }
  [[nodiscard]] bool is_mine(incarnation_id life) const noexcept { return to_number(life) >> own_bits == writer_; }

 private:
  static constexpr unsigned own_bits = 40;

  [[nodiscard]] std::uint64_t draw() noexcept
  {
    std::uint64_t x = (state_ += 0x9e3779b97f4a7c15U);  // splitmix64
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31U);
  }

  std::uint64_t state_ = 0;
  std::uint64_t writer_ = 0;
};

/// For `Stores` stores. Whoever has nothing in a memory any more is forgotten when the book has grown: it has no more than
/// twice as many users as have, and a few. Not synchronised.
template <level_index Stores>
class stored_book
{
 public:
  struct life
  {
    incarnation_id incarnation{};
    std::array<token_interval, Stores> tokens{};  ///< [store] on their way or there
    token_count reach = 0;                        ///< no store ever got a token of this life from here on
    token_count first_token = 0;    ///< of the window in which the last that went to one, or came, was computed, ...
    token_count earlier_until = 0;  ///< ... but for tokens before this, which are of earlier ones
    token_count inexact_from = all_exact;  ///< of what any store has of this life (books/exactness.hpp)
  };

  /// A user begins anew: nothing that a store has is theirs. `is_here(key)`: has anybody with that name an entry?
  template <class IsHere>
  life& begin(const sequence_key& key, IsHere&& is_here)
  {
    return adopt(key, lives_.next(), is_here);
  }
  /// A user comes back, as a store knows them.
  template <class IsHere>
  life& adopt(const sequence_key& key, incarnation_id incarnation, IsHere&& is_here)
  {
    if (all_.size() >= most_) sweep(is_here);
    life& mine = all_[key];
    mine = life{.incarnation = incarnation};
    return mine;
  }
  /// A user who is here goes on in a new life; what stores have is of the old one. Cannot fail.
  void renew(const sequence_key& key) noexcept
  {
    if (life* const mine = find(key)) *mine = life{.incarnation = lives_.next()};
  }

  /// A user who is here has rows that were computed here: they are of a life that began here, from then on. Cannot fail.
  void own(const sequence_key& key) noexcept
  {
    if (life* const mine = find(key); mine != nullptr && !lives_.is_mine(mine->incarnation)) renew(key);
  }

  /// Null for users who are not here.
  [[nodiscard]] life* find(const sequence_key& key) noexcept
  {
    const auto at = all_.find(key);
    return at == all_.end() ? nullptr : &at->second;
  }
  void forget(const sequence_key& key) noexcept { all_.erase(key); }

  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }

 private:
  template <class IsHere>
  void sweep(IsHere&& is_here)
  {
    for (auto one = all_.begin(); one != all_.end();) {  // nvcc finds two of Boost's erase_if
      if (is_here(one->first)) ++one;
      else all_.erase(one++);
    }
    most_ = 2 * all_.size() + a_few;
  }

  static constexpr std::size_t a_few = 64;

  random_lives lives_;
  boost::unordered_flat_map<sequence_key, life, sequence_key_hash> all_;
  std::size_t most_ = a_few;
};

/// Where a stack has no store.
template <>
class stored_book<0>
{
};

/// Of tokens that an entry loses in level `Level`, how many no other memory has and no store.
template <level_index Level, level_index Memories, level_index Store = 0, level_index Stores, class Entry>
[[nodiscard]] token_count gone_with([[maybe_unused]] stored_book<Stores>& book, const Entry& e, token_interval lost)
{
  if constexpr (Store < Stores) {
    const auto* const life = book.find(e.key());
    const token_interval there = life == nullptr ? token_interval{} : intersect(lost, life->tokens[Store]);
    if (there.empty()) return gone_with<Level, Memories, Store + 1>(book, e, lost);
    return gone_with<Level, Memories, Store + 1>(book, e, {lost.begin, there.begin}) +
           gone_with<Level, Memories, Store + 1>(book, e, {there.end, lost.end});
  } else {
    return lost.size() - e.template tokens_in<0, Memories, Level>(lost);
  }
}

}  // namespace kvstrata
