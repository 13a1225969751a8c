// Locality: whoever is least likely to come back soon, for what that would save and the bytes it holds, goes first.
//
//   rate         of a user: learned weights x reasons to come back (locality/return_model.hpp): a visit just before,
//                lately, within a day, at this time of day, a long history. Visits are remembered after eviction, 16
//                bytes a user
//   worth        log2(rate x loss_seconds / bytes); where no cost is given, log2(rate): saved work goes with bytes
//   score        now + 3/4 lifetimes x worth, in requests; a lifetime is as many requests as there are residents. It
//                needs no rescoring while a rate halves every 3/4 lifetimes
//   insert, touch:  count the visit; file the user in a ring of buckets by score
//   victims:     the lowest bucket's first; but rates fall more slowly than scores expect, and rise with the time of
//                day, so it is looked at again, and if it is worth more by now, filed higher, by twice what it rose: at
//                most `Looks` of them; if all rose, whoever is worth least of these goes
//   no clock?    Where callers tell no times, requests are the clock, and the reasons that need one are silent
//
// Ours. Kin: LHD (Beckmann, Chen, Cidon, NSDI 2018), which learns hits by age and space; LRFU (Lee et al., SIGMETRICS
// 1999), whose decayed counts need no rescoring either. O(1) an access; allocates at construction only.
#pragma once

#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/locality/bucket_ring.hpp>
#include <kvstrata/replacement/locality/return_model.hpp>
#include <kvstrata/replacement/locality/visit_memory.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstrata {

/// `Remembered`: how many users' visits are remembered for each object that the tier has room for, 16 bytes each.
/// `Looks`: how many scores are looked at again, at most, when somebody has to go. `Reasons`: a bit for each reason to
/// come back, in the order of return_model.hpp's head; `Learns`: whether their weights are learned.
template <std::uint32_t Remembered = 32, std::uint32_t Looks = 10, std::uint32_t Reasons = 63, bool Learns = true>
class basic_locality
{
 public:
  class hook : public detail::ring_hook
  {
    friend basic_locality;
    detail::visit_record visits_;  // as they are remembered since the last visit: looks need no memory but the object's
    float gain_ = 0;               // log2 of what a hit saves by byte
  };

  /// Throws std::bad_alloc. 64 KiB, and Remembered x 16 bytes for each of `size.objects`.
  explicit basic_locality(const tier_size& size)
      : model_(Reasons), memory_((std::min)(size.objects, most_objects) * Remembered)
  {
    set_unit(static_cast<std::uint32_t>((std::min)(size.objects, most_objects)));
  }

  void insert(hook& object, const object_info& info) noexcept
  {
    ++residents_;
    visit(object, info);
  }
  void touch(hook& object, const object_info& info) noexcept
  {
    ring_.take(object);
    visit(object, info);
  }
  /// What it is worth may have changed: it is filed anew.
  void changed(hook& object, const object_info& info) noexcept
  {
    ring_.take(object);
    object.gain_ = gain_of(info);
    ring_.file(object, level_of(object));
  }
  void remove(hook& object) noexcept
  {
    ring_.take(object);
    --residents_;
  }

  template <class Visit>
  void victims(Visit&& visit)
  {
    follow_residents();
    hook* const first = look_again();
    if (first == nullptr || !visit(*first)) return;
    for (std::uint64_t level = ring_.lowest(); level != ring_.end(); level = ring_.next_full(level + 1)) {
      for (hook& object : ring_.at(level)) {
        if (&object != first && !visit(object)) return;
      }
    }
  }

  /// The learned weights of the reasons, in the order of return_model.hpp's head.
  [[nodiscard]] const detail::return_model::reason_list& weights() const noexcept { return model_.weights(); }
  /// How many users' visits there is room for.
  [[nodiscard]] std::size_t remembered() const noexcept { return memory_.size(); }

 private:
  static constexpr std::uint64_t most_objects = std::uint64_t{1} << 26U;
  static constexpr std::uint64_t levels_a_lifetime = 256;
  static constexpr std::uint64_t score_quarters = 3;
  static constexpr std::uint64_t most_again = levels_a_lifetime / 4;
  static constexpr std::uint64_t most_hinted = 32;

  void visit(hook& object, const object_info& info) noexcept
  {
    tell_time(info.time_ms);
    detail::visit_memory::place where;
    detail::visit_record* record = memory_.find(info.user, where);
    if (Learns && (now_.request % lessons_every == 0 || now_.request < first_lessons)) {
      model_.learn(record, memory_.any(draw()), now_, static_cast<float>(memory_.users()));
    }
    if (record == nullptr) record = &memory_.claim(where, now_.request);
    if (!info.hint.visits_ms.empty()) recall(*record, info.hint.visits_ms);
    model_.visit(*record, now_);
    const std::uint64_t events = info.hint.events + info.hint.visits_ms.size();
    detail::return_model::set_length(*record, events != 0 ? events : info.tokens);
    object.visits_ = *record;
    object.gain_ = gain_of(info);
    if (gains_ < 4096) centre_ += (object.gain_ - centre_) / static_cast<float>(++gains_);
    ring_.file(object, level_of(object));
  }

