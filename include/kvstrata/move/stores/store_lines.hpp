// The stores of a cache: what goes to which, and what of whom is staged before a lease.
#pragma once

#include <kvstrata/core/result.hpp>
#include <kvstrata/move/stores/line_set.hpp>
#include <kvstrata/move/stores/stage_rules.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/request.hpp>
#include <kvstrata/plan/store_offers.hpp>

#include <boost/unordered/unordered_flat_set.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of a stack with stores. What a store has is staged: brought into the last memory before there is a lease, so that a lost
/// read is a miss and no more. Nothing here blocks but what says so. Not synchronised.
template <class Residency>
class store_lines
{
 public:
  using entry_type = typename Residency::entry_type;
  static constexpr level_index memories = Residency::memories;
  static constexpr level_index depth = memories + Residency::stores;

  store_lines(Residency& r, const typename Residency::tiers_type::config& sizes, const store_limits& limits)
      : residency_(&r), limits_(limits), lines_(r, sizes, limits)
  {
  }

  template <level_index Level>
  [[nodiscard]] auto& line() noexcept
  {
    return static_cast<detail::numbered_line<Level, Residency>&>(lines_).line;
  }

  /// The entry was used by a batch, or is about to be, whether a store has it or not.
  void touch(entry_type& e, const reuse_hint& hint)
  {
    each([&](auto& line) { line.touch(e, hint); });
  }

  // --- lives ---

  /// An entry is held. Was it made for that, no memory has anything of the user: a new life begins, and what stores have of
  /// older ones is not served any more. But where it counts on what a store offers, it goes on in that life.
  void hold(entry_type& fresh, bool is_new, const store_offer& offer)
  {
    if (!is_new) return;
    if (offer.level != 0) {
      return each([&, level = memories](auto& line) mutable {
        if (const auto coming = level++ == offer.level ? line.coming(fresh.key()) : std::nullopt) {
          line.adopt(fresh, coming->first);
        }
      });
    }
    begin(fresh);
  }

  /// What was written beside an entry is about to take its place: a new life begins.
  void begin(const entry_type& e)
  {
    auto& users = residency_->users();
    residency_->stored().begin(e.key(), [&users](const auto& key) { return users.find(key) != nullptr; });
    each([&](auto& line) {
      if (line.may_have(e.key())) line.erase(e.key());
    });
  }

  /// What requests made useless has left the memories. Where tokens went that a store has, or will be computed in another
  /// window than what a store has of them, others come in their place: what is left goes on in a new life, for the two must
  /// never meet.
  void forget(const batch_plan& plan, std::span<entry_type* const> users)
  {
    for (std::size_t i = 0; i < users.size(); ++i) {
      const request_plan& r = plan.requests[i];
      const sequence_key key = users[i]->key();
      if (r.whole || users[i]->doomed || (!comes_again(r, plan.compute_of(r), key) && !leaves(r, key))) continue;
      residency_->stored().renew(key);
      each([&key](auto& line) { line.erase(key); });
    }
  }

  /// True when a store may have had something.
  bool erase(const sequence_key& key)
  {
    bool had = false;
    each([&](auto& line) {
      had |= line.may_have(key);
      line.erase(key);
    });
    residency_->stored().forget(key);
    return had;
  }

  // --- down ---

  /// The last memory is about to lose what these shed (demoter::leaving). way_of(entry): how its bytes leave, as
  /// store_line::put wants it.
  template <class Leaving, class WayOf>
  void put_away(std::span<const Leaving> all, WayOf&& way_of) noexcept;

  /// These users were committed: what the stores' write policies want of what the last memory has goes there that way.
  template <class Demote>
  void write_through(std::span<entry_type* const> committed, Demote&& demote) noexcept;

  /// Begins to put what the last memory has and stores lack, as far as there is room: begun, where something has; no_room,
  /// where for all of it there was none. O(entries).
  template <class Demote>
  [[nodiscard]] saving save(Demote&& demote);
  /// Has a memory tokens of a live entry that a store lacks?
  [[nodiscard]] bool lacks(const entry_type& e);
  /// Tokens that a memory has and a store lacks, of several stores the one that lacks most; all that a memory has, where what
  /// stores have is not `durable`. O(entries).
  [[nodiscard]] std::uint64_t unsaved_tokens(bool durable);
  /// Of all of them.
  [[nodiscard]] store_figures figures();
  /// Waits, by wait(point) -> bool, until what was put and erased is durable. False: it is not, or nobody knows.
  template <class Wait>
  [[nodiscard]] bool flush(Wait&& wait);
  /// What has been under way longest, in one of them.
  [[nodiscard]] std::optional<event> first_under_way()
  {
    std::optional<event> out;
    each([&](auto& line) {
      if (!out) out = line.first_under_way();
    });
    return out;
  }

  // --- up ---

