// What the cache knows of one user: an interval of tokens in each tier, and where it lies.
#pragma once

#include <kvstrata/cache/served_tokens.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/layout/copy_run.hpp>

#include <boost/intrusive/list.hpp>

#include <cstdint>
#include <vector>

namespace kvstrata {

/// The replacement policy's hooks are base classes, so that a policy hands back the copy it speaks of.
template <class DeviceHook, class LowerHook>
struct entry : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>>
{
  /// Leaves its line by itself when the entry goes.
  using place_in_line = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

  struct device_copy : DeviceHook
  {
    entry* owner = nullptr;
    token_interval tokens;       ///< valid; begins at a page
    page_count first_page = 0;   ///< history page of pages[0]
    std::vector<page_id> pages;  ///< cover `tokens`, and all of the history while under a lease
    fence last_use;              ///< everything queued that reads or writes the pages
    bool listed = false;         ///< known to the replacement policy
    served_tokens read;          ///< of `tokens`: served to a request since they came

    [[nodiscard]] page_interval covered() const noexcept
    {
      return {first_page, first_page + static_cast<page_count>(pages.size())};
    }
  };

  struct lower_copy : LowerHook
  {
    entry* owner = nullptr;
    token_interval tokens;               ///< valid; begins at an extent
    std::vector<placed_extent> extents;  ///< ascending, without gaps; cover `tokens`
    fence last_use;                      ///< everything queued that reads or writes the extents
    bool listed = false;
    served_tokens read;  ///< of `tokens`: served from here to a request since they came

    [[nodiscard]] page_interval covered() const noexcept
    {
      if (extents.empty()) return {};
      return {extents.front().first_page, extents.back().first_page + extents.back().pages};
    }
  };

  /// A prefetch that no request has read yet.
  struct prefetch_state
  {
    bool unread = false;
    token_interval had;           ///< what the device had before: the rest was prefetched
    std::vector<event> arriving;  ///< by layer: when the newest of it has arrived; one stream
  };

  /// The newest prefix that the user's fingerprint vouched for.
  struct vouched_prefix
  {
    token_count tokens = 0;
    std::uint64_t hash = 0;
  };

  /// The newest stretches that the user's fingerprints vouched for, side by side.
  struct vouched_stretches
  {
    token_count stride = 0;
    token_count end = 0;                ///< the stretch behind the newest
    std::vector<std::uint64_t> hashes;  ///< ascending

    /// The stretches that they are of.
    [[nodiscard]] token_interval covered() const noexcept
    {
      return {end - static_cast<token_count>(hashes.size()), end};
    }
  };

  entry(user_id id, epoch_id version) : user(id), epoch(version)
  {
    device.owner = this;
    lower.owner = this;
  }

  /// Becomes as good as new, but for user and epoch; keeps the memory of its vectors, unless that is much. It holds
  /// nothing.
  void renew() noexcept
  {
    holds = 0;
    doomed = left_below = refused_below = counted = false;
    planned_in = uses = asked_at = cleaned_in = 0;
    dirty = 0;
    first_token = earlier_until = 0;
    vouched = {};
    stretches = {};
    prefetched.unread = false;
    prefetched.had = {};
    empty(prefetched.arriving);
    device.tokens = {};
    device.read.clear();
    device.first_page = 0;
    empty(device.pages);
    device.last_use.clear();
    device.listed = false;
    lower.tokens = {};
    lower.read.clear();
    empty(lower.extents);
    lower.last_use.clear();
    lower.listed = false;
    dirty_place.unlink();
    write_place.unlink();
  }

  entry(const entry&) = delete;
  entry& operator=(const entry&) = delete;

  user_id user;
  epoch_id epoch;
  std::uint32_t holds = 0;        ///< while not 0, nothing of this entry is evicted
  bool doomed = false;            ///< erased while held: goes with its last hold
  bool left_below = false;        ///< the lower tier has evicted the user since their last request
  bool refused_below = false;     ///< it has not admitted them since then: it is not asked again before the next one
  bool counted = false;           ///< among the users of whom something is cached
  std::uint64_t planned_in = 0;   ///< the last plan that had a request of this user
  std::uint64_t uses = 0;         ///< requests so far
  std::uint64_t asked_at = 0;     ///< the cache's count of requests when the last one came
  token_count dirty = 0;          ///< tokens that only the device has, as counted last
  std::uint64_t cleaned_in = 0;   ///< the cleaner's last walk that met the user
  token_count first_token = 0;    ///< of the last request: nothing before it is here
  token_count earlier_until = 0;  ///< tokens before it were computed in windows that began earlier
  vouched_prefix vouched;
  vouched_stretches stretches;
  prefetch_state prefetched;
  device_copy device;
  lower_copy lower;
  place_in_line dirty_place;  ///< among the users with dirty tokens
  place_in_line write_place;  ///< among the writes that wait

 private:
  template <class T>
  static void empty(std::vector<T>& list) noexcept
  {
    constexpr std::size_t most = 64;
    if (list.capacity() > most) list = {};
    list.clear();
  }
};

/// A line of entries, in the order of joining.
template <class Entry, typename Entry::place_in_line Entry::* Place>
using line_of =
    boost::intrusive::list<Entry, boost::intrusive::member_hook<Entry, typename Entry::place_in_line, Place>,
                           boost::intrusive::constant_time_size<false>>;

}  // namespace kvstrata
