// The way down: what commits write through, what evictions write back, what waits for its turn, what the cleaner writes
// ahead of need.
#pragma once

#include <kvstrata/cache/copy_job.hpp>
#include <kvstrata/cache/entry.hpp>
#include <kvstrata/cache/link_budget.hpp>
#include <kvstrata/cache/room_below.hpp>
#include <kvstrata/cache/write_limits.hpp>
#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/transfer/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace kvstrata {

/// Not synchronised. Nothing here blocks, unless the transfer policy does.
template <class Books, class Transfer>
class offloader
{
 public:
  using entry_type = typename Books::entry_type;
  using channel = typename Transfer::template on<typename Books::device_type>;
  using writes = typename Transfer::writes;

  offloader(Books& books, channel& road, const write_limits& limits)
      : books_(&books), road_(&road), limits_(limits), link_(limits.in_flight_bytes), room_(books)
  {
  }
  offloader(const offloader&) = delete;
  offloader& operator=(const offloader&) = delete;
  ~offloader() { waiting_.clear(); }

  /// Users whose write waits for its turn. O(them).
  [[nodiscard]] std::uint64_t waiting() const noexcept { return waiting_.size(); }

  /// Writes down what the write policy wants after a commit of these users; layer l after ready[l]. What finds no room
  /// on the link waits, behind those that wait already. Then cleans, when too much is dirty.
  void write_through(std::span<entry_type* const> committed, std::span<const event> ready)
  {
    proceed();
    fence after;
    start();
    try {
      for (entry_type* e : committed) {
        books_->dirt().warm(*e);
        const token_interval wanted = wanted_below(*e);
        if (e->lower.tokens.contains(wanted)) continue;
        if (!waiting_.empty() || !has_room(job_.list().bytes())) {
          delay(*e, wanted);
          continue;
        }
        if (ready.empty()) add_last_uses(after, *e);  // else the model has waited for them, and ready follows it
        tell_refused(write_down(*e, wanted, after));
      }
      offload(ready, after, true);
    } catch (...) {
      job_.retract(after);
      throw;
    }
    const auto capacity = static_cast<double>(std::uint64_t{books_->top().capacity()} * books_->layout().page_tokens);
    const auto share = [&] { return static_cast<double>(books_->dirt().tokens()) / capacity; };
    if (limits_.clean_above < 1 && share() > limits_.clean_above) {
      const double surplus = static_cast<double>(books_->dirt().tokens()) - limits_.clean_below * capacity;
      static_cast<void>(
          clean(static_cast<std::uint64_t>(surplus) + 1, 16));  // a commit takes no longer for refused ones
    }
  }

  /// A user who sheds tokens.
  struct leaving
  {
    entry_type* who = nullptr;
    token_interval lost;
  };

  /// Writes down what these users shed and only the device has, if the write policy wants that. They are held.
  void write_back(std::span<const leaving> all)
  {
    fence after;
    start();
    try {
      for (const leaving& l : all) {
        entry_type& e = *l.who;
        if (e.lower.tokens.contains(l.lost) || !writes::writes_back(facts(e))) continue;
        add_last_uses(after, e);
        // The lower tier keeps one interval of a user: what lies between goes along.
        const bool apart = !joinable(l.lost, e.lower.tokens);
        write_down(e, apart ? intersect(e.device.tokens, hull(l.lost, e.lower.tokens)) : l.lost, after);
      }
      offload({}, after, false);
    } catch (...) {
      job_.retract(after);
      throw;
    }
  }

  /// Writes down dirty tokens of users whom nobody holds, partial last pages too, the coldest first: at most about
  /// `budget` tokens, in whole users, and no more than the link has room for. Returns how many. Passes over those whom
  /// the lower tier has refused since their last request, at most `most_refused` of them; the next call goes on there.
  std::uint64_t clean(std::uint64_t budget, std::size_t most_refused = (std::numeric_limits<std::size_t>::max)())
  {
    chosen_.clear();
    std::uint64_t tokens = 0;
    std::size_t passed = 0;
    books_->dirt().start_walk();
    while (tokens < budget && has_room(tokens * token_bytes())) {
      entry_type* const e = books_->dirt().next();
      if (e == nullptr) break;
      if (books_->is_stale(*e)) books_->dirt().note(*e, false);
      else if (e->refused_below) {
        if (++passed > most_refused) break;
      } else if (e->holds == 0) {
        chosen_.push_back(e);
        tokens += e->dirty;
      }
    }
    tokens = write_chosen([](const entry_type& e) { return e.device.tokens; }, false);
    if (tokens != 0) tell(books_->watcher(), tokens_cleaned{tokens});
    return tokens;
  }

