// What a user has while they have pages in the slab, while a lease holds them or something that was queued for them is
// under way.
#pragma once

#include <kvstrata/books/known_history.hpp>
#include <kvstrata/books/residence.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/device/event.hpp>

#include <boost/intrusive/list.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A prefetch that no request has read yet.
struct prefetch_state
{
  bool unread = false;
  token_interval had;           ///< what the slab had before: the rest was prefetched
  std::vector<event> arriving;  ///< by layer: when the newest of it has arrived; one stream

  /// It is under way and has arrived by these points, layer by layer. An engine may say of a layer that it has already. Of
  /// several points the last is of the newest prefetch, which has waited for the one before.
  void travel(std::span<const fence> layers)
  {
    arriving.reserve(layers.size());
    arriving.clear();
    for (const fence& layer : layers) {
      event last;
      for (const event point : layer) last = point;
      arriving.push_back(last);
    }
  }
  /// There is none any more. Keeps the memory of its vector, unless that is much.
  void forget() noexcept
  {
    constexpr std::size_t much = 64;
    unread = false;
    had = {};
    if (arriving.capacity() > much) arriving = {};
    arriving.clear();
  }
};

/// Leaves its line by itself when whoever has it goes.
using place_in_line = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

/// Things with a place in a line, in the order of joining.
template <class T, place_in_line T::* Place>
using line_of = boost::intrusive::list<T, boost::intrusive::member_hook<T, place_in_line, Place>,
                                       boost::intrusive::constant_time_size<false>>;

namespace detail {

/// There are as many as the slab and what is in flight allow, however many users there are.
template <class Hook, class Entry, level_index Memories>
struct hot_record : residence<0, Hook, Entry>
{
  token_count dirty = 0;         ///< tokens that only the slab has, as counted last
  std::uint32_t cleaned_in = 0;  ///< the cleaner's last walk that met the user
  union
  {
    Entry* who = nullptr;
    hot_record* next_unused;  ///< while it is nobody's
  };
  fence last_use[Memories];              ///< [level] everything queued that reads or writes the extents there
  std::unique_ptr<known_history> known;  ///< the entry's, while it is hot
  place_in_line place;                   ///< among the users with dirty tokens; else, perhaps, among those that cool
  place_in_line write_place;             ///< among the writes that wait

  /// Of the last prefetch; of who has none, one that is read and has arrived.
  [[nodiscard]] const prefetch_state& prefetched() const noexcept { return prefetch_ ? *prefetch_ : none_; }
  /// The same, to be changed: null where there never was one.
  [[nodiscard]] prefetch_state* if_prefetched() noexcept { return prefetch_.get(); }
  /// The same; there is one then.
  [[nodiscard]] prefetch_state& prefetch()
  {
    if (prefetch_ == nullptr) prefetch_ = std::make_unique<prefetch_state>();
    return *prefetch_;
  }

  /// Becomes as good as new; it is nobody's any more. Keeps the memory of its vectors, unless that is much.
  void renew() noexcept
  {
    residence<0, Hook, Entry>::renew();
    who = nullptr;
    for (fence& of_level : last_use) of_level.clear();
    dirty = 0;
    cleaned_in = 0;
    if (prefetch_ != nullptr) prefetch_->forget();
    known.reset();
    place.unlink();
    write_place.unlink();
  }

 private:
  static inline const prefetch_state none_{};

  std::unique_ptr<prefetch_state> prefetch_;
};

}  // namespace detail

}  // namespace kvstrata
