// The way down: writes tokens from a level to those below it, and makes room there, which sends others further down.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/move/admits.hpp>
#include <kvstrata/move/copy_points.hpp>
#include <kvstrata/move/operation.hpp>
#include <kvstrata/move/raw_room.hpp>
#include <kvstrata/move/stores/store_lines.hpp>
#include <kvstrata/move/waits_counted.hpp>
#include <kvstrata/plan/victims.hpp>
#include <kvstrata/transfer/ticket.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Not synchronised. Nothing here blocks, unless the transfer policy does. An operation writes from one level to any below
/// it: start, write_down for each, queue. Room in level J is made in the midst of an operation from above J. Each copy has
/// a lane, in which the operation queues it with the others of that lane.
template <class Residency, class Transfer>
class demoter
{
 public:
  using entry_type = typename Residency::entry_type;
  static constexpr level_index memories = Residency::memories;
  using lanes_type = copy_lanes<Transfer, typename Residency::device_type, (memories > 2 || Residency::stores != 0)>;

  demoter(Residency& r, lanes_type& lanes) : residency_(&r), lanes_(&lanes) {}

  [[nodiscard]] lanes_type& lanes() noexcept { return *lanes_; }

  /// Somebody who sheds tokens of a level; stale: of an old epoch, who goes from all of them.
  struct leaving
  {
    entry_type* who = nullptr;
    shed_cut cut;
    bool stale = false;
  };

  struct refused  ///< what found no place
  {
    token_count tokens = 0;
    refusal why = refusal::held;
    bool raw_is_short = false;  ///< some of them only for want of a raw frame, which comes free again
  };

  /// Makes room in the slab by these victims, for whoever has that lane.
  void make_room(std::span<const victim<entry_type>> victims, lane_number lane)
  {
    auto& all = leaving_[0];
    all.clear();
    for (const victim<entry_type>& v : victims)
      all.push_back({v.who, residency_->slab().cut(*v.who, v.pages, v.rear), residency_->is_stale(*v.who)});
    send_away<0>(all, lane);
  }

  /// What the write policy of level To makes of a copy in level From.
  template <level_index From, level_index To>
  [[nodiscard]] write_facts facts(const entry_type& e) const
  {
    const token_count end = e.template at<From>().tokens.end;
    const auto& there = e.template at<To>();
    write_facts out{.tokens = end,
                    .page_tokens = residency_->layout().page_tokens,
                    .chunk_tokens = residency_->layout().chunk_tokens(),
                    .uses = e.uses,
                    .commits = there.commits,
                    .here = there.tokens};
    if constexpr (To + 1 < memories) out.below = e.template tokens_in<To + 1, memories>({0, end});
    return out;
  }

  template <level_index From>
  void start()
  {
    operations_[From].start(*residency_, lanes_->size(), From);
  }

  /// The copies of the lane wait for whatever still uses the entry's bytes in these two levels.
  template <level_index From, level_index To>
  void wait_for_uses(const entry_type& e, lane_number lane)
  {
    add_last_uses<From, To>(operations_[From].in(lane).after, e);
  }

  template <level_index From>
  [[nodiscard]] std::uint64_t bytes() const noexcept
  {
    return operations_[From].bytes();
  }

