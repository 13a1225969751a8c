// When tokens go down: what commits write through, what waits for its turn, what the cleaner writes ahead of need. What
// evictions write back is make_room's part (move/demoter.hpp).
#pragma once

#include <kvstrata/move/demoter.hpp>
#include <kvstrata/move/write_limits.hpp>
#include <kvstrata/move/write_queue.hpp>
#include <kvstrata/observe/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace kvstrata {

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

  /// Writes down what the levels' write policies want after a commit of these users; layer l after ready[l]. What may not
  /// begin waits, behind those that wait already. Then cleans, when too much is dirty.
  void write_through(std::span<entry_type* const> committed, std::span<const event> ready)
  {
    settle();
    down_->template start<0>();
    try {
      for (entry_type* e : committed) {
        residency_->dirty().warm(*e);
        each_level<1, memories>([&](auto to) { write_committed<to()>(*e, ready.empty()); });
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
          clean(static_cast<std::uint64_t>(surplus) + 1, 16));  // a commit takes no longer for refused ones
    }
  }

  /// Writes down dirty tokens of users whom nobody holds, partial last pages too, the coldest first: at most about
  /// `budget` tokens, in whole users, and no more than may begin. Returns how many. Passes over those whom the levels
  /// below have refused since their last request, at most `most_refused` of them; the next call goes on there.
  std::uint64_t clean(std::uint64_t budget, std::size_t most_refused = (std::numeric_limits<std::size_t>::max)())
  {
    chosen_.clear();
    std::uint64_t tokens = 0;
    std::size_t passed = 0;
    auto& dirty = residency_->dirty();
    dirty.start_walk();
    while (tokens < budget && may_begin(tokens * token_bytes())) {
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
                     false)
            .tokens;
    if (tokens != 0) tell(residency_->tracker(), tokens_cleaned{tokens});
    return tokens;
  }

  /// Begins the writes whose turn has come, in the order of waiting. Held users keep their place. When something throws, or
  /// the device refuses a copy, all keep theirs.
  void settle()
  {
    if (queue_.empty() || !may_begin(0)) return;
    chosen_.clear();
    std::uint64_t bytes = 0;
    using verdict = typename write_queue<entry_type>::verdict;
    queue_.walk([&](entry_type& e) {
      if (!may_begin(bytes)) return verdict::stop;
      if (residency_->is_stale(e)) return verdict::leaves;
      if (e.holds != 0) return verdict::stays;
      chosen_.push_back(&e);
      each_level<1, memories>([&](auto to) {
        bytes += std::uint64_t{uncovered_tokens(wanted<to()>(e), e.template at<to()>().tokens)} * token_bytes();
      });
      return verdict::stays;
    });
    if (write_chosen([this](auto to, const entry_type& e) { return this->template wanted<to()>(e); }, true).dropped !=
        0)
      return;
    for (entry_type* e : chosen_) {
      e->hot().write_place.unlink();
      residency_->hot().cool(*e);
    }
  }

 private:
  [[nodiscard]] std::uint64_t token_bytes() const noexcept { return residency_->shape().token_bytes(); }
  [[nodiscard]] bool may_begin(std::uint64_t queued) { return queue_.may_begin(residency_->device(), queued); }

  [[nodiscard]] static bool refused_everywhere(const entry_type& e) noexcept
  {
    return each_level_while<1, memories>([&e](auto i) { return e.template at<i()>().refused; });
  }

  /// What the write policy of level To wants there of what the slab has.
  template <level_index To>
  [[nodiscard]] token_interval wanted(const entry_type& e) const
  {
    using policy = typename Residency::template level_at<To>::writes;
    return intersect(e.template at<0>().tokens, {0, policy::flushed_end(down_->template facts<0>(e))});
  }

  /// Has another level below the slab tokens that level To lacks, so that they may have been fetched for this commit?
  template <level_index To>
  [[nodiscard]] static bool was_elsewhere(const entry_type& e, token_interval tokens) noexcept
  {
    return e.template tokens_in<1, memories>(tokens) != intersect(tokens, e.template at<To>().tokens).size();
  }

  template <level_index To>
  void write_committed(entry_type& e, bool waits_for_uses)
  {
    const token_interval all = wanted<To>(e);
    const token_interval there = e.template at<To>().tokens;
    if (there.contains(all)) return;
    if (!queue_.empty() || !may_begin(down_->template bytes<0>())) {
      queue_.join(e);
      tell(residency_->tracker(), write_delayed{uncovered_tokens(all, there), To});
      return;
    }
    // Else the model has waited, and `ready` follows it; but not for what is on its way from the window to its pages.
    if (waits_for_uses || (Transfer::lands_in_window && was_elsewhere<To>(e, all))) {
      down_->template wait_for_uses<0, To>(e);
    }
    tell_refused<To>(down_->template write_down<0, To>(e, all));
  }

  struct written
  {
    std::uint64_t tokens = 0;   ///< that are on their way
    std::uint64_t dropped = 0;  ///< whose copy the device refused
  };

  /// Writes wanted(level, entry) of the users in chosen_ down. `told`: the tracker hears of those that found no room.
  template <class Wanted>
  written write_chosen(Wanted&& wanted, bool told)
  {
    if (chosen_.empty()) return {};
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
          down_->template wait_for_uses<0, to()>(*e);
          const auto no_room = down_->template write_down<0, to()>(*e, all);
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
    return down_->template queue<0>(ready, [this](const ticket& t) { queue_.add(t.last(), t.bytes); });
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
};

}  // namespace kvstrata
