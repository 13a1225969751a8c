// What is on its way between the last memory of a cache and one of its stores.
#pragma once

#include <kvstrata/books/known_history.hpp>
#include <kvstrata/books/stats.hpp>
#include <kvstrata/core/attempts.hpp>
#include <kvstrata/device/last_use.hpp>
#include <kvstrata/device/virtual_time.hpp>
#include <kvstrata/move/stores/store_door.hpp>
#include <kvstrata/move/stores/store_io.hpp>
#include <kvstrata/move/stores/store_limits.hpp>
#include <kvstrata/move/stores/store_room.hpp>
#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/tiers/tier_stack.hpp>
#include <kvstrata/transfer/demotion.hpp>
#include <kvstrata/transfer/engines/direct_copy.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The store at level `Level`, below all memories. Nothing here blocks but what says so, and nothing waits for a store: what
/// one has answered is settled when somebody comes by. Not synchronised.
template <class Residency, level_index Level>
class store_line
{
 public:
  using device_type = typename Residency::device_type;
  using entry_type = typename Residency::entry_type;
  using tiers_type = typename Residency::tiers_type;
  using recipe = typename tiers_type::template tier<Level>;
  using store_type = typename recipe::template on<device_type>;
  using writes = store_writes_t<recipe>;
  static constexpr level_index last = Residency::memories - 1;  ///< the memory that feeds it
  static constexpr level_index number = Level - Residency::memories;

  store_line(Residency& r, const store_ref<store_type>& which, const store_limits& limits)
      : residency_(&r),
        store_(&checked(which, r, limits)),
        limits_(limits),
        down_(r, limits.room_bytes / 2),
        up_(r, limits.room_bytes / 2),
        arrivals_(r.device()),
        door_(r, *store_)
  {
  }
  store_line(const store_line&) = delete;
  store_line& operator=(const store_line&) = delete;
  ~store_line()
  {
    give_up_sync();
    for (const io& one : open_) detail::insist([&] { residency_->device().wait_sync(one.copied); });
    detail::insist([this] { drain_room_sync(); });
  }

  [[nodiscard]] const store_figures& figures() const noexcept { return figures_; }
  /// Tokens that no memory has any more and that this store was to keep, and did not.
  [[nodiscard]] std::uint64_t dropped_tokens() const noexcept { return dropped_; }
  [[nodiscard]] std::size_t under_way() const noexcept { return open_.size(); }

  /// The entry was used by a batch, or is about to be.
  void touch(entry_type& e, const reuse_hint& hint) { door_.requested(*residency_, e, hint); }

  // --- down ---

  /// The last memory has `wanted` of a live entry, and is about to lose it or was told to write it through: what of it the
  /// store lacks goes there, if there is room. demote(copies, after) -> event queues it. Never waits, and cannot fail: what
  /// finds no room is counted.
  template <class Demote>
  void put(entry_type& e, token_interval wanted, Demote&& demote) noexcept;

  /// As put, of all that the last memory has of a live entry, whatever the policies say; as much as there is room for.
  template <class Demote>
  [[nodiscard]] saving save(entry_type& e, Demote&& demote);
  /// Tokens of a live entry that a memory has and the store has not, as far as is known; or nothing `counts` that it has.
  [[nodiscard]] token_count unsaved(const entry_type& e, bool counts);
  /// What was put and erased becomes durable; empty: too much is under way.
  [[nodiscard]] std::optional<store_promise> flush() { return store_->flush(); }
  [[nodiscard]] std::optional<store_outcome> outcome_of(const store_promise& p) noexcept { return store_->poll(p); }
  /// What has been under way longest.
  [[nodiscard]] std::optional<event> first_under_way() const noexcept
  {
    if (open_.empty()) return std::nullopt;
    return open_.front().promise.point;
  }

  /// Nothing that the store has of the user is served any more.
  void erase(const sequence_key& key) noexcept
  {
    for (io& one : open_) one.erased = one.erased || one.key == key;
    store_->erase(key);
  }

  /// Has the store anything of the user, or may it get it?
  [[nodiscard]] bool may_have(const sequence_key& key);

  // --- up ---

