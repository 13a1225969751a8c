// Only who is asked for a second time, not long after the first, may come in. So a tier of flash does not write what is
// asked for only once. (The "reject first" admission of CacheLib: Berg et al., "The CacheLib caching engine: design and
// experiences at scale", OSDI 2020.)
//
//   admits:  a key that is remembered comes in and is forgotten; another is turned away and remembered, as the youngest
//            of as many as would fill the tier's bytes, or its room for objects
//
// Whether there is room does not matter: it is writes that are saved. O(1); allocates at construction only.
#pragma once

#include <kvstrata/replacement/admission/concepts.hpp>
#include <kvstrata/replacement/ghost_list.hpp>

#include <algorithm>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class second_use
{
 public:
  using option_kind = admission_option;

  /// 40 bytes for each of size.objects. Throws std::bad_alloc.
  explicit second_use(const tier_size& size)
      : most_bytes_(size.bytes), seen_once_((std::min)(size.objects, size.bytes), size.bytes)
  {
  }

  [[nodiscard]] bool admits(const object_info& candidate, const object_info*) noexcept
  {
    if (seen_once_.take(to_number(candidate.user))) return true;
    seen_once_.remember(to_number(candidate.user), candidate.bytes);
    while (seen_once_.bytes() > most_bytes_) seen_once_.forget();
    return false;
  }

 private:
  std::uint64_t most_bytes_;
  ghost_list<> seen_once_;
};

static_assert(admission_policy<second_use>);

}  // namespace kvstrata