  /// Begins to bring what stores have of these users and no memory has. Is anything on its way, pressure says so: the call
  /// comes too early. A user is staged once for a request, whatever comes of it. Not null, `offers` gets what a provisional
  /// request may count on instead. Where it `is_awaited`, what the model computes sooner is judged by `stages_for`.
  [[nodiscard]] std::optional<pressure> stage(std::span<const request> requests,
                                              store_offers<Residency::stores>* offers, bool is_awaited)
  {
    std::optional<pressure> out;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const request& r = requests[i];
      const auto point = stage_one(r, offers != nullptr && r.provisional, is_awaited);
      if (!point || out) continue;
      if (offers != nullptr && r.provisional && offer(r, i, *offers)) continue;
      out = pressure{.why = pressure::reason::arriving, .user = key_of(r).id, .space = key_of(r).space};
      out->stream = static_cast<std::uint32_t>(point->stream);
      out->point = point->sequence;
    }
    return out;
  }

  /// A lease has begun that counts on what store `level` is about to give the entry's user (store_line::read_on).
  void read_on(level_index level, entry_type& e, std::uint64_t reader, std::span<const piece> pieces,
               const fence& after, std::span<fence> arrives)
  {
    each([&, at = memories](auto& line) mutable {
      if (at++ == level) line.read_on(e, reader, pieces, after, arrives);
    });
  }
  /// Calls visit(ended_read) for those of these that are over, once each.
  template <class Visit>
  void ended_reads(Visit&& visit)
  {
    each([&](auto& line) {
      for (const ended_read& one : line.ended_reads()) visit(one);
      line.ended_reads().clear();
    });
  }

  /// A lease was opened for these: the next request of such a user may stage again.
  void taken(std::span<const request> requests) noexcept
  {
    if (answered_.empty()) return;
    for (const request& r : requests) answered_.erase(key_of(r));
  }

  /// The point of what is on its way up for a user, if anything is.
  [[nodiscard]] std::optional<event> arrival(const sequence_key& key)
  {
    std::optional<event> out;
    each([&](auto& line) {
      if (!out) out = line.arrival(key);
    });
    return out;
  }

  /// Books what stores have answered.
  template <class Reserve>
  void settle(Reserve&& reserve)
  {
    each([&](auto& line) { line.settle(reserve, [this](const sequence_key& key) { end(key); }); });
  }

  /// Ends all that is under way, as lost unless it is over.
  void give_up_sync() noexcept
  {
    each([](auto& line) { line.give_up_sync(); });
  }

  /// Blocks until nothing is under way.
  template <class Reserve>
  void drain_sync(Reserve&& reserve)
  {
    each([&](auto& line) { line.drain_sync([&] { settle(reserve); }); });
  }

  /// What there is to say of the levels that are stores.
  void add_to(cache_stats& s);

 private:
  using rules = stage_rules<Residency>;

  template <class Visit>
  void each(Visit&& visit)
  {
    each_level<memories, depth>([&](auto level) { visit(this->template line<level()>()); });
  }

  /// Does the request leave rows alone that a store has, or may have?
  [[nodiscard]] bool leaves(const request_plan& r, const sequence_key& key)
  {
    if (r.kept.tokens.end == kept_tokens{}.tokens.end) return false;
    const auto* const life = residency_->stored().find(key);
    bool out = r.kept.forgets || life == nullptr || life->reach > r.kept.tokens.end;
    each([&](auto& line) {
      const found_record found = line.find(key);
      out |= found.is == found_record::knowledge::present && found.header.tokens.end > r.kept.tokens.end;
    });
    return out;
  }
  /// Does it compute rows in another window than that of those which a store has, or may have?
  [[nodiscard]] bool comes_again(const request_plan& r, std::span<const token_interval> computed,
                                 const sequence_key& key)
  {
    const auto* const life = residency_->stored().find(key);
    if (life == nullptr || computed.empty() || computed.front().begin >= life->reach) return false;
    if (r.exact && (life->inexact_from < life->reach || has_lossy_store<typename Residency::tiers_type>)) return true;
    return life->first_token != r.first_token || life->earlier_until > (std::max)(r.kept.earlier_until, r.first_token);
  }

  [[nodiscard]] write_facts facts(const entry_type& e) const
  {
    return {.tokens = e.template at<memories - 1>().tokens.end,
            .page_tokens = residency_->layout().page_tokens,
            .chunk_tokens = residency_->layout().chunk_tokens(),
            .uses = e.uses};
  }

  /// Nothing more comes for a user: their next request is served with what there is.
  void end(const sequence_key& key)
  {
    if (answered_.size() >= 4096) answered_.clear();  // of users whose request never came
    answered_.insert(key);
  }

  /// Begins to stage for a request; the point of what is on its way. `by_layer`: a lease may begin before all has come.
  /// `is_awaited`: somebody waits for it.
  [[nodiscard]] std::optional<event> stage_one(const request& r, bool by_layer, bool is_awaited);
  template <class Line>
  [[nodiscard]] bool begin_one(Line& line, const request& r, token_interval window, const entry_type* e, bool by_layer,
                               bool is_awaited);
  /// Something is on its way for the request: may a lease count on it? Not where the device's streams cannot wait for it.
  [[nodiscard]] bool offer(const request& r, std::size_t number, store_offers<Residency::stores>& offers);

  Residency* residency_;
  store_limits limits_;
  boost::unordered_flat_set<sequence_key, sequence_key_hash> answered_;
  detail::lines_of<Residency, std::make_integer_sequence<level_index, Residency::stores>> lines_;
};

/// Where a stack has no store.
struct no_store_lines
{
  template <class... Arguments>
  explicit no_store_lines(Arguments&&...) noexcept
  {
  }
};

template <class Residency>
using store_lines_of = typename std::conditional<(Residency::stores != 0), std::type_identity<store_lines<Residency>>,
                                                 std::type_identity<no_store_lines>>::type::type;

}  // namespace kvstrata

#include <kvstrata/move/stores/store_saving.hpp>
#include <kvstrata/move/stores/store_staging.hpp>