  /// The clock never runs backwards; one that does not run is not looked at.
  void tell_time(std::int64_t time_ms) noexcept
  {
    ++now_.request;
    for (progress_ += levels_a_lifetime; progress_ >= unit_; progress_ -= unit_) ring_.advance(ring_.begin() + 1);
    const std::int64_t slot = time_ms / detail::visit_time::slot_ms;
    if (slot <= slot_) return;
    if (!model_.timed()) {
      model_.set_timed(true);
      first_slot_ = slot;
      first_request_ = now_.request;
    }
    slot_ = slot;
    now_.set_slot(slot);
  }

  /// Writes the record anew from what the caller says of the user's visits. O(visits), the last 32 of them.
  void recall(detail::visit_record& record, std::span<const std::int64_t> visits_ms) noexcept
  {
    const std::uint16_t tag = record.tag;
    record = {};
    record.tag = tag;
    const std::size_t from = visits_ms.size() > most_hinted ? visits_ms.size() - most_hinted : 0;
    const double slots = static_cast<double>(slot_ - first_slot_);
    const double requests_a_slot = slots > 0 ? (now_.request - first_request_) / slots : 0.0;
    for (std::size_t i = from; i < visits_ms.size(); ++i) {
      const std::int64_t slot = (std::min)(visits_ms[i] / detail::visit_time::slot_ms, slot_);
      detail::visit_time then;
      then.set_slot(slot);
      const double ago = static_cast<double>(slot_ - slot) * requests_a_slot;
      then.request = now_.request - static_cast<std::uint32_t>((std::min)(ago, 2e9));
      model_.visit(record, then);
    }
  }

  [[nodiscard]] static float gain_of(const object_info& info) noexcept
  {
    const double saved = info.loss_seconds();
    if (!(saved > 0) || info.bytes == 0) return 0.0F;
    return detail::binary_logarithm(
        static_cast<float>((std::min)((std::max)(saved / static_cast<double>(info.bytes), 1e-30), 1e30)));
  }

  [[nodiscard]] std::uint64_t level_of(const hook& object) const noexcept
  {
    const float worth = detail::binary_logarithm(model_.rate(object.visits_, now_)) + object.gain_ - centre_;
    const float levels = worth * static_cast<float>(levels_a_lifetime * score_quarters / 4);
    return ring_.clamped(static_cast<std::int64_t>(ring_.begin()) + present +
                         static_cast<std::int64_t>((std::min)((std::max)(levels, -1e6F), 1e6F)));
  }

  /// Looks at who would go first until one is found who stays where they were, or whoever is worth least of those
  /// looked at; null when there is nobody.
  [[nodiscard]] hook* look_again() noexcept
  {
    hook* least = nullptr;
    std::uint64_t lowest = 0;
    std::uint64_t level = ring_.lowest();
    for (std::uint32_t looks = 0; looks < Looks && level < ring_.end(); ++looks) {
      hook& first = ring_.at(level).front();
      const std::uint64_t now = level_of(first);
      if (least == nullptr || now < lowest) {
        least = &first;
        lowest = now;
      }
      if (now <= level + close) break;
      ring_.take(first);
      const std::uint64_t again = (std::min)(now - level, most_again);  // it may rise as much again
      ring_.file(first, ring_.clamped(static_cast<std::int64_t>(now + again)));
      level = ring_.next_full(level);
    }
    return least;
  }

  /// A lifetime is as many requests as there are residents. When their number has changed by a quarter, everybody is
  /// filed anew: O(1) for each that came or went.
  void follow_residents() noexcept
  {
    if (residents_ * 5 <= unit_ * 6 + 64 && residents_ * 5 + 64 >= unit_ * 4) return;
    set_unit(static_cast<std::uint32_t>((std::min)(residents_, most_objects)));
    auto all = ring_.take_all();
    while (!all.empty()) {
      hook& object = all.front();
      all.pop_front();
      ring_.file(object, level_of(object));
    }
  }

  void set_unit(std::uint32_t residents) noexcept
  {
    unit_ = (std::max)(residents, 16U);
    model_.set_unit(static_cast<std::uint32_t>(unit_));
    progress_ = 0;
  }

  [[nodiscard]] std::uint32_t draw() noexcept
  {
    random_ ^= random_ << 13U;
    random_ ^= random_ >> 7U;
    random_ ^= random_ << 17U;
    return static_cast<std::uint32_t>(random_ >> 32U);
  }

  static constexpr std::uint32_t lessons_every = 8;
  static constexpr std::uint32_t first_lessons = 8192;  // so many requests teach, each, at the beginning
  static constexpr std::int64_t present = 3072;  // so many of the ring's levels lie below a rate of once a lifetime
  static constexpr std::uint64_t close = 12;     // a score that has risen by no more has stayed

  detail::return_model model_;
  detail::visit_memory memory_;
  detail::bucket_ring<hook> ring_;
  detail::visit_time now_;
  std::uint64_t progress_ = 0;  // towards the next level, in parts of a level's requests
  std::uint64_t unit_ = 1;
  std::uint64_t residents_ = 0;
  std::uint64_t random_ = 88172645463325252U;
  std::int64_t slot_ = 0;
  std::int64_t first_slot_ = 0;
  std::uint32_t first_request_ = 0;
  std::uint32_t gains_ = 0;
  float centre_ = 0;  // of the first 4096 gains
};

/// With memory for 32 users for each that fits.
using locality = basic_locality<>;

static_assert(replacement_policy<locality>);

}  // namespace kvstrata
