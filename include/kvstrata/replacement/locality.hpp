// Locality: whoever is least likely to come back soon, for what that would save and the bytes it holds, goes first.
//
//   rate         of a user: learned weights x reasons to come back (locality/return_model.hpp): visits just before,
//                lately, within a day, at this time of day, a long history. Visits are remembered after eviction, 16
//                bytes a user
//   worth        log2(rate x loss_seconds / bytes); where no cost is given, log2(rate): saved work goes with bytes
//   score        now + h x worth: while rates halve every h it needs no rescoring. h follows from the weights
//   insert       file the user in a ring of buckets by score
//   touch        count the visit, and mark the user: whoever is marked is scored when their turn has come, as by Clock
//   victims:     the lowest bucket's first; but many rates fall more slowly than scores expect, and rise with the time
//                of day, so it is looked at again, and if it is worth more by now, filed higher, by three times what it rose:
//                at most `Looks` of them; if all rose, whoever is worth least of these goes
//   no clock?    Where callers tell no times, requests are the clock, and the reasons that need one are silent
//
// Ours. Kin: LHD (Beckmann, Chen, Cidon, NSDI 2018), which learns hits by age and space; LRFU (Lee et al., SIGMETRICS
// 1999), whose decayed counts need no rescoring either. O(1) an access on average;
// allocates at construction only.
#pragma once

#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/locality/bucket_ring.hpp>
#include <kvstrata/replacement/locality/return_model.hpp>
#include <kvstrata/replacement/locality/score_scale.hpp>
#include <kvstrata/replacement/locality/visit_memory.hpp>
#include <kvstrata/replacement/locality/visit_time.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// `Remembered`: how many users' visits are remembered for each object that the tier has room for, 16 bytes each.
/// `Looks`: how many scores are looked at again, at most, when somebody has to go. `Reasons`: a bit for each reason to
/// come back, in the order of return_model.hpp's head; `Learns`: whether their weights are learned.
template <std::uint32_t Remembered = 24, std::uint32_t Looks = 12, std::uint32_t Reasons = 63, bool Learns = true>
class basic_locality
{
 public:
  using weighs_costs = basic_locality;

  class hook : public detail::ring_hook
  {
    friend basic_locality;
    detail::visit_record visits_;        // hits and looks need no memory but the object's
    detail::visit_memory::place where_;  // they are remembered
    float gain_ = 0;                     // log2 of what a hit saves by byte
    bool touched_ = false;               // since it was filed
  };

  /// Throws std::bad_alloc. 64 KiB, and Remembered x 16 bytes for each of `size.objects`.
  explicit basic_locality(const tier_size& size)
      : model_(Reasons), memory_((std::min)(size.objects, most_objects) * Remembered)
  {
    set_unit(size.objects);
  }

  void insert(hook& object, const object_info& info) noexcept
  {
    ++residents_;
    tell_time(info.time_ms);
    const bool known = memory_.find(info.user, object.where_);
    object.visits_ = known ? memory_.load(object.where_) : detail::visit_record{};
    if (is_lesson()) teach(known ? &object.visits_ : nullptr);
    if (!known) memory_.claim(object.where_, clock_.now().request);
    object.gain_ = 0;
    count(object, info);
    memory_.lend(object.where_, object.visits_);
    file(object, level_of(object, model_.rate_at_visit(object.visits_, clock_.now())));
  }
  void touch(hook& object, const object_info& info) noexcept
  {
    tell_time(info.time_ms);
    if (is_lesson()) teach(&object.visits_);
    count(object, info);
    object.touched_ = true;
  }
  /// What it is worth may have changed: it is filed anew.
  void changed(hook& object, const object_info& info) noexcept
  {
    ring_.take(object);
    object.gain_ = detail::gain_of(info);
    file(object, level_of(object));
  }
  void remove(hook& object) noexcept
  {
    ring_.take(object);
    --residents_;
    memory_.settle(object.where_, object.visits_);
  }

  template <class Visit>
  void victims(Visit&& visit)
  {
    if (residents_ > most_residents_ || residents_ < fewest_residents_ || !full_) follow_residents();
    hook* const first = look_again();
    if (first == nullptr || !visit(*first)) return;
    for (std::uint64_t level = ring_.lowest(); level != ring_.end(); level = ring_.next_full(level + 1)) {
      auto& here = ring_.at(level);
      for (auto at = here.begin(); at != here.end();) {
        hook& object = *at++;
        if (&object == first || rises(object, level)) continue;
        if (!visit(object)) return;
      }
    }
  }

