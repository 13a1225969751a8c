// Window TinyLFU: a newcomer stays only if it is asked for more often than whom it would push out. (Einziger, Friedman,
// Manes, "TinyLFU: a highly efficient cache admission policy", ACM Transactions on Storage, 2017.)
//
//   sketch:   counts how often keys were asked for of late, also those that are gone (frequency_sketch.hpp)
//   insert:   into the window, least recently used first, which has 1 % of the bytes but room for one object at least;
//             who is pushed out of it goes to the young end of probation
//   touch:    in the window or in protection to its young end; from probation into protection, which has 80 % of the
//             remaining bytes: who is pushed out of it goes back to the young end of probation
//   victims:  when the window is full, its oldest against the oldest in probation: whoever has the lower count goes,
//             the window's if equal. Else the oldest in probation. Then the others: probation, protection, window
//
// The published policy judges when the window has overflowed. Here victims are asked for before the newcomer comes in,
// so the window is full when another object as large as the last would not fit, and the one that is about to be pushed
// out is judged. Every operation O(1); allocates at construction only: the sketch, which is all that is remembered of
// those that left.
#pragma once

#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/frequency_sketch.hpp>
#include <kvstrata/replacement/share.hpp>

#include <boost/intrusive/list.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Shares of the tier's bytes: the window's, and in what remains that of protection.
template <std::uint32_t WindowPercent = 1, std::uint32_t ProtectedPercent = 80>
class basic_w_tiny_lfu
{
  static_assert(WindowPercent <= 100 && ProtectedPercent <= 100);
  enum part : std::uint8_t { window, probation, protection };

 public:
  class hook : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>
  {
    friend class basic_w_tiny_lfu;
    std::uint64_t key_ = 0;
    std::uint64_t bytes_ = 0;
    part in_ = window;
  };

  /// Throws std::bad_alloc.
  explicit basic_w_tiny_lfu(const tier_size& size)
      : window_bytes_(share(size.bytes, WindowPercent)),
        protection_bytes_(share(size.bytes - window_bytes_, ProtectedPercent)),
        sketch_(size)
  {
  }

  void insert(hook& object, const object_info& info) noexcept
  {
    object.key_ = to_number(info.user);
    object.bytes_ = latest_bytes_ = info.bytes;
    if (info.requested) sketch_.add(object.key_, info.bytes);
    object.in_ = window;
    parts_[window].order.push_back(object);
    parts_[window].bytes += info.bytes;
    shrink(window, window_bytes_);
  }
  void touch(hook& object, const object_info& info) noexcept
  {
    sketch_.add(object.key_, info.bytes);
    resize(object, info.bytes);
    const bool stays = object.in_ == window;
    move(object, stays ? window : protection);
    if (stays) shrink(window, window_bytes_);
    else shrink(protection, protection_bytes_);
  }
  void changed(hook& object, const object_info& info) noexcept
  {
    resize(object, info.bytes);
    shrink(window, window_bytes_);
    shrink(protection, protection_bytes_);
  }
  void remove(hook& object) noexcept
  {
    segment& from = parts_[object.in_];
    from.order.erase(from.order.iterator_to(object));
    from.bytes -= object.bytes_;
  }

  template <class Visit>
  void victims(Visit&& visit)
  {
    hook* judged = nullptr;
    if (const hook* const candidate = window_candidate()) {
      const hook* const rival = oldest_of_main();
      if (rival == nullptr || sketch_.frequency(candidate->key_) <= sketch_.frequency(rival->key_)) {
        judged = &parts_[window].order.front();
        if (!visit(*judged)) return;
      }
    }
    for (const part from : {probation, protection, window}) {
      for (hook& object : parts_[from].order) {
        if (&object != judged && !visit(object)) return;
      }
    }
  }

 private:
  struct segment
  {
    boost::intrusive::list<hook> order;  // oldest first
    std::uint64_t bytes = 0;
  };

  /// Who would be pushed out of the window next, if it is full.
  [[nodiscard]] const hook* window_candidate() const noexcept
  {
    const segment& in = parts_[window];
    return !in.order.empty() && in.bytes + latest_bytes_ > window_bytes_ ? &in.order.front() : nullptr;
  }

  [[nodiscard]] const hook* oldest_of_main() const noexcept
  {
    for (const part from : {probation, protection}) {
      if (!parts_[from].order.empty()) return &parts_[from].order.front();
    }
    return nullptr;
  }

  void resize(hook& object, std::uint64_t bytes) noexcept
  {
    parts_[object.in_].bytes += bytes - object.bytes_;
    object.bytes_ = bytes;
  }

  /// To the young end of a part.
  void move(hook& object, part to) noexcept
  {
    segment& from = parts_[object.in_];
    parts_[to].order.splice(parts_[to].order.end(), from.order, from.order.iterator_to(object));
    from.bytes -= object.bytes_;
    parts_[to].bytes += object.bytes_;
    object.in_ = to;
  }

  /// Pushes the oldest out into probation until the part is as large as it may be, or has one object left.
  void shrink(part from, std::uint64_t most) noexcept
  {
    segment& in = parts_[from];
    while (in.bytes > most && &in.order.front() != &in.order.back()) move(in.order.front(), probation);
  }

  std::uint64_t window_bytes_;
  std::uint64_t protection_bytes_;
  std::uint64_t latest_bytes_ = 0;  // of whoever came last: what the next one may take
  frequency_sketch sketch_;
  std::array<segment, 3> parts_;
};

using w_tiny_lfu = basic_w_tiny_lfu<>;

static_assert(replacement_policy<w_tiny_lfu>);

}  // namespace kvstrata
