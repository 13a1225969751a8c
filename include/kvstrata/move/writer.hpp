// When tokens go down: what commits write through, what waits for its turn, what the cleaner writes ahead of need. What
// evictions write back is make_room's part (move/demoter.hpp).
#pragma once

#include <kvstrata/move/demoter.hpp>
#include <kvstrata/move/write_limits.hpp>
#include <kvstrata/move/write_queue.hpp>
#include <kvstrata/observe/behalf.hpp>
#include <kvstrata/observe/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Writes from the slab to every level below it. Not synchronised. Nothing here blocks, unless the transfer policy does.
template <class Residency, class Transfer>
class writer
{
 public:
  using entry_type = typename Residency::entry_type;
  using demoter_type = demoter<Residency, Transfer>;
  static constexpr level_index memories = Residency::memories;

  writer(Residency& r, demoter_type& down, const write_limits& limits)
      : residency_(&r), down_(&down), limits_(limits), queue_(limits.in_flight_bytes)
  {
  }

  /// Users whose write waits for its turn. O(them).
  [[nodiscard]] std::uint64_t waiting() const noexcept { return queue_.size(); }

  /// Writes down what the levels' write policies want after a commit of these users; layer l after ready[l], which lies on
  /// the compute stream of that lane. What may not begin waits, behind those that wait already. Then cleans, when too much
  /// is dirty.
  void write_through(std::span<entry_type* const> committed, std::span<const event> ready, lane_number lane)
  {
    settle(lane);
    down_->template start<0>();
    try {
      for (entry_type* e : committed) {
        residency_->dirty().warm(*e);
        each_level<1, memories>([&](auto to) {
          e->template at<to()>().count_commit();
          write_committed<to()>(*e, ready.empty(), lane);
        });
      }
      static_cast<void>(queue_copies(ready));
    } catch (...) {
      down_->template retract<0>();
      throw;
    }
    const auto capacity =
        static_cast<double>(std::uint64_t{residency_->slab().capacity()} * residency_->layout().page_tokens);
    const auto dirty = static_cast<double>(residency_->dirty().tokens());
    if (limits_.clean_above < 1 && dirty / capacity > limits_.clean_above) {
      const double surplus = dirty - limits_.clean_below * capacity;
      static_cast<void>(
          clean(static_cast<std::uint64_t>(surplus) + 1, lane, 16));  // a commit takes no longer for refused ones
    }
  }

  /// Writes down dirty tokens of users whom nobody holds, partial last pages too, the coldest first: at most about
  /// `budget` tokens, in whole users, and no more than may begin. Returns how many. Passes over those whom the levels
  /// below have refused since their last request, at most `most_refused` of them; the next call goes on there. In that
  /// lane, but for what waits for another lane's stream.
  std::uint64_t clean(std::uint64_t budget, lane_number lane,
                      std::size_t most_refused = (std::numeric_limits<std::size_t>::max)())
  {
    chosen_.clear();
    std::uint64_t tokens = 0;
    std::size_t passed = 0;
    auto& dirty = residency_->dirty();
    dirty.start_walk();
    while (tokens < budget && may_begin(tokens * token_bytes(), lane)) {
      entry_type* const e = dirty.next();
      if (e == nullptr) break;
      if (residency_->is_stale(*e)) dirty.note(*e, false);
      else if (refused_everywhere(*e)) {
        if (++passed > most_refused) break;
      } else if (e->holds == 0) {
        chosen_.push_back(e);
        tokens += e->hot().dirty;
      }
    }
    tokens =
        write_chosen([](auto, const entry_type& e) { return e.hot().dirty == 0 ? token_interval{} : e.hot().tokens; },
                     lane, false)
            .tokens;
    if (tokens != 0) tell(residency_->tracker(), tokens_cleaned{tokens});
    return tokens;
  }

  /// Begins the writes whose turn has come, in the order of waiting: each in the lane of the compute stream that it waits for,
  /// or in this one. Held users keep their place. When something throws, or the device refuses a copy, all keep theirs.
  void settle(lane_number mine)
  {
    if (queue_.empty()) return;
    chosen_.clear();
    queued_.assign(down_->lanes().size(), 0);
    std::size_t passed_over = 0;
    using verdict = typename write_queue<entry_type>::verdict;
    queue_.walk([&](entry_type& e) {
      const lane_number lane = lane_of(e, mine);
      if (!may_begin(queued_[lane], lane)) {
        if (!down_->lanes().apart()) return verdict::stop;
        return ++passed_over < most_passed_over ? verdict::stays : verdict::next_lane;
      }
      if (residency_->is_stale(e)) return verdict::leaves;
      if (e.holds != 0) return verdict::stays;
      if (waits_for_raw(e)) return ++passed_over < most_passed_over ? verdict::stays : verdict::stop;
      chosen_.push_back(&e);
      each_level<1, memories>([&](auto to) {
        queued_[lane] += std::uint64_t{uncovered_tokens(wanted<to()>(e), e.template at<to()>().tokens)} * token_bytes();
      });
      return verdict::stays;
    });
    const auto what = [this](auto to, const entry_type& e) { return this->template wanted<to()>(e); };
    if (write_chosen(what, mine, true).dropped != 0) return;
    for (entry_type* e : chosen_) {
      if (waits_for_raw(*e)) continue;
      e->hot().write_place.unlink();
      residency_->hot().cool(*e);
    }
  }

 private:
  static constexpr std::size_t most_passed_over =
      64;  // who waits for lanes that are full: a call takes no longer for them

