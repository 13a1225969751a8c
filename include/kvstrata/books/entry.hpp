// What the cache knows of one user: an interval of tokens in each level, and where it lies.
#pragma once

#include <kvstrata/books/hot_record.hpp>
#include <kvstrata/books/known_history.hpp>
#include <kvstrata/books/residence.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>

#include <cassert>
#include <cstdint>
#include <memory>
#include <tuple>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// The copies in the levels below the slab, as base classes.
template <class Entry, class Numbers, class... Hooks>
struct lower_residences;
template <class Entry, level_index... Below, class... Hooks>
struct lower_residences<Entry, std::integer_sequence<level_index, Below...>, Hooks...>
    : residence<Below + 1, std::tuple_element_t<Below + 1, std::tuple<Hooks...>>, Entry>...
{
};

}  // namespace detail

/// A place in a line of a pool's records (record_pool.hpp): the numbers of the neighbours.
struct pool_links
{
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  std::uint32_t before;
  std::uint32_t next;
};

/// The record that every user has of whom anything is cached: who they are, and what the levels below the slab have. With lru
/// and two levels 88 bytes. The rest is in a hot record. `Hooks`: those of the levels' replacement policies, from the slab
/// down.
template <class... Hooks>
struct entry
    : detail::lower_residences<entry<Hooks...>, std::make_integer_sequence<level_index, sizeof...(Hooks) - 1>, Hooks...>
{
  static constexpr level_index memories = sizeof...(Hooks);

  template <level_index Level>
  using residence_at = residence<Level, std::tuple_element_t<Level, std::tuple<Hooks...>>, entry>;
  using hot_record = detail::hot_record<std::tuple_element_t<0, std::tuple<Hooks...>>, entry, memories>;

  entry() = default;
  entry(const entry&) = delete;
  entry& operator=(const entry&) = delete;
  ~entry()
  {
    if (!is_hot_) delete known_;
  }

  [[nodiscard]] sequence_key key() const noexcept { return {space, to_number(user)}; }

  [[nodiscard]] bool is_hot() const noexcept { return is_hot_; }
  /// Of a hot entry only.
  [[nodiscard]] hot_record& hot() noexcept
  {
    assert(is_hot_);
    return *hot_;
  }
  /// Of a cold entry one that says so: nothing in the slab, nothing under way.
  [[nodiscard]] const hot_record& hot() const noexcept { return is_hot_ ? *hot_ : cold_; }
  /// A cold one gets a hot record, which is nobody's.
  void become_hot(hot_record& record) noexcept
  {
    assert(!is_hot_);
    record.who = this;
    record.known.reset(known_);
    hot_ = &record;
    is_hot_ = true;
  }
  /// Loses it.
  void become_cold() noexcept
  {
    known_ = hot_->known.release();
    is_hot_ = false;
  }

  /// What is known of the history; nothing where nobody has told.
  [[nodiscard]] const known_history& known() const noexcept
  {
    const known_history* const mine = is_hot_ ? hot_->known.get() : known_;
    return mine != nullptr ? *mine : nothing_;
  }
  /// The same, to be changed: null where nobody has told.
  [[nodiscard]] known_history* if_known() noexcept { return is_hot_ ? hot_->known.get() : known_; }
  /// The same; there is a place for it then.
  known_history& learn()
  {
    if (known_history* const mine = if_known()) return *mine;
    auto made = std::make_unique<known_history>();
    known_history& out = *made;
    if (is_hot_) hot_->known = std::move(made);
    else known_ = made.release();
    return out;
  }

  /// Of the slab only where the entry is hot.
  template <level_index Level>
  [[nodiscard]] residence_at<Level>& at() noexcept
  {
    if constexpr (Level == 0) return hot();
    else return *this;
  }
  template <level_index Level>
  [[nodiscard]] const residence_at<Level>& at() const noexcept
  {
    if constexpr (Level == 0) return hot();
    else return *this;
  }
  /// As at() of a const entry.
  template <level_index Level>
  [[nodiscard]] const residence_at<Level>& look() const noexcept
  {
    return at<Level>();
  }

  /// Has no level a frame of the user's?
  [[nodiscard]] bool has_no_extents() const noexcept
  {
    return each_level_while<0, memories>([this](auto level) { return this->template at<level()>().extents.empty(); });
  }
  /// Has no level a token of the user's?
  [[nodiscard]] bool has_no_tokens() const noexcept
  {
    return each_level_while<0, memories>([this](auto level) { return this->template at<level()>().tokens.empty(); });
  }

  /// How many of `wanted` a level of [From, To) has, but for level Except. No more than an intersection where that is one
  /// level, else O(levels^2).
  template <level_index From, level_index To, level_index Except = most_levels>
  [[nodiscard]] token_count tokens_in(token_interval wanted) const noexcept
  {
    if constexpr (From == Except) {
      return tokens_in<From + 1, To>(wanted);
    } else if constexpr (To - 1 == Except) {
      return tokens_in<From, To - 1>(wanted);
    } else if constexpr (From >= To) {
      return 0;
    } else if constexpr (From + 1 == To) {
      return intersect(wanted, at<From>().tokens).size();
    } else {
      token_count sum = 0;
      for (token_count next = wanted.begin; next < wanted.end;) {
        token_count until = next;        // the furthest that a level has from `next` on
        token_count begin = wanted.end;  // else: the nearest that one begins
        each_level<From, To>([&](auto level) {
          const token_interval has = at<level()>().tokens;
          if (level() == Except || has.empty()) return;
          if (has.contains(next) && has.end > until) until = has.end;
          if (has.begin > next && has.begin < begin) begin = has.begin;
        });
        if (until > wanted.end) until = wanted.end;
        sum += until - next;
        next = until > next ? until : begin;
      }
      return sum;
    }
  }

  /// Becomes as good as new, but for who it is. It holds nothing, and is cold.
  void renew() noexcept
  {
    holds = 0;
    doomed = counted = in_batch = atomic = beside = false;
    uses = 0;
    asked_at = 0;
    delete std::exchange(known_, nullptr);
    each_level<1, memories>([this](auto level) { this->template at<level()>().renew(); });
  }

  static constexpr std::uint32_t most_uses = (std::uint32_t{1} << 16) - 1;
  static constexpr std::uint32_t most_holds = (std::uint32_t{1} << 16) - 1;

  // In an order that leaves few gaps.
  bool doomed : 1 = false;    ///< erased while held, or never to be found: goes with its last hold
  bool counted : 1 = false;   ///< among the users of whom something is cached
  bool in_batch : 1 = false;  ///< the plan that is being made has a request of this user
  bool atomic : 1 = false;  ///< served, written down and evicted as a whole or not at all; any number of leases hold it
  bool beside : 1 =
      false;  ///< doomed, unless the lease that writes it is committed: then it takes the place of its key's
 private:
  bool is_hot_ : 1 = false;

 public:
  std::uint16_t generation = 0;  ///< the directory's number of the epoch
  std::uint16_t uses = 0;        ///< requests so far, or most_uses
  std::uint16_t holds = 0;       ///< while not 0, nothing of this entry is evicted
  std::uint32_t number = 0;      ///< the directory's
  std::uint32_t asked_at = 0;    ///< the cache's count of requests when the last one came, its lower half
  std::uint32_t space = 0;       ///< of the key
  user_id user{};                ///< the id of the key
  union
  {
    pool_links place{pool_links::none, pool_links::none};  ///< among the live, the stale or the doomed
    entry* next_unused;                                    ///< while it is nobody's
  };

 private:
  static inline const hot_record cold_{};
  static inline const known_history nothing_{};

  union
  {
    known_history* known_ = nullptr;  // its own
    hot_record* hot_;                 // where it is hot, and has what is known
  };
};

}  // namespace kvstrata