  /// The first of `tokens` of a record that is not exact when it has come.
  [[nodiscard]] static constexpr token_count inexact_of(const record_header& header, token_interval tokens) noexcept
  {
    return first_inexact<recipe>(header, tokens);
  }

  /// What the store says of a user now; nothing where it throws.
  [[nodiscard]] found_record find(const sequence_key& key)
  {
    found_record found;
    if (!store_answers([&] { found = store_->find(key); })) note_error();
    return found;
  }

  /// The point of what is under way up for a user, and was not erased since; of several the last.
  [[nodiscard]] std::optional<event> arrival(const sequence_key& key) const noexcept
  {
    for (auto one = open_.rbegin(); one != open_.rend(); ++one) {
      if (one->key == key && one->what != kind::put && !one->erased) return one->promise.point;
    }
    return std::nullopt;
  }

  /// Asks about a user. False where nothing more may be under way.
  [[nodiscard]] bool ask(const sequence_key& key)
  {
    open_.reserve(open_.size() + 1);
    const auto promise = store_->ask(key);
    if (!promise) return false;
    open_.push_back({.what = kind::ask, .key = key, .promise = *promise});
    ++figures_.asked;
    return true;
  }

  /// Begins to get `wanted` of a record, which begins with a page or where the record does; as much of it as there is room
  /// for, the front first. False where there is no room, or nothing more may be under way.
  [[nodiscard]] bool get(const sequence_key& key, const record_header& header, token_interval wanted, bool by_layer);

  // --- for a lease that has begun ---

  /// What is on its way up for a user and no lease counts on yet: what record it is of, and which of its tokens come.
  [[nodiscard]] std::optional<std::pair<record_header, token_interval>> coming(const sequence_key& key) const
  {
    for (const io& one : open_) {
      if (one.is_coming(key)) return std::pair{one.header, one.tokens};
    }
    return std::nullopt;
  }
  /// How many leases count on at the moment.
  [[nodiscard]] std::size_t reads() const noexcept
  {
    return static_cast<std::size_t>(
        std::count_if(open_.begin(), open_.end(), [](const io& one) { return one.what == kind::read; }));
  }

  /// What is coming for the entry's user goes on to their pages in the slab, as far as `pieces` say, once it has come and
  /// `after`; `arrives[l]` hears when layer l has. What becomes of it is told by ended_reads(), under the name `reader`.
  /// When this throws, it is as if nothing had been on its way.
  void read_on(entry_type& e, std::uint64_t reader, std::span<const piece> pieces, const fence& after,
               std::span<fence> arrives);
  /// Those that are over since the caller last emptied this.
  [[nodiscard]] std::vector<ended_read>& ended_reads() noexcept { return ended_; }

  /// A new entry, of which no memory has anything, goes on in the life that a record is of.
  void adopt(entry_type& e, const record_header& header);

  /// Of the life that a record is of no token from here on is in the store, or on its way there, now.
  [[nodiscard]] token_count reach(const sequence_key& key, const record_header& header);

  /// That are on their way up.
  [[nodiscard]] std::uint64_t bytes_coming() const noexcept
  {
    std::uint64_t tokens = 0;
    for (const io& one : open_) tokens += one.what == kind::get || one.what == kind::read ? one.tokens.size() : 0U;
    return tokens * residency_->shape().token_bytes();
  }
  /// The model computes these sooner than they come.
  void note_judged(token_count tokens, bool fetched)
  {
    (fetched ? figures_.freeing_tokens : figures_.computed_tokens) += tokens;
    if (fetched) ++figures_.freeing_gets;
    tell(residency_->tracker(), fetch_judged{Level, tokens, fetched});
  }
  void note_foreign() noexcept { ++figures_.foreign; }
  void note_contradicted() noexcept { ++figures_.contradicted; }
  /// The store threw at a call for a user who comes up, or the device refused the copy of what had come: a miss.
  void note_error() noexcept { ++figures_.errors; }

  /// Books what the store has answered. `reserve(entry, tokens, after)`: room in the last memory, as demoter's.
  /// `ended(key)`: nothing more comes for the user.
  template <class Reserve, class Ended>
  void settle(Reserve&& reserve, Ended&& ended);

