// Segmented LRU. (Two segments: Ramakrishna Karedla, J. Spencer Love, Bradley G. Wherry, "Caching strategies to improve
// disk system performance", IEEE Computer 27(3), 1994. Four: Qi Huang, Ken Birman, Robbert van Renesse, Wyatt Lloyd,
// Sanjeev Kumar, Harry C. Li, "An analysis of Facebook photo caching", SOSP 2013.)
//
//   insert:   to the young end of the lowest segment. While the tier fills up: of the lowest that has room
//   touch:    to the young end of the next higher segment. While that takes more than its share of the tier's bytes,
//             its oldest goes to the young end of the segment below, and so on down
//   victims:  the lowest segment from the old end on, then the next higher one, and so on
//
// So what was used once cannot push out what was used often. The variant: slru<> is Huang's S4LRU, four equal segments,
// as libCacheSim runs it: while there is room newcomers fill upper segments, too. slru<2, 80> is Karedla's with a protected
// segment of 80 %. Parameters: the number of segments, and the percentage of the tier's bytes that all but the lowest
// share evenly, rounded down; 0: all are equal. An object that is larger than its segment is alone in it. No ghosts. Every
// operation O(1), amortised over the touches before it where sizes differ, and without allocation.
#pragma once

#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/lean_form.hpp>
#include <kvstrata/replacement/share.hpp>

#include <boost/intrusive/list.hpp>

#include <array>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// `Bytes`: how hooks keep what objects take.
template <unsigned Segments = 4, unsigned ProtectedPercent = 0, class Bytes = told_bytes>
class slru
{
  static_assert(Segments >= 2 && Segments <= 64, "slru: from 2 to 64 segments");
  static_assert(ProtectedPercent <= 99, "slru: the protected share is from 1 to 99 percent, or 0: all are equal");

 public:
  struct hook : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>
  {
    [[no_unique_address]] Bytes bytes{};
    unsigned segment = 0;
  };

  explicit slru(const tier_size& size) noexcept
  {
    const std::uint64_t all = kvstrata::share(size.bytes, ProtectedPercent);
    for (segment& one : segments_) one.share = ProtectedPercent == 0 ? size.bytes / Segments : all / (Segments - 1);
    if (ProtectedPercent != 0) segments_[0].share = size.bytes - all;
  }

  void insert(hook& object, const object_info& info) noexcept
  {
    object.bytes = info.bytes;
    object.segment = 0;
    for (unsigned s = 0; s < Segments; ++s) {
      if (segments_[s].bytes + object.bytes > segments_[s].share) continue;
      object.segment = s;
      break;
    }
    segments_[object.segment].objects.push_back(object);
    segments_[object.segment].bytes += object.bytes;
  }

  void touch(hook& object, const object_info& info) noexcept
  {
    segment& from = segments_[object.segment];
    if (object.segment + 1 < Segments) ++object.segment;
    segment& to = segments_[object.segment];
    to.objects.splice(to.objects.end(), from.objects, from.objects.iterator_to(object));
    from.bytes -= object.bytes;
    object.bytes = info.bytes;
    to.bytes += object.bytes;
    for (unsigned s = object.segment; s > 0 && segments_[s].bytes > segments_[s].share; --s) {
      while (segments_[s].bytes > segments_[s].share && &segments_[s].objects.front() != &object) lower(s);
    }
  }

  void changed(hook& object, const object_info& info) noexcept
  {
    segments_[object.segment].bytes -= object.bytes;
    object.bytes = info.bytes;
    segments_[object.segment].bytes += object.bytes;
  }

  void remove(hook& object) noexcept
  {
    segment& from = segments_[object.segment];
    from.bytes -= object.bytes;
    from.objects.erase(from.objects.iterator_to(object));
  }

  template <class Visit>
  void victims(Visit&& visit)
  {
    for (segment& one : segments_) {
      for (hook& object : one.objects) {
        if (!visit(object)) return;
      }
    }
  }

 private:
  struct segment
  {
    boost::intrusive::list<hook, boost::intrusive::constant_time_size<false>> objects;  // oldest first
    std::uint64_t bytes = 0;
    std::uint64_t share = 0;
  };

  void lower(unsigned from) noexcept
  {
    segment& high = segments_[from];
    segment& low = segments_[from - 1];
    hook& oldest = high.objects.front();
    low.objects.splice(low.objects.end(), high.objects, high.objects.begin());
    high.bytes -= oldest.bytes;
    low.bytes += oldest.bytes;
    oldest.segment = from - 1;
  }

  std::array<segment, Segments> segments_;  // the lowest first
};

template <unsigned Segments, unsigned ProtectedPercent, class Bytes>
struct lean_form<slru<Segments, ProtectedPercent>, Bytes>
{
  using type = slru<Segments, ProtectedPercent, Bytes>;
};

static_assert(replacement_policy<slru<>> && replacement_policy<slru<2, 80>>);

}  // namespace kvstrata
