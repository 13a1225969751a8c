// The way down: writes tokens from a level to those below it, and makes room there, which sends others further down.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/move/admits.hpp>
#include <kvstrata/move/copy_job.hpp>
#include <kvstrata/move/stores/store_lines.hpp>
#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/plan/victims.hpp>
#include <kvstrata/transfer/concepts.hpp>
#include <kvstrata/transfer/demotion.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

namespace kvstrata {

/// Not synchronised. Nothing here blocks, unless the transfer policy does. An operation writes from one level to any below
/// it: start, write_down for each, queue. Room in level J is made in the midst of an operation from above J.
template <class Residency, class Transfer>
class demoter
{
 public:
  using entry_type = typename Residency::entry_type;
  using device_type = typename Residency::device_type;
  using channel = typename Transfer::template on<device_type>;
  static constexpr level_index memories = Residency::memories;

  demoter(Residency& r, channel& c) : residency_(&r), channel_(&c), between_(r.device()) {}

  /// Somebody who sheds tokens of a level; stale: of an old epoch, who goes from all of them.
  struct leaving
  {
    entry_type* who = nullptr;
    shed_cut cut;
    bool stale = false;
  };

  /// What found no place.
  struct refused
  {
    token_count tokens = 0;
    refusal why = refusal::held;
  };

  /// Makes room in the slab by these victims.
  void make_room(std::span<const victim<entry_type>> victims)
  {
    auto& all = leaving_[0];
    all.clear();
    for (const victim<entry_type>& v : victims) {
      all.push_back({v.who, residency_->slab().cut(*v.who, v.pages, v.rear), residency_->is_stale(*v.who)});
    }
    send_away<0>(all);
  }

  /// What the write policy of level To makes of a copy in level From.
  template <level_index From>
  [[nodiscard]] write_facts facts(const entry_type& e) const
  {
    return {.tokens = e.template at<From>().tokens.end,
            .page_tokens = residency_->layout().page_tokens,
            .chunk_tokens = residency_->layout().chunk_tokens(),
            .uses = e.uses};
  }

  template <level_index From>
  void start()
  {
    operation& op = operations_[From];
    op.after.clear();
    for (level_index to = From + 1; to < memories; ++to) op.jobs[to].start(*residency_);
  }

  /// Its copies wait for whatever still uses the entry's bytes in these two levels.
  template <level_index From, level_index To>
  void wait_for_uses(const entry_type& e)
  {
    add_last_uses<From, To>(operations_[From].after, e);
  }

  template <level_index From>
  [[nodiscard]] std::uint64_t bytes() const noexcept
  {
    std::uint64_t sum = 0;
    for (level_index to = From + 1; to < memories; ++to) sum += operations_[From].jobs[to].list().bytes();
    return sum;
  }

  /// Adds what of `wanted`, which level From has, level To lacks and has room for, and counts it as there: whoever reads it
  /// waits for the copy. Returns how many tokens found no room, and why.
  template <level_index From, level_index To>
  refused write_down(entry_type& e, token_interval wanted)
  {
    refused out;
    operation& op = operations_[From];
    auto& mine = e.template at<To>();
    op.jobs[To].template concern_with<From, To>(e);
    interval_list& missing = missing_[From];
    missing.clear();
    append_uncovered(missing, wanted, mine.tokens, {});
    for (const token_interval part : missing) {
      const bool apart = !joinable(part, mine.tokens);
      if (mine.extents.empty() && !admits<To>(*residency_, e, e.template at<From>().tokens, part)) {
        out.tokens += part.size();
        out.why = refusal::not_admitted;
        continue;
      }
      const token_interval taken = apart ? token_interval{} : reserve<To>(e, part, op.after);
      if (taken.size() != part.size()) {
        out.tokens += part.size() - taken.size();
        const bool too_large =
            residency_->pages_to_take(hull(part, mine.tokens)).size() > residency_->template level<To>().capacity();
        out.why = apart ? refusal::apart : too_large ? refusal::full : refusal::held;
      }
      if (taken.empty()) continue;
      op.jobs[To].template append<From, To>(e, taken);
      residency_->template set_tokens<To>(e, hull(mine.tokens, taken));
    }
    op.jobs[To].keep_if_any();
    return out;
  }

  /// Queues the operation's copies; layer l after ready[l], where that is not empty. `moved(ticket)` hears of each. Returns
  /// the tokens whose copy the device refused: they are where they were before, and no further.
  template <level_index From, class Moved>
  std::uint64_t queue(std::span<const event> ready, Moved&& moved)
  {
    operation& op = operations_[From];
    std::uint64_t dropped = 0;
    each_level<From + 1, memories>([&](auto to) {
      copy_job<Residency>& job = op.jobs[to()];
      if (job.empty()) return;
      ticket done;
      try {
        if constexpr (From == 0) done = channel_->offload(job.list(), ready, op.after);
        else done = between_.demote(job.list(), op.after);
      } catch (const copy_refused&) {
        const std::uint64_t tokens = job.retract(op.after);
        dropped += tokens;
        return residency_->note_dropped(From, to(), tokens);
      }
      job.mark_used(done.last());
      job.each_entry([&](entry_type& e) { residency_->template level<to()>().written(e); });
      moved(done);
      tell(residency_->tracker(), bytes_offloaded{done.bytes, done.copies, done.pieces, From, to()});
    });
    return dropped;
  }

  /// The operation ends without its copies: the levels below have only what they had before.
  template <level_index From>
  void retract() noexcept
  {
    operation& op = operations_[From];
    for (level_index to = From + 1; to < memories; ++to) static_cast<void>(op.jobs[to].retract(op.after));
  }