  /// Adds what of `wanted`, which level From has, level To lacks and has room for, and counts it as there: whoever reads it
  /// waits for the copy. Returns how many tokens found no room, and why.
  template <level_index From, level_index To>
  refused write_down(entry_type& e, token_interval wanted, lane_number lane)
  {
    refused out;
    auto& op = operations_[From].in(lane);
    auto& mine = e.template at<To>();
    op.jobs[To].template concern_with<From, To>(e);
    interval_list& missing = missing_[From];
    missing.clear();
    append_uncovered(missing, wanted, mine.tokens, {});
    for (const token_interval part : missing) {
      const token_interval lacking = from_a_page(e, part, mine.tokens, residency_->layout().page_tokens);
      if (lacking.empty()) continue;
      const bool apart = !joinable(lacking, mine.tokens);
      if (mine.extents.empty() && !admits<To>(*residency_, e, e.template at<From>().tokens, lacking)) {
        out.tokens += lacking.size();
        out.why = refusal::not_admitted;
        continue;
      }
      const token_interval room = apart ? token_interval{} : reserve<To>(e, lacking, op.after, lane);
      token_interval taken = with_raw_frames<To>(*residency_, e, room, op.after);
      out.raw_is_short = out.raw_is_short || taken.size() != room.size();
      if (e.atomic && taken.size() != lacking.size()) taken = give_back<To>(e, op.after);
      if (taken.size() != lacking.size()) {
        out.tokens += lacking.size() - taken.size();
        const bool too_large =
            residency_->pages_to_take(hull(lacking, mine.tokens)).size() > residency_->template level<To>().capacity();
        out.why = apart ? refusal::apart : too_large ? refusal::full : refusal::held;
      }
      if (taken.empty()) continue;
      op.jobs[To].template append<From, To>(e, taken);
      residency_->template set_tokens<To>(e, hull(mine.tokens, taken));
      mine.commits = 0;
    }
    op.jobs[To].keep_if_any();
    return out;
  }

  /// Queues the operation's copies; layer l after ready[l], where that is not empty. `moved(ticket, lane)` hears of each.
  /// Returns the tokens whose copy the device refused: they are where they were before, and no further.
  template <level_index From, class Moved>
  std::uint64_t queue(std::span<const event> ready, Moved&& moved)
  {
    std::uint64_t dropped = 0;
    operations_[From].each([&](lane_number lane, auto& in_lane) {
      each_level<From + 1, memories>([&](auto to) {
        copy_job<Residency>& job = in_lane.jobs[to()];
        if (job.empty()) return;
        const copy_points<Residency> points(*residency_, lanes_->streams(lane));
        ticket done;
        try {
          if constexpr (From == 0) done = lanes_->copies(lane).offload(job.list(), ready, in_lane.after);
          else done = lanes_->between(lane).demote(job.list(), in_lane.after);
        } catch (const copy_refused&) {
          const std::uint64_t tokens = job.retract(in_lane.after);
          dropped += tokens;
          return residency_->note_dropped(From, to(), tokens);
        }
        job.mark_used(done.last());
        job.template tell_codes<to()>(done.last());
        lanes_->queued(lane, done);
        job.each_entry([&](entry_type& e) { residency_->template level<to()>().written(e); });
        moved(done, lane);
        points.told(*residency_, done, bytes_offloaded{done.bytes, done.copies, done.pieces, From, to()});
      });
    });
    return dropped;
  }

  /// Writes what level From has of an entry that nobody holds to the last memory, whatever its write policy says. Returns the
  /// tokens that went.
  template <level_index From>
  token_count sink(entry_type& e, lane_number mine);
  /// The operation ends without its copies: the levels below have only what they had before.
  template <level_index From>
  void retract() noexcept
  {
    operations_[From].retract();
  }

 private:
  template <class, class>
  friend class mover;  // which has the stores, and fills the last memory from them

  /// Sends down what only that level has of what these shed, as the levels below want it, and drops it here.
  template <level_index Level>
  void send_away(std::span<const leaving> all, [[maybe_unused]] lane_number lane)
  {
    for (const leaving& l : all) ++l.who->holds;  // or a level below might make room at their expense
    const auto let_go = [this](const leaving& l) noexcept {
      --l.who->holds;
      residency_->discard_if_empty(*l.who);
    };
    std::size_t ended = 0;
    try {
      for (const leaving& l : all)
        if (l.stale) residency_->drop_copies(*l.who);
      if constexpr (Level + 1 < memories) write_back<Level>(all, lane);
      else if constexpr (Residency::stores != 0)
        stores_->put_away(all, [&](const entry_type& e) {
          return lanes_->way_down(e.is_hot() ? lanes_->of(lane, e.hot().last_use) : lane);
        });
      for (; ended < all.size(); ++ended) {
        if (!all[ended].stale) residency_->template shed<Level>(*all[ended].who, all[ended].cut);
        let_go(all[ended]);
      }
    } catch (...) {
      for (const leaving& l : all.subspan(ended)) let_go(l);
      throw;
    }
  }

