// Only who would be in an LRU-K cache of the tier's size may come in: who asked K times, the first of the last K
// requests not too long ago. ("Admission-controlled LRU-K", arXiv 2609.07175, for the flash below a generative
// recommender's memories: a user is written only if their K-th last request is newer than the oldest such in the
// cache.)
//
//   requested:  a request; the times of the user's last K move up by one. Who has K of them stands in an order by the
//               K-th last: as many of the newest as the tier has bytes for are "in the cache"; the oldest of these is
//               the bar, and who falls below it goes out
//   admits:     who stands above the bar, whether there is room or not: it is writes that are saved
//
// The order is the door's own, so that the rule is the paper's whatever replaces behind it, regions of a log too, and a
// tier that cannot say who would go first need not. Time is the number of requests, as in lru_k.hpp. K = 1 admits
// whoever LRU would still hold.
//
// Whose last request is the longest ago is forgotten when nobody more can be tracked. A request is O(log n), asking is
// O(1) on average; allocates at construction only: 36 + 8K bytes of users and order, and at most 8 of an index, for
// each user tracked.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/admission/concepts.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <std::size_t K = 2>
class lru_k_admission
{
  static_assert(K >= 1 && K <= 64, "the times of a user's last K requests are kept: K must lie between 1 and 64");

 public:
  using option_kind = admission_option;

  /// `users`: so many are tracked, in the tier or not; 0: four for each of size.objects, though at most 2^24. Throws
  /// config_error above 2^31, and std::bad_alloc.
  explicit lru_k_admission(const tier_size& size, std::uint64_t users = 0)
      : most_bytes_((std::min)(size.bytes, std::uint64_t{1} << 62U)),
        slots_(slots_for(size, users)),
        shift_(32U + static_cast<std::uint32_t>(std::countl_zero((std::max)(slots_, 2U) - 1U))),
        heads_(std::make_unique<std::uint32_t[]>(std::size_t{1} << (64U - shift_))),
        users_(new user[std::size_t{slots_} + 1]),
        order_(new std::uint32_t[slots_])
  {
    users_[none].older = users_[none].younger = none;
  }

  void requested(const object_info& info) noexcept
  {
    const std::uint32_t at = found_or_made(to_number(info.user));
    user& one = users_[at];
    std::copy_backward(one.times.begin(), one.times.end() - 1, one.times.end());
    one.times[0] = ++now_;
    if (one.times[K - 1] == 0) return;
    hold(at, info.bytes);
  }

  [[nodiscard]] bool admits(const object_info& candidate, const object_info*) noexcept
  {
    const std::uint32_t at = find(to_number(candidate.user));
    if (at == none || users_[at].place == none) return false;
    hold(at, candidate.bytes);  // it may have grown since
    return users_[at].place != none;
  }

  /// How many users there is room to track, and how many stand above the bar.
  [[nodiscard]] std::uint64_t tracked() const noexcept { return slots_; }
  [[nodiscard]] std::uint64_t above_the_bar() const noexcept { return in_; }

 private:
  static constexpr std::uint32_t none = 0;  // users_[0] ends the list by age

  struct user
  {
    std::uint64_t key;
    std::uint64_t bytes;  // while in the order
    std::uint32_t next;   // in the chain of its bucket
    std::uint32_t older;
    std::uint32_t younger;
    std::uint32_t place;                 // in the order, from 1; 0: not there
    std::array<std::uint64_t, K> times;  // of the last requests, the latest first; 0: there was none
  };

  [[nodiscard]] static std::uint32_t slots_for(const tier_size& size, std::uint64_t users)
  {
    constexpr std::uint64_t most = std::uint64_t{1} << 31U;
    if (users > most) throw config_error("lru_k_admission users", users, "at most 2^31 can be tracked");
    if (users == 0) users = 4 * (std::min)({size.objects, size.bytes, std::uint64_t{1} << 22U});
    return static_cast<std::uint32_t>((std::max)(users, std::uint64_t{1}));
  }

  [[nodiscard]] std::uint32_t& head_of(std::uint64_t key) const noexcept
  {
    return heads_[key * 0x9e3779b97f4a7c15U >> shift_];
  }
  [[nodiscard]] std::uint32_t find(std::uint64_t key) const noexcept
  {
    std::uint32_t at = head_of(key);
    while (at != none && users_[at].key != key) at = users_[at].next;
    return at;
  }