  [[nodiscard]] std::uint64_t token_bytes() const noexcept { return residency_->shape().token_bytes(); }
  [[nodiscard]] bool may_begin(std::uint64_t queued, lane_number lane)
  {
    return queue_.may_begin(residency_->device(), queued, lane);
  }

  [[nodiscard]] static bool refused_everywhere(const entry_type& e) noexcept
  {
    return each_level_while<1, memories>([&e](auto i) { return e.template at<i()>().refused; });
  }

  /// Is all that could be written of the user wanted by levels that have no raw frame for it?
  [[nodiscard]] bool waits_for_raw(const entry_type& e) const
  {
    bool waits = false;
    const bool none_begins = each_level_while<1, memories>([&](auto to) {
      const auto& there = e.template at<to()>();
      if (there.refused || uncovered_tokens(this->template wanted<to()>(e), there.tokens) == 0) return true;
      if constexpr (Residency::template level_at<to()>::has_codes) {
        if (!residency_->template level<to()>().memory().codes().has_room()) return waits = true;
      }
      return false;
    });
    return waits && none_begins;
  }

  /// What the write policy of level To wants there of what the slab has.
  template <level_index To>
  [[nodiscard]] token_interval wanted(const entry_type& e) const
  {
    using policy = typename Residency::template level_at<To>::writes;
    const token_interval mine = e.template at<0>().tokens;
    const token_interval part = flushed_tokens<policy>(down_->template facts<0, To>(e));
    if (e.atomic && !part.empty()) [[unlikely]]
      return mine;  // all of it or nothing
    return intersect(mine, part);
  }

  /// Has another level below the slab tokens that level To lacks, so that they may have been fetched for this commit?
  template <level_index To>
  [[nodiscard]] static bool was_elsewhere(const entry_type& e, token_interval tokens) noexcept
  {
    return e.template tokens_in<1, memories>(tokens) != intersect(tokens, e.template at<To>().tokens).size();
  }

  /// In which lane a hot entry's bytes go down; in `mine` where nobody else's work is in the way.
  [[nodiscard]] lane_number lane_of(const entry_type& e, lane_number mine) const noexcept
  {
    if (!down_->lanes().apart()) return 0;
    return down_->lanes().of(mine, std::span<const fence>(e.hot().last_use));
  }

  template <level_index To>
  void write_committed(entry_type& e, bool waits_for_uses, lane_number lane)
  {
    const token_interval all = wanted<To>(e);
    const token_interval there = e.template at<To>().tokens;
    if (there.contains(all)) return;
    if (queue_.is_bounded() && (queue_.waits(lane) || !may_begin(down_->template bytes<0>(), lane))) {
      queue_.join(e, lane);
      tell(residency_->tracker(), write_delayed{uncovered_tokens(all, there), To});
      return;
    }
    // Else the model has waited, and `ready` follows it; but not for what is on its way from the window to its pages.
    if (waits_for_uses || (Transfer::lands_in_window && was_elsewhere<To>(e, all))) {
      down_->template wait_for_uses<0, To>(e, lane);
    }
    const auto no_room = down_->template write_down<0, To>(e, all, lane);
    if (!no_room.raw_is_short) return tell_refused<To>(no_room);
    queue_.join(e, lane);
    tell(residency_->tracker(), write_delayed{no_room.tokens, To});
  }

  struct written
  {
    std::uint64_t tokens = 0;   ///< that are on their way
    std::uint64_t dropped = 0;  ///< whose copy the device refused
  };

  /// Writes wanted(level, entry) of the users in chosen_ down. `told`: the tracker hears of those that found no room.
  template <class Wanted>
  written write_chosen(Wanted&& wanted, lane_number mine, bool told)
  {
    if (chosen_.empty()) return {};
    const copies_for_others others(residency_->acting());
    for (entry_type* e : chosen_) ++e->holds;  // or a level below might make room at their expense
    const auto let_go = [this]() noexcept {
      for (entry_type* e : chosen_) {
        --e->holds;
        residency_->slab().changed(*e);
      }
    };
    written out;
    down_->template start<0>();
    try {
      for (entry_type* e : chosen_) {
        each_level<1, memories>([&](auto to) {
          const token_interval all = wanted(to, *e);
          if (all.empty()) return;
          const token_count before = e->template at<to()>().tokens.size();
          const lane_number lane = lane_of(*e, mine);
          down_->template wait_for_uses<0, to()>(*e, lane);
          const auto no_room = down_->template write_down<0, to()>(*e, all, lane);
          if (told) tell_refused<to()>(no_room);
          out.tokens += e->template at<to()>().tokens.size() - before;
        });
      }
      out.dropped = queue_copies({});
    } catch (...) {
      down_->template retract<0>();
      let_go();
      throw;
    }
    let_go();
    out.tokens -= out.dropped;
    return out;
  }

  /// Returns the tokens whose copy the device refused.
  [[nodiscard]] std::uint64_t queue_copies(std::span<const event> ready)
  {
    return down_->template queue<0>(ready,
                                    [this](const ticket& t, lane_number lane) { queue_.add(t.last(), t.bytes, lane); });
  }

  template <level_index To, class Refused>
  void tell_refused(const Refused& r)
  {
    if (r.tokens != 0) tell(residency_->tracker(), write_refused{r.tokens, r.why, To});
  }

  Residency* residency_;
  demoter_type* down_;
  write_limits limits_;
  write_queue<entry_type> queue_;
  std::vector<entry_type*> chosen_;
  std::vector<std::uint64_t> queued_;  // [lane] bytes of those
};

}  // namespace kvstrata