  template <level_index Level>
  void write_back(std::span<const leaving> all, lane_number lane)
  {
    start<Level>();
    try {
      for (const leaving& l : all)
        if (!l.stale) write_back_one<Level>(*l.who, l.cut.lost, lane);
      static_cast<void>(queue<Level>({}, [](const ticket&, lane_number) {}));
    } catch (...) {
      retract<Level>();
      throw;
    }
  }

  template <level_index Level>
  void write_back_one(entry_type& e, token_interval lost, lane_number mine)
  {
    residency_->hot().heat(e);
    each_level<Level + 1, memories>([&](auto to) {
      if (e.template tokens_in<Level + 1, memories>(lost) == lost.size()) return;
      if (!Residency::template level_at<to()>::writes::writes_back(facts<Level, to()>(e))) return;
      const lane_number lane = lanes_->of(mine, e.hot().last_use);
      wait_for_uses<Level, to()>(e, lane);
      const token_interval there = e.template at<to()>().tokens;
      // A level keeps one interval of a user: what lies between goes along.
      const bool apart = !joinable(lost, there);
      static_cast<void>(
          write_down<Level, to()>(e, apart ? intersect(e.template at<Level>().tokens, hull(lost, there)) : lost, lane));
    });
  }

  /// All of an entry that goes as a whole or not at all finds no room: the frames of what would have go back. Nothing is taken.
  template <level_index To>
  token_interval give_back(entry_type& e, const fence& after) noexcept
  {
    remember(residency_->device(), e.hot().last_use[To], after);
    residency_->template trim<To>(e);
    return {};
  }

  /// What of `part` level To takes; the entry has extents for that then, to be written after `after` by whoever has that lane.
  template <level_index To>
  [[nodiscard]] token_interval reserve(entry_type& e, token_interval part, fence& after, lane_number lane)
  {
    const page_interval wanted = residency_->pages_to_take(part);
    auto& frames = residency_->template level<To>().memory();
    auto& mine = e.template at<To>().extents;
    std::vector<taken_pages>& taken = taken_[To];
    taken.clear();
    const waits_counted<To, Residency> counted(*residency_);
    page_interval got = wanted;
    const page_interval have = e.template at<To>().covered();
    if (!have.empty() && wanted.begin < have.begin) {
      const page_count missing = have.begin - wanted.begin;
      make_room<To>(missing, true, lane);
      if (residency_->template level<To>().free() < missing) {
        got = {have.begin, std::clamp(wanted.end, have.begin, have.end)};
        return intersect(part, residency_->tokens_in(got));
      }
      frames.take_front(mine, wanted.begin, taken, lanes_->others_than(lane));
    }
    if (have.empty() || wanted.end > have.end) {
      make_room<To>(wanted.end - (have.empty() ? wanted.begin : have.end), false, lane);
      got.end = (std::min)(wanted.end, frames.take_rear(mine, wanted, taken, lanes_->others_than(lane)));
    }
    for (const taken_pages& t : taken) remember(residency_->device(), after, t.last_use);
    return intersect(part, residency_->tokens_in(got));
  }

  /// Evicts below the slab until `pages` frames are free or nobody is left; `or_none`: nobody of this epoch goes when all would not do.
  template <level_index Level>
  void make_room(page_count pages, bool or_none, lane_number lane);

  Residency* residency_;
  lanes_type* lanes_;
  [[no_unique_address]] std::conditional_t<(Residency::stores != 0), store_lines<Residency>*, no_store_lines> stores_{};
  std::array<operation<Residency>, memories> operations_;  // [level that they come from]
  std::array<std::vector<leaving>, memories> leaving_;     // [level]
  std::array<interval_list, memories> missing_;            // [level that it comes from], of the user at hand
  std::array<std::vector<taken_pages>, memories> taken_;   // [level that gives them]
};

}  // namespace kvstrata

#include <kvstrata/move/lower_room.hpp>
#include <kvstrata/move/sink.hpp>