 private:
  template <class, class>
  friend class mover;  // which has the stores, and fills the last memory from them

  struct operation
  {
    fence after;                                                ///< what its copies wait for
    std::array<copy_job<Residency>, Residency::memories> jobs;  ///< [level that they go to]
  };

  /// Sends down what only that level has of what these shed, as the levels below want it, and drops it here.
  template <level_index Level>
  void send_away(std::span<const leaving> all)
  {
    for (const leaving& l : all) ++l.who->holds;  // or a level below might make room at their expense
    std::size_t ended = 0;
    try {
      for (const leaving& l : all) {
        if (l.stale) residency_->drop_copies(*l.who);
      }
      if constexpr (Level + 1 < memories) write_back<Level>(all);
      else if constexpr (Residency::stores != 0) stores_->put_away(all);
      for (; ended < all.size(); ++ended) {
        const leaving& l = all[ended];
        if (!l.stale) residency_->template shed<Level>(*l.who, l.cut);
        --l.who->holds;
        residency_->discard_if_empty(*l.who);
      }
    } catch (...) {
      for (const leaving& l : all.subspan(ended)) {
        --l.who->holds;
        residency_->discard_if_empty(*l.who);
      }
      throw;
    }
  }

  template <level_index Level>
  void write_back(std::span<const leaving> all)
  {
    start<Level>();
    try {
      for (const leaving& l : all) {
        if (!l.stale) write_back_one<Level>(*l.who, l.cut.lost);
      }
      static_cast<void>(queue<Level>({}, [](const ticket&) {}));
    } catch (...) {
      retract<Level>();
      throw;
    }
  }

  template <level_index Level>
  void write_back_one(entry_type& e, token_interval lost)
  {
    residency_->hot().heat(e);
    each_level<Level + 1, memories>([&](auto to) {
      if (e.template tokens_in<Level + 1, memories>(lost) == lost.size()) return;
      if (!Residency::template level_at<to()>::writes::writes_back(facts<Level>(e))) return;
      wait_for_uses<Level, to()>(e);
      const token_interval there = e.template at<to()>().tokens;
      // A level keeps one interval of a user: what lies between goes along.
      const bool apart = !joinable(lost, there);
      static_cast<void>(
          write_down<Level, to()>(e, apart ? intersect(e.template at<Level>().tokens, hull(lost, there)) : lost));
    });
  }

  /// What of `part` level To takes; the entry has extents for that then, to be written after `after`.
  template <level_index To>
  [[nodiscard]] token_interval reserve(entry_type& e, token_interval part, fence& after)
  {
    const page_interval wanted = residency_->pages_to_take(part);
    auto& frames = residency_->template level<To>().memory();
    auto& mine = e.template at<To>().extents;
    std::vector<taken_pages>& taken = taken_[To];
    taken.clear();
    page_interval got = wanted;
    const page_interval have = e.template at<To>().covered();
    if (!have.empty() && wanted.begin < have.begin) {
      const page_count missing = have.begin - wanted.begin;
      make_room<To>(missing, true);
      if (residency_->template level<To>().free() < missing) {
        got = {have.begin, std::clamp(wanted.end, have.begin, have.end)};
        return intersect(part, residency_->tokens_in(got));
      }
      frames.take_front(mine, wanted.begin, taken);
    }
    if (have.empty() || wanted.end > have.end) {
      make_room<To>(wanted.end - (have.empty() ? wanted.begin : have.end), false);
      got.end = (std::min)(wanted.end, frames.take_rear(mine, wanted, taken));
    }
    for (const taken_pages& t : taken) remember(residency_->device(), after, t.last_use);
    return intersect(part, residency_->tokens_in(got));
  }

  /// Evicts below the slab until `pages` frames are free or nobody is left; `or_none`: nobody of this epoch goes when all would not do.
  template <level_index Level>
  void make_room(page_count pages, bool or_none)
  {
    auto& here = residency_->template level<Level>();
    if (here.free() >= pages) return;
    auto& all = leaving_[Level];
    all.clear();
    page_count wanted = pages - here.free();  // as the shedding policy counts
    page_count free = here.free();            // as whole extents come free
    std::size_t stale = 0;
    each_victim<Level>(*residency_, [&](entry_type& e, bool is_stale) {
      const page_count have = e.template at<Level>().covered().size();
      if (is_stale) {
        all.push_back({&e, {}, true});
        ++stale;
        free += have;
        wanted -= (std::min)(wanted, have);
        return wanted != 0;
      }
      using shedding = typename Residency::template level_at<Level>::shedding;
      const page_count missing = pages > free ? pages - free : 1;
      const shed_cut cut = here.cut(e, shedding::pages_to_shed(have, missing), false);
      all.push_back({&e, cut, false});
      free += have - cut.keep.size();
      wanted -= (std::min)(wanted, shedding::pages_to_shed(have, wanted));
      return wanted != 0;
    });
    send_away<Level>(std::span<const leaving>(all).first(or_none && wanted != 0 ? stale : all.size()));
  }

  Residency* residency_;
  channel* channel_;
  [[no_unique_address]] std::conditional_t<(Residency::stores != 0), store_lines<Residency>*, no_store_lines> stores_{};
  [[no_unique_address]] std::conditional_t<(memories > 2), demotion<device_type>, no_demotion> between_;
  std::array<operation, memories> operations_;            // [level that they come from]
  std::array<std::vector<leaving>, memories> leaving_;    // [level]
  std::array<interval_list, memories> missing_;           // [level that it comes from], of the user at hand
  std::array<std::vector<taken_pages>, memories> taken_;  // [level that gives them]
};

}  // namespace kvstrata