  /// The user becomes the youngest.
  [[nodiscard]] std::uint32_t found_or_made(std::uint64_t key) noexcept
  {
    std::uint32_t at = find(key);
    if (at != none) {
      unlink(users_[at]);
    } else {
      at = known_ < slots_ ? ++known_ : forget_oldest();
      std::uint32_t& head = head_of(key);
      users_[at] =
          user{.key = key, .bytes = 0, .next = head, .older = none, .younger = none, .place = none, .times = {}};
      head = at;
    }
    user& one = users_[at];
    one.older = users_[none].older;
    one.younger = none;
    users_[one.older].younger = at;
    users_[none].older = at;
    return at;
  }
  void unlink(user& one) noexcept
  {
    users_[one.older].younger = one.younger;
    users_[one.younger].older = one.older;
  }
  [[nodiscard]] std::uint32_t forget_oldest() noexcept
  {
    const std::uint32_t at = users_[none].younger;
    user& one = users_[at];
    if (one.place != none) leave(one);
    std::uint32_t* link = &head_of(one.key);
    while (*link != at) link = &users_[*link].next;
    *link = one.next;
    unlink(one);
    return at;
  }

  // The order: a heap, whose K-th last request is the oldest on top.
  [[nodiscard]] std::uint64_t rank(std::uint32_t place) const noexcept { return users_[order_[place]].times[K - 1]; }
  void put(std::uint32_t place, std::uint32_t at) noexcept
  {
    order_[place] = at;
    users_[at].place = place + 1;
  }
  void sink(std::uint32_t place) noexcept
  {
    const std::uint32_t at = order_[place];
    const std::uint64_t mine = users_[at].times[K - 1];
    for (std::uint64_t child = 2ULL * place + 1; child < in_; child = 2ULL * place + 1) {
      auto least = static_cast<std::uint32_t>(child);
      if (child + 1 < in_ && rank(least + 1) < rank(least)) ++least;
      if (rank(least) >= mine) break;
      put(place, order_[least]);
      place = least;
    }
    put(place, at);
  }
  void rise(std::uint32_t place) noexcept
  {
    const std::uint32_t at = order_[place];
    const std::uint64_t mine = users_[at].times[K - 1];
    for (; place != 0 && rank((place - 1) / 2) > mine; place = (place - 1) / 2) put(place, order_[(place - 1) / 2]);
    put(place, at);
  }
  /// The user stands in the order, whatever the times of theirs that have changed, and as many others as fit. Who is
  /// larger than the tier goes out and pushes nobody.
  void hold(std::uint32_t at, std::uint64_t bytes) noexcept
  {
    user& one = users_[at];
    if (bytes > most_bytes_) {
      if (one.place != none) leave(one);
      return;
    }
    if (one.place == none) {
      one.bytes = 0;
      put(in_, at);
      rise(in_++);
    } else {
      sink(one.place - 1);
    }
    bytes_ += bytes - one.bytes;
    one.bytes = bytes;
    while (bytes_ > most_bytes_) leave(users_[order_[0]]);
  }
  void leave(user& one) noexcept
  {
    const std::uint32_t place = one.place - 1;
    bytes_ -= one.bytes;
    one.place = none;
    if (place == --in_) return;
    const std::uint32_t moved = order_[in_];
    put(place, moved);
    sink(place);
    rise(users_[moved].place - 1);
  }
  std::uint64_t most_bytes_;
  std::uint64_t bytes_ = 0;  // of those in the order
  std::uint64_t now_ = 0;
  std::uint32_t slots_;
  std::uint32_t shift_;
  std::uint32_t known_ = 0;
  std::uint32_t in_ = 0;                    // how many are in the order
  std::unique_ptr<std::uint32_t[]> heads_;  // buckets: the first of each chain
  std::unique_ptr<user[]> users_;           // [slots_ + 1]
  std::unique_ptr<std::uint32_t[]> order_;  // [slots_]
};

static_assert(admission_policy<lru_k_admission<>> && admission_policy<lru_k_admission<1>>);

}  // namespace kvstrata
