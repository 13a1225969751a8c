// Low inter-reference recency set: objects count by how many others were asked for between their last two uses, not by
// how long the last one is past. (Jiang, Zhang, "LIRS: an efficient low inter-reference recency set replacement policy
// to improve buffer cache performance", SIGMETRICS 2002.)
//
//   LIR, HIR:  those with low such recency have 99 % of the bytes, the others the rest; who comes first is LIR
//   insert:    HIR; but LIR if it left as HIR, and has a younger last use than the oldest LIR object
//   touch:     LIR: becomes the youngest. HIR: becomes LIR if its last use is younger than that of the oldest LIR
//              object, or while there is room for it, else the youngest HIR
//   demotion:  when LIR objects have too many bytes the oldest becomes the youngest HIR
//   victims:   HIR objects, the oldest first; then LIR objects, likewise
//   evict:     a HIR object is remembered with its last use, as long as that is younger than the oldest LIR object's
//
// The variant: the paper's, whose stack may hold any number of non-resident HIR objects, with a bound on these: as many
// bytes as the tier has (GhostPercent), and when they are more, whoever is deepest in the stack leaves it. The paper
// prunes the stack until a LIR object is at its bottom. What it tells is only who was used after the oldest LIR object:
// here uses are numbered and the numbers compared. The decisions are the same. Ghosts: as many as the tier has objects or
// bytes, 48 bytes each. O(1), demotion and forgetting amortised; allocates at construction only.
#pragma once

#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/ghost_list.hpp>
#include <kvstrata/replacement/share.hpp>

#include <boost/intrusive/list.hpp>

#include <algorithm>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// HirPercent: of the tier's bytes, for HIR objects. GhostPercent: of the tier's bytes and objects, for those that left.
template <std::uint32_t HirPercent = 1, std::uint32_t GhostPercent = 100>
class basic_lirs
{
  static_assert(HirPercent <= 100 && GhostPercent <= 1000);

 public:
  class hook : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>
  {
    friend class basic_lirs;
    std::uint64_t used_ = 0;  // number of its last use
    std::uint64_t bytes_ = 0;
    bool lir_ = false;
  };

  /// Allocates the ghosts. Throws std::bad_alloc.
  explicit basic_lirs(const tier_size& size)
      : lir_most_(size.bytes - (std::min)(size.bytes, (std::max)(share(size.bytes, HirPercent), std::uint64_t{1}))),
        ghost_most_(ghosts_for(size.bytes)),
        ghosts_(ghosts_for((std::min)(size.objects, size.bytes)) + 1, size.bytes)
  {
  }

  void insert(hook& object, const object_info& info) noexcept
  {
    auto ghost = ghosts_.take(to_number(info.user));
    if (!info.requested) ghost.reset();
    // They left in the order of their last uses: whoever is out of the stack is the oldest.
    while (!ghosts_.empty() && (ghosts_.bytes() > ghost_most_ || !is_recent(ghosts_.oldest().note))) ghosts_.forget();
    object.lir_ = fits_lir(info.bytes) || (ghost && is_recent(ghost->note));
    object.bytes_ = info.bytes;
    object.used_ = ++uses_;
    order_of(object).push_back(object);
    if (object.lir_) lir_bytes_ += object.bytes_;
    demote();
  }

  void touch(hook& object, const object_info& info) noexcept
  {
    resize(object, info.bytes);
    list& from = order_of(object);
    if (!object.lir_ && (is_recent(object.used_) || fits_lir(object.bytes_))) {
      object.lir_ = true;
      lir_bytes_ += object.bytes_;
    }
    object.used_ = ++uses_;
    list& to = order_of(object);
    to.splice(to.end(), from, from.iterator_to(object));
    demote();
  }

  void changed(hook& object, const object_info& info) noexcept
  {
    resize(object, info.bytes);
    demote();
  }

  void remove(hook& object) noexcept
  {
    if (object.lir_) lir_bytes_ -= object.bytes_;
    list& from = order_of(object);
    from.erase(from.iterator_to(object));
  }

  void evict(hook& object, const object_info& info) noexcept
  {
    if (is_recent(object.used_)) ghosts_.remember(to_number(info.user), info.bytes, 0, object.used_);
    remove(object);
  }

  template <class Visit>
  void victims(Visit&& visit)
  {
    for (list* const from : {&hir_, &lir_}) {
      for (hook& object : *from) {
        if (!visit(object)) return;
      }
    }
  }

 private:
  using list = boost::intrusive::list<hook, boost::intrusive::constant_time_size<false>>;

  [[nodiscard]] static std::uint64_t ghosts_for(std::uint64_t whole) noexcept
  {
    return share(whole, GhostPercent % 100) + whole * (GhostPercent / 100);
  }

  [[nodiscard]] list& order_of(const hook& object) noexcept { return object.lir_ ? lir_ : hir_; }

  /// Is it a use after that of the oldest LIR object? (Is it in the paper's stack?)
  [[nodiscard]] bool is_recent(std::uint64_t use) const noexcept { return !lir_.empty() && use > lir_.front().used_; }

  [[nodiscard]] bool fits_lir(std::uint64_t bytes) const noexcept
  {
    return lir_bytes_ <= lir_most_ && bytes <= lir_most_ - lir_bytes_;
  }

  void resize(hook& object, std::uint64_t bytes) noexcept
  {
    if (object.lir_) lir_bytes_ += bytes - object.bytes_;
    object.bytes_ = bytes;
  }

  void demote() noexcept
  {
    while (lir_bytes_ > lir_most_) {
      hook& oldest = lir_.front();
      hir_.splice(hir_.end(), lir_, lir_.begin());
      oldest.lir_ = false;
      lir_bytes_ -= oldest.bytes_;
    }
  }

  list lir_;  // oldest first, as is hir_
  list hir_;
  std::uint64_t lir_bytes_ = 0;
  std::uint64_t lir_most_;
  std::uint64_t uses_ = 0;
  std::uint64_t ghost_most_;
  ghost_list<1, std::uint64_t> ghosts_;  // a ghost's note is its last use
};

using lirs = basic_lirs<>;

static_assert(replacement_policy<lirs>);

}  // namespace kvstrata
