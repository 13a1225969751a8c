// S3-FIFO: three queues, first in, first out. (Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache
// eviction", SOSP 2023.)
//
//   insert:   into the small queue, or into the main queue if it left the small one not long ago
//   touch:    counts, up to 3; nothing moves
//   victims:  from the small queue while it has its share of the tier (10 %), else from the main queue.
//             Small: who was touched twice or more since it came moves to the main queue, uncounted; others go.
//             Main:  who was touched goes round again, with one touch less; others go
//   evict:    who leaves the small queue is remembered, while that is at most 90 % of the tier's bytes
//
// The newcomer is looked for among the ghosts after its victims have joined them, and only then are the oldest ghosts
// forgotten: so the order is the paper's. Ghosts: 90 % of as many as the tier has objects or bytes, 40 bytes each.
// O(1), victims amortised; nothing allocates after construction.
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
class basic_s3_fifo
{
 public:
  struct hook : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>,
                Ghosts::template mark<basic_s3_fifo>
  {
    [[no_unique_address]] Bytes bytes{};
    std::uint8_t uses = 0;
    bool in_main = false;
  };

  /// Allocates the ghosts: 40 bytes for 90 % of size.objects. Throws std::bad_alloc.
  explicit basic_s3_fifo(const tier_size& size)
      : small_share_((std::max)(share(size.bytes, 10), std::uint64_t{1})),
        ghost_bytes_(share(size.bytes, 90)),
        ghosts_(share((std::min)(size.objects, size.bytes), 90) + 1, size.bytes)
  {
  }

  void insert(hook& object, const object_info& info) noexcept
  {
    object.in_main = ghosts_.take(to_number(info.user)).has_value() && info.requested;
    object.bytes = info.bytes;  // not before: of a ghost they are what it took
    object.uses = 0;
    ghosts_.limit(ghost_bytes_);
    (object.in_main ? main_ : small_).push_back(object);
    if (!object.in_main) small_bytes_ += object.bytes;
  }

  void touch(hook& object, const object_info& info) noexcept
  {
    if (object.uses < most_uses) ++object.uses;
    changed(object, info);
  }

  void changed(hook& object, const object_info& info) noexcept
  {
    if (!object.in_main) small_bytes_ += info.bytes - object.bytes;
    object.bytes = info.bytes;
  }

  void remove(hook& object) noexcept
  {
    if (!object.in_main) small_bytes_ -= object.bytes;
    queue& from = object.in_main ? main_ : small_;
    from.erase(from.iterator_to(object));
  }

  void evict(hook& object, const object_info& info) noexcept
  {
    remove(object);
    if (!object.in_main) ghosts_.remember(object, to_number(info.user), info.bytes);
  }

  /// Those that were offered count as gone.
  template <class Visit>
  void victims(Visit&& visit)
  {
    auto newcomers = small_.begin();
    auto main = main_.begin();
    std::uint64_t small_left = small_bytes_;
    for (;;) {
      hook* victim = nullptr;
      if (small_left >= small_share_ || main == main_.end()) victim = next_of_small(newcomers, main, small_left);
      if (victim == nullptr) victim = next_of_main(main);
      if (victim == nullptr && newcomers == small_.end()) return;
      if (victim != nullptr && !visit(*victim)) return;
    }
  }

  /// For callers who keep hooks: replacement/lean_form.hpp.
  using ghost_memory = typename Ghosts::template memory<hook>;
  [[nodiscard]] ghost_memory& ghosts() noexcept
    requires(std::same_as<Ghosts, ghosts_by_hook>)
  {
    return ghosts_;
  }

 private:
  using queue = boost::intrusive::list<hook, boost::intrusive::constant_time_size<false>>;
  using position = typename queue::iterator;

  static constexpr std::uint8_t most_uses = 3;  // two bits
  static constexpr std::uint8_t to_main = 2;

  /// Who is next in the small queue; null when all that was left of it has moved to the main queue.
  hook* next_of_small(position& newcomers, position& main, std::uint64_t& small_left) noexcept
  {
    while (newcomers != small_.end()) {
      hook& object = *newcomers++;
      small_left -= object.bytes;
      if (object.uses < to_main) return &object;
      small_bytes_ -= object.bytes;
      object.uses = 0;
      object.in_main = true;
      main_.splice(main_.end(), small_, small_.iterator_to(object));
      if (main == main_.end()) main = main_.iterator_to(object);
    }
    return nullptr;
  }

  /// Who is next in the main queue; null when it has been told of all.
  hook* next_of_main(position& main) noexcept
  {
    while (main != main_.end()) {
      hook& object = *main++;
      if (object.uses == 0) return &object;
      --object.uses;
      main_.splice(main_.end(), main_, main_.iterator_to(object));
      if (main == main_.end()) main = main_.iterator_to(object);
    }
    return nullptr;
  }

  queue small_;  // oldest first
  queue main_;   // the hand is at its head
  std::uint64_t small_bytes_ = 0;
  std::uint64_t small_share_;
  std::uint64_t ghost_bytes_;
  ghost_memory ghosts_;
};

using s3_fifo = basic_s3_fifo<>;

template <class Bytes>
struct lean_form<s3_fifo, Bytes>
{
  using type = basic_s3_fifo<Bytes, ghosts_by_hook>;
};

static_assert(replacement_policy<s3_fifo> && remembers_evicted<s3_fifo>);

}  // namespace kvstrata
