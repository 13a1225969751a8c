// Which of the tokens that a tier has of a user were served since they came.
#pragma once

#include <kvstrata/core/interval.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A set of tokens in a few stretches, in 8 bytes. One is the rule: every request is served from the beginning. Where the front
/// of a history went and came anew, a request that is shorter than the gap leaves another: only then this has memory of its
/// own. Exact up to `most` stretches; with one more the two that are closest become one, and what lies between them counts as
/// served, as it does where there is no memory. O(1).
class served_tokens
{
 public:
  static constexpr std::size_t most = 4;

  served_tokens() = default;
  served_tokens(const served_tokens&) = delete;
  served_tokens& operator=(const served_tokens&) = delete;
  ~served_tokens() { clear(); }

  /// These were served.
  void add(token_interval tokens) noexcept
  {
    if (tokens.begin >= one_.begin && tokens.end <= one_.end) return;  // never where that is an address
    if (!tokens.empty()) add_new(tokens);
  }

  /// The tier has nothing any more but these.
  void keep(token_interval tokens) noexcept
  {
    if (!has_more()) {
      one_ = intersect(one_, tokens);
      return;
    }
    several all;
    for (std::size_t i = 0; i < more().count; ++i) {
      const token_interval stays = intersect(more().stretches[i], tokens);
      if (!stays.empty()) all.stretches[all.count++] = stays;
    }
    put(all);
  }

  void clear() noexcept
  {
    if (has_more()) delete &more();
    one_ = {};
  }

  /// How many of these were served.
  [[nodiscard]] token_count among(token_interval tokens) const noexcept
  {
    if (!has_more()) return intersect(one_, tokens).size();
    token_count sum = 0;
    for (std::size_t i = 0; i < more().count; ++i) sum += intersect(more().stretches[i], tokens).size();
    return sum;
  }

 private:
  struct several
  {
    token_interval stretches[most + 1];  // ascending, apart
    std::size_t count = 0;

    void join_closest() noexcept
    {
      std::size_t best = 0;
      const auto gap = [this](std::size_t i) { return stretches[i + 1].begin - stretches[i].end; };
      for (std::size_t i = 1; i + 1 < count; ++i) {
        if (gap(i) < gap(best)) best = i;
      }
      stretches[best].end = stretches[best + 1].end;
      for (std::size_t i = best + 1; i + 1 < count; ++i) stretches[i] = stretches[i + 1];
      --count;
    }
  };

  void add_new(token_interval tokens) noexcept
  {
    if (has_more() || !joinable(one_, tokens)) return add_apart(tokens);
    one_ = hull(one_, tokens);
  }

  void add_apart(token_interval tokens) noexcept
  {
    several before;
    if (has_more()) {
      before = more();
    } else {
      before.stretches[0] = one_;
      before.count = 1;
    }
    several all;
    for (std::size_t i = 0; i < before.count; ++i) {
      if (joinable(before.stretches[i], tokens)) tokens = hull(before.stretches[i], tokens);
      else all.stretches[all.count++] = before.stretches[i];
    }
    std::size_t at = all.count++;
    for (; at != 0 && all.stretches[at - 1].begin > tokens.begin; --at) all.stretches[at] = all.stretches[at - 1];
    all.stretches[at] = tokens;
    if (all.count > most) all.join_closest();
    put(all);
  }

  void put(const several& all) noexcept
  {
    if (all.count > 1 && !has_more()) point_to(new (std::nothrow) several);
    if (all.count > 1 && has_more()) {
      more() = all;
      return;
    }
    clear();
    if (all.count != 0) one_ = hull(all.stretches[0], all.stretches[all.count - 1]);
  }

  // An interval does not begin behind its end: one that seems to is the address of several, in two halves.
  static constexpr unsigned half_bits = 31;
  static constexpr token_count above_all = token_count{1} << half_bits;

  [[nodiscard]] bool has_more() const noexcept { return one_.begin > one_.end; }
  [[nodiscard]] several& more() const noexcept
  {
    const std::uint64_t number = std::uint64_t{one_.begin - above_all} << half_bits | one_.end;
    return *reinterpret_cast<several*>(static_cast<std::uintptr_t>(number));
  }
  void point_to(several* made) noexcept
  {
    if (made == nullptr) return;
    const std::uint64_t number = reinterpret_cast<std::uintptr_t>(made);
    if (number >> (2 * half_bits) != 0) {  // nowhere are there such addresses
      delete made;
      return;
    }
    one_ = {static_cast<token_count>(number >> half_bits) | above_all,
            static_cast<token_count>(number & (above_all - 1))};
  }

  token_interval one_;  // all of them, or where they are
};
static_assert(sizeof(served_tokens) == sizeof(token_interval));

}  // namespace kvstrata