  /// The same: what is remembered of whoever comes is asked for meanwhile.
  template <class Visit>
  void victims(Visit&& visit, const object_info& coming)
  {
    memory_.prefetch(coming.user);
    victims(visit);
  }

  /// The learned weights of the reasons, in the order of return_model.hpp's head.
  [[nodiscard]] const detail::return_model::reason_list& weights() const noexcept { return model_.weights(); }
  /// How many users' visits there is room for.
  [[nodiscard]] std::size_t remembered() const noexcept { return memory_.size(); }

 private:
  static constexpr std::uint64_t most_objects = std::uint64_t{1} << 26U;
  static constexpr std::uint64_t levels_a_lifetime = 64;
  static constexpr std::uint64_t close = 3;           // a score that has risen by no more levels has stayed
  static constexpr std::uint32_t most_touched = 128;  // so many who were used are scored at a time
  static constexpr std::uint64_t most_hinted = 32;    // so many visits of a hint are looked at
  static constexpr std::uint32_t lessons_every = Looks < 16 ? 16 : 4;  // one of so many requests teaches ...
  static constexpr std::uint32_t first_lessons = 8192;                 // ... but each of the first
  static constexpr float least_halvings = 0.9F;                        // in a lifetime: the more looks, the shorter h
  static constexpr double hours_ahead = 0.5;  // of a lifetime: what is looked at of the time of day

  [[nodiscard]] bool is_lesson() const noexcept { return Learns && (clock_.now().request & lesson_mask_) == 0; }
  void teach(const detail::visit_record* returned) noexcept
  {
    detail::visit_record drawn;
    const bool anybody = memory_.any(draw(), drawn);
    if (!model_.learn(returned, anybody ? &drawn : nullptr, clock_.now(), static_cast<float>(memory_.users()))) return;
    if (clock_.now().request >= first_lessons) lesson_mask_ = lessons_every - 1;
    set_slope();
  }

  /// Counts a visit.
  [[gnu::always_inline]] void count(hook& object, const object_info& info) noexcept
  {
    if (!info.hint.visits_ms.empty()) recall(object.visits_, info.hint.visits_ms);
    model_.visit(object.visits_, clock_.now());
    const std::uint64_t events = info.hint.events + info.hint.visits_ms.size();
    const std::uint64_t length = events != 0 ? events : info.tokens;
    if (length != 0) object.visits_.length = detail::octave_code(length);
    if (info.recompute_seconds > 0) weigh(object, info);
  }
  void weigh(hook& object, const object_info& info) noexcept
  {
    object.gain_ = detail::gain_of(info);
    scale_.saw(object.gain_);
  }

  void tell_time(std::int64_t time_ms) noexcept
  {
    if (clock_.tick(time_ms)) model_.set_timed(true);
    progress_ += levels_a_lifetime;
    if (progress_ >= unit_) advance();
  }
  void advance() noexcept
  {
    for (; progress_ >= unit_; progress_ -= unit_) ring_.advance(ring_.begin() + 1);
  }

  /// Writes the record anew from what the caller says of the user's visits. O(visits), the last 32 of them.
  void recall(detail::visit_record& record, std::span<const std::int64_t> visits_ms) noexcept
  {
    record = {};
    const std::size_t from = visits_ms.size() > most_hinted ? visits_ms.size() - most_hinted : 0;
    for (const std::int64_t visit_ms : visits_ms.subspan(from)) model_.visit(record, clock_.past(visit_ms));
  }

  [[nodiscard]] std::uint64_t level_of(const hook& object) const noexcept
  {
    return level_of(object, model_.rate(object.visits_, clock_.now()));
  }
  [[nodiscard]] std::uint64_t level_of(const hook& object, float rate) const noexcept
  {
    constexpr auto highest = static_cast<std::int32_t>(detail::bucket_ring<hook>::buckets - 1);
    return ring_.begin() + scale_.level(rate, object.gain_, highest);
  }
  void file(hook& object, std::uint64_t level) noexcept
  {
    object.touched_ = false;
    ring_.file(object, level);
  }
  /// Files who was touched since, if that is higher up.
  [[nodiscard]] bool rises(hook& object, std::uint64_t level) noexcept
  {
    if (!object.touched_) return false;
    object.touched_ = false;
    const std::uint64_t now = level_of(object);
    if (now <= level) return false;
    ring_.take(object);
    ring_.file(object, now);
    return true;
  }