  /// Ends all that is under way, as lost unless it is over: nothing waits for the store any more.
  void give_up_sync() noexcept
  {
    for (io& one : open_) {
      if (!one.given_up) store_->give_up_sync(one.promise);
      one.given_up = true;
    }
  }

  /// Blocks until all that is under way is over, answers and copies.
  template <class Settle>
  void drain_sync(Settle&& settle);

 private:
  using io = store_io<typename store_room<Residency>::places>;
  using kind = typename io::kind;
  using late_copies = typename coalesced_copy::template on<device_type>;

  static store_type& checked(const store_ref<store_type>& which, Residency& r, const store_limits& limits)
  {
    check(limits, page_bytes(r.shape(), r.layout().page_tokens));
    if (which.store != nullptr) return *which.store;
    throw config_error("tiers[" + std::to_string(Level) + "].store", "null",
                       "it must be the address of a store, which outlives the cache");
  }

  void drain_room_sync();

  [[nodiscard]] token_count page_floor(token_count token) const noexcept
  {
    return token - token % residency_->layout().page_tokens;
  }
  [[nodiscard]] token_count page_ceil(token_count token) const noexcept
  {
    const token_count page = residency_->layout().page_tokens;
    return page_floor(token) + (token % page != 0 ? page : 0);
  }

  /// A store may have lost by itself what it got: what it has now, where it knows and nothing of the user is on its way.
  void look_again(const sequence_key& key, incarnation_id incarnation, token_interval& stored);

  /// What of `wanted`, which the memory has among `has`, is to be put so that the store has it side by side with what it
  /// has; whole pages as far as they are there.
  [[nodiscard]] token_interval to_put(token_interval wanted, token_interval has, token_interval stored) const noexcept;

  template <class Demote>
  [[nodiscard]] bool begin_put(entry_type& e, token_interval part, incarnation_id incarnation, Demote&& demote);

  /// The first token of the life that is not exact in a store once it has `part`, too.
  template <class Life>
  [[nodiscard]] static token_count inexact_with(const entry_type& e, const Life& life, token_interval part) noexcept;
  [[nodiscard]] record_header header_of(const entry_type& e, token_interval tokens, incarnation_id incarnation) const;

  /// Does the last memory keep a code of its pages?
  static constexpr bool memory_has_codes = Residency::template level_at<last>::has_codes;

  [[nodiscard]] copy_list empty_list() const
  {
    return {.piece_bytes = page_layer_bytes(residency_->shape(), residency_->layout().page_tokens),
            .layers = residency_->shape().layers,
            .runs = {}};
  }

  template <class Life>
  void note_put(entry_type& e, Life& life, token_interval part) noexcept;
  /// Whoever waits for a get that takes too long waits no longer.
  template <class Ended>
  void give_up_overdue(Ended&& ended);
  void end_put(const io& mine, store_outcome out);
  void end_read(const io& mine, store_outcome out) noexcept;

  template <class Reserve, class Ended>
  void end_get(io& mine, store_outcome out, Reserve&& reserve, Ended&& ended);

  /// What was got comes into the last memory, as far as it has use and finds room there. Returns the tokens. Gives the
  /// place back, whatever is thrown.
  template <class Reserve>
  [[nodiscard]] token_count arrive(io& mine, Reserve&& reserve);

  static void note_windows(entry_type& e, const io& mine);

  Residency* residency_;
  store_type* store_;
  store_limits limits_;
  store_room<Residency> down_, up_;
  demotion<device_type> arrivals_;
  store_door<Residency, Level, recipe> door_;
  std::vector<std::unique_ptr<late_copies>> late_;  // [lane]
  std::vector<ended_read> ended_;
  std::vector<io> open_;  // in the order of beginning
  store_figures figures_;
  std::uint64_t dropped_ = 0;
};

}  // namespace kvstrata

#include <kvstrata/move/stores/store_arrival.hpp>
#include <kvstrata/move/stores/store_departure.hpp>
#include <kvstrata/move/stores/store_reading.hpp>
#include <kvstrata/move/stores/store_settling.hpp>