  /// Begins the writes whose turn has come, in the order of waiting. Held users keep their place.
  /// When something throws, they keep their places.
  void proceed()
  {
    if (waiting_.empty() || !has_room(0)) return;
    chosen_.clear();
    std::uint64_t bytes = 0;
    for (auto it = waiting_.begin(); it != waiting_.end() && has_room(bytes);) {
      entry_type& e = *it;
      if (books_->is_stale(e)) {
        it = waiting_.erase(it);
        continue;
      }
      ++it;
      if (e.holds != 0) continue;
      chosen_.push_back(&e);
      bytes += std::uint64_t{uncovered_tokens(wanted_below(e), e.lower.tokens)} * token_bytes();
    }
    static_cast<void>(write_chosen([this](const entry_type& e) { return wanted_below(e); }, true));
    for (entry_type* e : chosen_) e->write_place.unlink();
  }

 private:
  [[nodiscard]] std::uint64_t token_bytes() const noexcept { return books_->shape().token_bytes(); }

  [[nodiscard]] write_facts facts(const entry_type& e) const
  {
    return {.tokens = e.device.tokens.end,
            .page_tokens = books_->layout().page_tokens,
            .chunk_tokens = books_->layout().chunk_tokens(),
            .uses = e.uses};
  }

  /// What the write policy wants in the lower tier of what the device has.
  [[nodiscard]] token_interval wanted_below(const entry_type& e) const
  {
    return intersect(e.device.tokens, {0, writes::flushed_end(facts(e))});
  }

  /// May a write begin that comes after `queued` bytes that are not under way yet?
  [[nodiscard]] bool has_room(std::uint64_t queued) { return link_.has_room(books_->device(), queued); }

  void delay(entry_type& e, token_interval wanted)
  {
    if (!e.write_place.is_linked()) waiting_.push_back(e);
    tell(books_->watcher(), write_delayed{uncovered_tokens(wanted, e.lower.tokens)});
  }

  /// Writes down wanted(entry) of the users in chosen_. Returns how many tokens found room; `told`: the tracker hears of
  /// those that did not.
  template <class Wanted>
  std::uint64_t write_chosen(Wanted&& wanted, bool told)
  {
    if (chosen_.empty()) return 0;
    for (entry_type* e : chosen_) ++e->holds;  // or the lower tier might make room at their expense
    const auto let_go = [this]() noexcept {
      for (entry_type* e : chosen_) {
        --e->holds;
        books_->top().changed(*e);
      }
    };
    std::uint64_t tokens = 0;
    fence after;
    start();
    try {
      for (entry_type* e : chosen_) {
        const token_count before = e->lower.tokens.size();
        add_last_uses(after, *e);
        const refused no_room = write_down(*e, wanted(*e), after);
        if (told) tell_refused(no_room);
        tokens += e->lower.tokens.size() - before;
      }
      offload({}, after, true);
    } catch (...) {
      job_.retract(after);
      let_go();
      throw;
    }
    let_go();
    return tokens;
  }

  struct refused
  {
    token_count tokens = 0;
    refusal why = refusal::held;
  };

  void tell_refused(const refused& r)
  {
    if (r.tokens != 0) tell(books_->watcher(), offload_refused{r.tokens, r.why});
  }

  /// Adds to the job what of `wanted` the lower tier lacks and has room for, and counts it as there: whoever reads it
  /// waits for the copy. Returns how many tokens found no room, and why.
  refused write_down(entry_type& e, token_interval wanted, fence& after)
  {
    refused out;
    job_.concern_with(e);
    missing_.clear();
    append_uncovered(missing_, wanted, e.lower.tokens, {});
    for (const token_interval piece : missing_) {
      const bool apart = !joinable(piece, e.lower.tokens);
      if (e.lower.extents.empty() && !room_.admits(e, piece)) {
        out.tokens += piece.size();
        out.why = refusal::not_admitted;
        continue;
      }
      const token_interval taken = apart ? token_interval{} : room_.reserve(e, piece, after);
      if (taken.size() != piece.size()) {
        out.tokens += piece.size() - taken.size();
        const bool too_large = books_->room(hull(piece, e.lower.tokens)).size() > books_->below().capacity();
        out.why = apart ? refusal::apart : too_large ? refusal::full : refusal::held;
      }
      if (taken.empty()) continue;
      job_.append(e, taken, e.device.pages, e.device.first_page);
      books_->set_lower_tokens(e, hull(e.lower.tokens, taken));
    }
    job_.keep_if_any();
    return out;
  }

  void start() { job_.start(*books_); }

  void offload(std::span<const event> ready, const fence& after, bool counts)
  {
    if (job_.empty()) return;
    const ticket moved = road_->offload(job_.list(), ready, after);
    job_.mark_used(moved.last());
    job_.each_entry([this](entry_type& e) { books_->below().written(e); });
    if (counts) link_.add(moved.last(), moved.bytes);
    tell(books_->watcher(), bytes_offloaded{moved.bytes, moved.copies, moved.pieces});
  }

  Books* books_;
  channel* road_;
  write_limits limits_;
  link_budget link_;
  room_below<Books> room_;
  copy_job<Books> job_;
  line_of<entry_type, &entry_type::write_place> waiting_;
  std::vector<entry_type*> chosen_;
  interval_list missing_;
};

}  // namespace kvstrata
