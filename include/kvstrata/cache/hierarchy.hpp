// What moves bytes between the levels of one cache. The planner decides; this acts.
#pragma once

#include <kvstrata/cache/offloader.hpp>
#include <kvstrata/cache/onloader.hpp>
#include <kvstrata/cache/plan.hpp>
#include <kvstrata/cache/residency.hpp>
#include <kvstrata/core/attempts.hpp>
#include <kvstrata/transfer/concepts.hpp>

#include <span>
#include <vector>

namespace kvstrata {

/// Not synchronised: the cache holds a lock. Nothing here blocks, unless the transfer policy does.
template <class Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
class hierarchy : public residency<Tiers, Layout, Replacement, Tracker>
{
  using books = residency<Tiers, Layout, Replacement, Tracker>;
  using way_up = onloader<books, Transfer>;
  using way_down = offloader<books, Transfer>;

 public:
  using books::has_lower;
  using typename books::device_type;
  using typename books::entry_type;
  using split_type = typename Transfer::split;
  using onload_request = typename way_up::request;

  struct victim
  {
    entry_type* who = nullptr;
    page_count pages = 0;  ///< to shed
    bool rear = false;     ///< from the rear; else from the front
  };

  hierarchy(device_type& d, const geometry& shape, const Layout& layout, const typename Tiers::slab::config& slab,
            const typename Tiers::lower::config& lower, epoch_id epoch, const split_type& split,
            const write_limits& writes, const cost_model& costs)
      : books(d, shape, layout, slab, lower, epoch, costs),
        split_(split),
        channel_(d),
        up_(*this, channel_),
        down_(*this, channel_, writes)
  {
    if constexpr (requires { Transfer::check_piece(std::size_t{}); }) {
      Transfer::check_piece(page_layer_bytes(shape, layout.page_tokens));
    }
    if constexpr (Transfer::lands_in_window) {
      if (this->top().slab().window().capacity() == 0) {
        throw config_error("device.window_bytes", std::uint64_t{0},
                           "a transfer that lands in the onload window needs one");
      }
    }
  }

  [[nodiscard]] const split_type& split() const noexcept { return split_; }

  /// Sheds what the victims are to shed, after writing down what only the device has, if the write policy says so.
  void evict(std::span<const victim> victims)
  {
    for (const victim& v : victims) ++v.who->holds;  // or the lower tier might make room at their expense
    std::size_t ended = 0;
    try {
      for (const victim& v : victims) {
        if (this->is_stale(*v.who)) this->drop_copies(*v.who);
      }
      if constexpr (has_lower) {
        leaving_.clear();
        for (const victim& v : victims) {
          const auto& device = v.who->device;
          leaving_.push_back({v.who, this->shed_tokens(device.tokens, device.covered(), v.pages, v.rear)});
        }
        down_.write_back(leaving_);
      }
      for (; ended < victims.size(); ++ended) {
        const victim& v = victims[ended];
        this->shed(*v.who, v.pages, v.rear);
        --v.who->holds;
        this->discard_if_empty(*v.who);
      }
    } catch (...) {
      for (const victim& v : victims.subspan(ended)) {
        --v.who->holds;
        this->discard_if_empty(*v.who);
      }
      throw;
    }
  }

  /// Queues the copies that bring the hits up, after `after`, and adds to arrives[l] when layer l has arrived. With a
  /// stay they may land in the onload window.
  void onload([[maybe_unused]] std::span<const onload_request> wanted, [[maybe_unused]] const fence& after,
              [[maybe_unused]] std::span<fence> arrives, [[maybe_unused]] window_stay* stay)
  {
    if constexpr (has_lower) up_.onload(wanted, after, arrives, stay);
  }

  /// Gives back the window pages of a lease; `last_use`: what has read them.
  void leave_window(window_stay& stay, event last_use) noexcept
  {
    if (!stay.runs.empty()) remember(this->device(), stay.uses, last_use);
    for (const window_stay::run& r : stay.runs) this->top().slab().give_back_window(r.where, stay.uses);
    stay.runs.clear();
    stay.uses.clear();
  }

  /// Queues the copies that the write policy wants after a commit of these users; layer l after ready[l].
  void write_through([[maybe_unused]] std::span<entry_type* const> committed,
                     [[maybe_unused]] std::span<const event> ready)
  {
    if constexpr (has_lower) down_.write_through(committed, ready);
    for (entry_type* e : committed) this->top().changed(*e);
  }

  /// Begins writes that have waited for their turn.
  void proceed()
  {
    if constexpr (has_lower) down_.proceed();
  }

  /// Writes down up to about `budget` dirty tokens ahead of need, the coldest first. Returns how many.
  std::uint64_t clean([[maybe_unused]] std::uint64_t budget)
  {
    if constexpr (has_lower) return down_.clean(budget);
    else return 0;
  }

  [[nodiscard]] cache_stats stats()
  {
    cache_stats s = books::stats();
    if constexpr (has_lower) s.waiting_writes = down_.waiting();
    return s;
  }

  /// Blocks until nothing queued uses any page or extent. Whatever throws, all are waited for before it is passed on.
  void drain_sync()
  {
    attempts all;
    this->users().all([&](const entry_type& e) {
      all.make([&] { wait_for_sync(this->device(), e.device.last_use); });
      all.make([&] { wait_for_sync(this->device(), e.lower.last_use); });
    });
    all.make([&] { this->top().slab().drain_sync(); });
    if constexpr (has_lower) all.make([&] { this->below().tier().drain_sync(); });
    all.finish();
  }

 private:
  split_type split_;
  typename Transfer::template on<device_type> channel_;
  way_up up_;
  way_down down_;
  std::vector<typename way_down::leaving> leaving_;
};

}  // namespace kvstrata
