// What moves bytes between the levels of one cache. The planner decides; this acts.
#pragma once

#include <kvstrata/cache/plan.hpp>
#include <kvstrata/cache/residency.hpp>
#include <kvstrata/transfer/concepts.hpp>

#include <span>
#include <utility>
#include <vector>

namespace kvstrata {

/// Not synchronised: the cache holds a lock. Nothing here blocks, unless the transfer policy does.
template <class Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
class hierarchy : public residency<Tiers, Layout, Replacement, Tracker>
{
  using books = residency<Tiers, Layout, Replacement, Tracker>;

 public:
  using books::has_lower;
  using typename books::device_type;
  using typename books::entry_type;

  struct victim
  {
    entry_type* who = nullptr;
    page_count pages = 0;  ///< to shed
    bool rear = false;     ///< from the rear; else from the front
  };

  /// Lower-tier tokens of one user that the device shall get; either interval may be empty.
  struct onload_request
  {
    entry_type* who = nullptr;
    token_interval hits[2] = {};
  };

  hierarchy(device_type& d, const geometry& shape, const Layout& layout, const typename Tiers::slab::config& slab,
            const typename Tiers::lower::config& lower, epoch_id epoch)
      : books(d, shape, layout, slab, lower, epoch), channel_(d)
  {
  }