  /// Looks at who would go first until one is found who stays where they were, or whoever is worth least of those
  /// looked at; null when there is nobody.
  [[nodiscard]] hook* look_again() noexcept
  {
    std::array<std::pair<std::uint64_t, hook*>, Looks + most_touched> rose;  // NOLINT: written before it is read
    std::uint32_t looks = 0;
    std::uint32_t touched = 0;
    for (std::uint64_t level = ring_.lowest(); level < ring_.end(); level = ring_.next_full(level)) {
      hook& first = ring_.at(level).front();
      memory_.prefetch(first.where_);  // if it goes, its visits are remembered there
      const std::uint64_t now = level_of(first);
      std::uint64_t again = 0;
      rose[looks + touched] = {now, &first};
      if (first.touched_) {
        if (now <= level) return &first;
        if (++touched == most_touched) break;
      } else {
        if (now <= level + close) return &first;
        if (++looks == Looks) break;
        again = (std::min)(2 * (now - level), levels_a_lifetime);  // it may rise twice as much again
      }
      ring_.take_first(level);
      file(first, (std::min)(now + again, ring_.end() - 1));
    }
    const auto all = std::span(rose).first(looks + touched);
    if (all.empty()) return nullptr;
    return std::min_element(all.begin(), all.end(), [](auto& a, auto& b) { return a.first < b.first; })->second;
  }

  /// A lifetime is as many requests as there are residents. When their number has changed by a quarter, everybody is
  /// filed anew: O(1) for each that came or went. So they are when somebody has to go for the first time: the weights
  /// that they were filed by have been learned since.
  void follow_residents() noexcept
  {
    if (residents_ > most_residents_ || residents_ < fewest_residents_) set_unit(residents_);
    full_ = true;
    auto all = ring_.take_all();
    while (!all.empty()) {
      hook& object = all.front();
      all.pop_front();
      file(object, level_of(object));
    }
  }

  void set_unit(std::uint64_t residents) noexcept
  {
    unit_ = (std::max)((std::min)(residents, most_objects), std::uint64_t{16});
    most_residents_ = unit_ < most_objects ? (unit_ * 6 + 64) / 5 : (std::numeric_limits<std::uint64_t>::max)();
    fewest_residents_ = (unit_ * 4 - 60) / 5;
    model_.set_unit(static_cast<std::uint32_t>(unit_));
    clock_.look_ahead(hours_ahead * static_cast<double>(unit_));
    progress_ = 0;
    set_slope();
  }
  /// h, in levels: rates are expected to halve as often as those do whose users come back.
  void set_slope() noexcept { scale_.set_slope(levels_a_lifetime / (model_.halvings() + least_halvings)); }

  [[nodiscard]] std::uint32_t draw() noexcept
  {
    random_ ^= random_ << 13U;
    random_ ^= random_ >> 7U;
    random_ ^= random_ << 17U;
    return static_cast<std::uint32_t>(random_ >> 32U);
  }

  detail::return_model model_;
  detail::visit_memory memory_;
  detail::bucket_ring<hook> ring_;
  detail::visit_clock clock_;
  std::uint64_t progress_ = 0;  // towards the next level, in parts of a level's requests
  std::uint64_t unit_ = 1;
  std::uint64_t residents_ = 0;
  std::uint64_t most_residents_ = 0;
  std::uint64_t fewest_residents_ = 0;
  std::uint64_t random_ = 88172645463325252U;
  bool full_ = false;  // has been asked for a victim once
  std::uint32_t lesson_mask_ = 0;
  detail::score_scale scale_;
};

/// With memory for 24 users for each that fits.
using locality = basic_locality<>;
/// A little more hits for more time: more looks, more lessons.
using thorough_locality = basic_locality<24, 32>;

static_assert(replacement_policy<locality>);
static_assert(replacement_policy<thorough_locality>);

}  // namespace kvstrata
