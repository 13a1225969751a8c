// ARC: recency and frequency share the tier, and what comes back too late says who should have had more. (Megiddo,
// Modha, "ARC: a self-tuning, low overhead replacement cache", FAST 2003; decision by decision its figure 4.)
//
//   insert:   a new one to the young end of T1. One that is remembered goes to that of T2
//   touch:    to the young end of T2
//   victims:  for one who is remembered p, the share of T1, adapts first: one from B1 raises it by its size, times
//             |B2|/|B1| where that is more than 1; one from B2 lowers it likewise. Then the old end of T1 while it has
//             more than p, or just p and the other comes from B2; else that of T2; then the other list
//   evict:    from T1 into B1, from T2 into B2. T1 and B1 remember no more than the tier has, all four twice as much
//
// Sizes are bytes, p a real number. Where the caller does not say who comes (caches that make room for a batch), p adapts
// when they come in: an eviction later. Ghosts: as many as the tier has objects or bytes, 40 bytes each. O(1);
// nothing allocates after construction.
#pragma once

#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/ghost_hooks.hpp>
#include <kvstrata/replacement/lean_form.hpp>

#include <boost/intrusive/list.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// `Bytes`: how hooks keep what objects take. `Ghosts`: by what it remembers who left.
template <class Bytes = told_bytes, class Ghosts = ghosts_by_key>
class basic_arc
{
  static constexpr std::uint8_t t1 = 0;
  static constexpr std::uint8_t t2 = 1;

 public:
  struct hook : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>,
                Ghosts::template mark<basic_arc>
  {
    [[no_unique_address]] Bytes bytes{};
    std::uint8_t list = t1;  // t1 or t2
  };

  /// Allocates the ghosts: 40 bytes for each of size.objects. Throws std::bad_alloc.
  explicit basic_arc(const tier_size& size)
      : bytes_(size.bytes), ghosts_((std::min)(size.objects, size.bytes) + 1, size.bytes)
  {
  }

  void insert(hook& object, const object_info& info) noexcept
  {
    if (!is_expected(info.user)) expect(info);
    object.list = expected_.from != nowhere ? t2 : t1;
    recent_target_ = expected_.target;
    if (expected_.known || std::same_as<Ghosts, ghosts_by_hook>) ghosts_.take(to_number(info.user));
    expected_.waiting = false;
    object.bytes = info.bytes;  // not before: of a ghost they are what it took
    lists_[object.list].push_back(object);
    held_[object.list] += object.bytes;
    ghosts_.limit(bytes_ - (std::min)(bytes_, held_[t1]), t1);
    const std::uint64_t all = held_[t1] + held_[t2] + ghosts_.bytes(t1);
    ghosts_.limit(2 * bytes_ - (std::min)(2 * bytes_, all), t2);
  }

  void touch(hook& object, const object_info& info) noexcept
  {
    expected_.waiting = false;
    list& from = lists_[object.list];
    held_[object.list] -= object.bytes;
    object.bytes = info.bytes;
    object.list = t2;
    held_[t2] += object.bytes;
    lists_[t2].splice(lists_[t2].end(), from, list::s_iterator_to(object));
  }

  void changed(hook& object, const object_info& info) noexcept
  {
    held_[object.list] += info.bytes - object.bytes;
    object.bytes = info.bytes;
  }

  void remove(hook& object) noexcept
  {
    held_[object.list] -= object.bytes;
    lists_[object.list].erase(list::s_iterator_to(object));
  }

  void evict(hook& object, const object_info& info) noexcept
  {
    remove(object);
    ghosts_.remember(object, to_number(info.user), info.bytes, object.list);
  }

  /// Those that were offered count as gone.
  template <class Visit>
  void victims(Visit&& visit)
  {
    offer(visit, recent_target_, false);
  }
  template <class Visit>
  void victims(Visit&& visit, const object_info& coming)
  {
    if (!is_expected(coming.user)) expect(coming);
    offer(visit, expected_.target, expected_.from == t2);
  }

  /// For callers who keep hooks: replacement/lean_form.hpp.
  using ghost_memory = typename Ghosts::template memory<hook, 2>;
  [[nodiscard]] ghost_memory& ghosts() noexcept
    requires(std::same_as<Ghosts, ghosts_by_hook>)
  {
    return ghosts_;
  }

 private:
  using list = boost::intrusive::list<hook, boost::intrusive::constant_time_size<false>>;
  static constexpr std::uint32_t nowhere = 2;

  /// For whom room is made. Their ghost keeps its place until they have come.
  struct newcomer
  {
    user_id user{};
    bool waiting = false;
    bool known = false;            // has a ghost
    std::uint32_t from = nowhere;  // whose ghost says so
    double target = 0;             // p, adapted
  };

  [[nodiscard]] bool is_expected(user_id user) const noexcept { return expected_.waiting && expected_.user == user; }

  void expect(const object_info& coming) noexcept
  {
    const auto ghost = ghosts_.find(to_number(coming.user));
    expected_ = newcomer{.user = coming.user, .waiting = true, .known = ghost.has_value(), .target = recent_target_};
    if (!ghost || !coming.requested) return;
    expected_.from = ghost->list;
    expected_.target = adapted(*ghost);
  }

  /// p: the list that `back` left should have been larger, the more so the more the other's ghosts outweigh its own.
  [[nodiscard]] double adapted(const typename ghost_memory::ghost& back) const noexcept
  {
    const auto mine = static_cast<double>((std::max)(ghosts_.bytes(back.list), std::uint64_t{1}));
    const auto other = static_cast<double>(ghosts_.bytes(1 - back.list));
    const double step = static_cast<double>(back.bytes) * (std::max)(other / mine, 1.0);
    return back.list == t1 ? (std::min)(recent_target_ + step, static_cast<double>(bytes_))
                           : (std::max)(recent_target_ - step, 0.0);
  }

  template <class Visit>
  void offer(Visit&& visit, double target, bool tie_goes)
  {
    auto recent = lists_[t1].begin();
    auto frequent = lists_[t2].begin();
    const auto recent_end = lists_[t1].end();
    const auto frequent_end = lists_[t2].end();
    std::uint64_t recent_left = held_[t1];
    while (recent != recent_end || frequent != frequent_end) {
      const auto left = static_cast<double>(recent_left);
      const bool exceeds = left > target || (tie_goes && left >= target);
      const bool from_recent = frequent == frequent_end || (recent != recent_end && exceeds);
      if (from_recent) recent_left -= recent->bytes;
      if (!visit(from_recent ? *recent++ : *frequent++)) return;
    }
  }

  std::array<list, 2> lists_;  // T1 and T2: which one a hit is in cannot be foreseen, so nothing branches on it
  std::array<std::uint64_t, 2> held_{};  // their bytes
  double recent_target_ = 0;             // p
  std::uint64_t bytes_;                  // c
  ghost_memory ghosts_;                  // B1 and B2
  newcomer expected_;
};

using arc = basic_arc<>;

template <class Bytes>
struct lean_form<arc, Bytes>
{
  using type = basic_arc<Bytes, ghosts_by_hook>;
};

static_assert(replacement_policy<arc> && remembers_evicted<arc> && asks_who_comes<arc>);

}  // namespace kvstrata