  /// Sheds what the victims are to shed, after writing down what only the device has, if the write policy says so.
  void evict(std::span<const victim> victims)
  {
    for (const victim& v : victims) ++v.who->holds;  // or the lower tier might make room at their expense
    std::size_t ended = 0;
    try {
      for (const victim& v : victims) {
        if (this->is_stale(*v.who)) this->drop_copies(*v.who);
      }
      if constexpr (has_lower && Transfer::writes::writes_back) write_back(victims);
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

  /// Queues the copies that bring the hits up, after `after`; says when each layer has arrived.
  [[nodiscard]] ticket onload([[maybe_unused]] std::span<const onload_request> wanted, [[maybe_unused]] fence after)
  {
    if constexpr (has_lower) {
      start_list();
      for (const onload_request& r : wanted) {
        const std::size_t before = list_.runs.size();
        for (const token_interval piece : r.hits) append_runs(*r.who, piece);
        if (list_.runs.size() == before) continue;
        add_last_uses(after, *r.who);
        concerned_.push_back({r.who, r.who->lower.tokens});
      }
      if (list_.empty()) return {};
      ticket moved = channel_.onload(list_, after);
      mark_used(moved.last());
      tell(this->watcher(), bytes_onloaded{moved.bytes, moved.copies});
      return moved;
    } else {
      return {};
    }
  }

  /// Queues the copies that the write policy wants after a commit of these users; layer l after ready[l].
  void write_through([[maybe_unused]] std::span<entry_type* const> committed,
                     [[maybe_unused]] std::span<const event> ready)
  {
    if constexpr (has_lower) {
      fence after;
      token_count refused = 0;
      start_list();
      try {
        for (entry_type* e : committed) {
          const token_interval here = e->device.tokens;
          const token_count end =
              Transfer::writes::flushed_end(here.end, this->layout().page_tokens, this->layout().chunk_tokens());
          if (ready.empty()) add_last_uses(after, *e);  // else the model has waited for them, and ready follows it
          refused += write_down(*e, intersect(here, {0, end}), after);
        }
        offload(ready, after);
      } catch (...) {
        retract(after);
        throw;
      }
      if (refused != 0) tell(this->watcher(), offload_refused{refused});
    }
    for (entry_type* e : committed) this->top().changed(*e);
  }

 private:
  /// Writes down what the victims shed and only the device has.
  void write_back(std::span<const victim> victims)
  {
    fence after;
    start_list();
    try {
      for (const victim& v : victims) {
        const token_interval lost = this->shed_tokens(*v.who, v.pages, v.rear);
        if (v.who->lower.tokens.contains(lost)) continue;
        add_last_uses(after, *v.who);
        // The lower tier keeps one interval of a user: what lies between goes along.
        const bool apart = !joinable(lost, v.who->lower.tokens);
        write_down(*v.who, apart ? intersect(v.who->device.tokens, hull(lost, v.who->lower.tokens)) : lost, after);
      }
      offload({}, after);
    } catch (...) {
      retract(after);
      throw;
    }
  }

  /// Adds to the copy list what of `wanted` the lower tier lacks and has room for, and counts it as there: whoever
  /// reads it waits for the copy. Returns how many tokens found no room.
  token_count write_down(entry_type& e, token_interval wanted, fence& after)
  {
    token_count refused = 0;
    const std::size_t before = list_.runs.size();
    concerned_.push_back({&e, e.lower.tokens});
    missing_.clear();
    append_uncovered(missing_, wanted, e.lower.tokens, {});
    for (const token_interval piece : missing_) {
      const token_interval taken = joinable(piece, e.lower.tokens) ? reserve_below(e, piece, after) : token_interval{};
      refused += piece.size() - taken.size();
      if (taken.empty()) continue;
      append_runs(e, taken);
      this->add_lower_tokens(e, taken);
    }
    if (list_.runs.size() == before) concerned_.pop_back();
    return refused;
  }

  /// The copies of the list could not all be queued: the lower tier has only what it had before.
  void retract(const fence& after)
  {
    for (const concern& c : concerned_) {
      c.who->lower.last_use.add(after);
      this->retract_lower_tokens(*c.who, c.had_below);
    }
  }

  /// What of `piece` the lower tier takes.
  [[nodiscard]] token_interval reserve_below(entry_type& e, token_interval piece, fence& after)
  {
    const token_count page_tokens = this->layout().page_tokens;
    const page_interval wanted = this->pages(piece);
    if (this->below().tier().free() < wanted.size()) reclaim_stale(wanted.size());
    const page_interval room = this->below().reserve(
        e, wanted, after, [this](entry_type& other, token_interval lost) { this->left_lower(other, lost); });
    return intersect(piece, {room.begin * page_tokens, room.end * page_tokens});
  }

  /// Erases entries of old epochs until the lower tier has so many free frames, or none is left that nobody holds.
  void reclaim_stale(page_count frames)
  {
    while (this->below().tier().free() < frames) {
      entry_type* gone = nullptr;
      this->users().stale([&gone](entry_type& e) {
        if (e.holds == 0) gone = &e;
        return gone == nullptr;
      });
      if (gone == nullptr) return;
      this->erase(*gone);
    }
  }

  void offload(std::span<const event> ready, const fence& after)
  {
    if (list_.empty()) return;
    const ticket moved = channel_.offload(list_, ready, after);
    mark_used(moved.last());
    for (const concern& c : concerned_) this->below().touch(*c.who);
    tell(this->watcher(), bytes_offloaded{moved.bytes, moved.copies});
  }

  void start_list()
  {
    list_.runs.clear();
    concerned_.clear();
    list_.piece_bytes = page_layer_bytes(this->shape(), this->layout().page_tokens);
    list_.layers = this->shape().layers;
    list_.device_base = this->top().slab().base();
    list_.lower_base = this->below().tier().base();
  }

  void append_runs(const entry_type& e, token_interval tokens)
  {
    append_copy_runs(list_.runs, this->layout(), this->shape(), this->top().slab().place(),
                     std::span<const page_id>(e.device.pages), e.device.first_page,
                     std::span<const placed_extent>(e.lower.extents), this->pages(tokens));
  }

  static void add_last_uses(fence& after, const entry_type& e)
  {
    after.add(e.device.last_use);
    after.add(e.lower.last_use);
  }

  void mark_used(event point)
  {
    for (const concern& c : concerned_) {
      c.who->device.last_use.add(point);
      c.who->lower.last_use.add(point);
    }
  }

  struct concern
  {
    entry_type* who = nullptr;
    token_interval had_below;  ///< what the lower tier had of them before
  };

  typename Transfer::template on<device_type> channel_;
  copy_list list_;                  // of the operation at hand
  std::vector<concern> concerned_;  // whose copies it reads and writes
  interval_list missing_;
};

}  // namespace kvstrata
