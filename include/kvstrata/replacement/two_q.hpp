// 2Q, the full version: who comes for the first time waits in a queue, and only who comes again is worth a place among
// the hot. (Johnson, Shasha, "2Q: a low overhead high performance buffer management replacement algorithm", VLDB 1994.)
//
//   insert:   into A1in, first in first out; into Am, least recently used, if it is remembered in A1out
//   touch:    in Am to the young end; in A1in nothing: uses soon after the first are correlated with it
//   victims:  from A1in while it has more than Kin (25 %) of the tier's bytes, else from Am; then from the other
//   evict:    who leaves A1in is remembered in A1out, up to Kout (50 %) of the tier's bytes; who leaves Am is not
//
// The newcomer is looked for in A1out after its victims have joined it, and only then are the oldest forgotten: so the
// order is the paper's. Ghosts: half as many as the tier has objects or bytes, 40 bytes each. O(1); nothing
// allocates after construction.
#pragma once

#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/ghost_hooks.hpp>
#include <kvstrata/replacement/lean_form.hpp>
#include <kvstrata/replacement/share.hpp>

#include <boost/intrusive/list.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// `Bytes`: how hooks keep what objects take. `Ghosts`: by what it remembers who left.
template <class Bytes = told_bytes, class Ghosts = ghosts_by_key>
class basic_two_q
{
 public:
  struct hook : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>,
                Ghosts::template mark<basic_two_q>
  {
    [[no_unique_address]] Bytes bytes{};
    bool hot = false;
  };

  /// Allocates the ghosts: 40 bytes for half of size.objects. Throws std::bad_alloc.
  explicit basic_two_q(const tier_size& size)
      : in_share_(share(size.bytes, 25)),
        out_share_(share(size.bytes, 50)),
        out_(share((std::min)(size.objects, size.bytes), 50) + 1, size.bytes)
  {
  }

  void insert(hook& object, const object_info& info) noexcept
  {
    object.hot = out_.take(to_number(info.user)).has_value() && info.requested;
    object.bytes = info.bytes;  // not before: of a ghost they are what it took
    out_.limit(out_share_);
    if (!object.hot) in_bytes_ += object.bytes;
    list_of(object).push_back(object);
  }

  void touch(hook& object, const object_info& info) noexcept
  {
    if (object.hot) hot_.splice(hot_.end(), hot_, hot_.iterator_to(object));
    changed(object, info);
  }

  void changed(hook& object, const object_info& info) noexcept
  {
    if (!object.hot) in_bytes_ += info.bytes - object.bytes;
    object.bytes = info.bytes;
  }

  void remove(hook& object) noexcept
  {
    if (!object.hot) in_bytes_ -= object.bytes;
    list_of(object).erase(list::s_iterator_to(object));
  }

  void evict(hook& object, const object_info& info) noexcept
  {
    remove(object);
    if (!object.hot) out_.remember(object, to_number(info.user), info.bytes);
  }

  /// Those that were offered count as gone.
  template <class Visit>
  void victims(Visit&& visit)
  {
    auto in = in_.begin();
    auto hot = hot_.begin();
    std::uint64_t in_left = in_bytes_;
    while (in != in_.end() || hot != hot_.end()) {
      const bool from_in = hot == hot_.end() || (in != in_.end() && in_left > in_share_);
      if (from_in) in_left -= in->bytes;
      if (!visit(from_in ? *in++ : *hot++)) return;
    }
  }

  /// For callers who keep hooks: replacement/lean_form.hpp.
  using ghost_memory = typename Ghosts::template memory<hook>;
  [[nodiscard]] ghost_memory& ghosts() noexcept
    requires(std::same_as<Ghosts, ghosts_by_hook>)
  {
    return out_;
  }

 private:
  using list = boost::intrusive::list<hook, boost::intrusive::constant_time_size<false>>;

  list& list_of(const hook& object) noexcept { return object.hot ? hot_ : in_; }

  list in_;   // A1in, oldest first
  list hot_;  // Am, least recently used first
  std::uint64_t in_bytes_ = 0;
  std::uint64_t in_share_;   // Kin
  std::uint64_t out_share_;  // Kout
  ghost_memory out_;         // A1out
};

using two_q = basic_two_q<>;

template <class Bytes>
struct lean_form<two_q, Bytes>
{
  using type = basic_two_q<Bytes, ghosts_by_hook>;
};

static_assert(replacement_policy<two_q> && remembers_evicted<two_q>);

}  // namespace kvstrata
