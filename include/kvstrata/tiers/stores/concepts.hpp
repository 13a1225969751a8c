// Stores: tiers that no copy can address. Whole records are put to them and got from them, asynchronously, each with an
// outcome of its own; a store is fed from the last memory of a stack and feeds it, and the device never meets it.
//
// A store tier T is a recipe. T::on<Device> is the store itself, on a device with host streams: made once, used by as many
// caches and threads as like, and named in their configurations (store_ref). It outlives them.
//
// expression                                meaning
// ----------------------------------------- -----------------------------------------------------------------------
// typename T::tier_kind                     store_kind: what tells it from a memory
// s.find(key) -> found_record               what the store has of a sequence: a record, nothing, or it does not know
//                                           without asking. O(1), never waits
// s.ask(key)                                asks; once that is done, find knows
//   -> std::optional<store_promise>
// s.put(key, header, from, ready)           keeps a record. `from`: its bytes (record.hpp), read after `ready` and before
//   -> std::optional<store_promise>         the promise is over. It joins what is there of the same life, and replaces
//                                           what is there of another, as record.hpp's join says. It is found once it is
//                                           done. Puts of one sequence count in the order of their calls, whenever they end:
//                                           an older life never comes back; of one life that leaves gaps until others
//                                           have ended, what lies before a gap may be gone
// s.get(key, header, wanted, into, ready)   brings the pages that hold `wanted` of the record that `header` tells of, as
//   -> std::optional<store_promise>         find said; written after `ready`. Checked: done means that these are the bytes
//                                           that were put. Lost: what is in `into` means nothing, and the record is not
//                                           found again
// s.erase(key)                              nothing put before is found from here on: puts under way come to nothing,
//                                           gets are lost. noexcept. It is as durable as the next flush. A life ends with
//                                           it: a cache puts what follows as another, and a store that is shared refuses
//                                           what still comes of it, whoever puts that; others may keep it
// s.poll(promise)                           what became of it, once it is over: told once; empty before. noexcept. Whoever
//   -> std::optional<store_outcome>         was promised something asks until they are told, or gives it up
// s.give_up_sync(promise)                   ends it, as lost unless it is over: its bytes are not touched any more.
//                                           May block. noexcept
// s.flush() -> std::optional<store_promise> done: all that was put, as far as that was done, and erased before is durable
// s.close()                                 ends all that is under way, as lost unless it is over, and takes nothing any
//                                           more: nothing is found, every promise is refused. May block. Twice is fine
//
// A promise is a point of a host stream (device/concepts.hpp), and an outcome. A store has several such streams, its lanes,
// so that a late answer holds up the promises behind it in its lane and no others; and bounds what is under way in each:
// ask, put, get and flush return nothing when there is no room for one more, and never wait. What they throw
// (std::bad_alloc, an error) has changed nothing. An outcome is told in the order of its lane: when the point has passed.
//
// fallback when absent                      meaning
// ----------------------------------------- -----------------------------------------------------------------------
// typename T::writes                        write_back. A write policy: what comes down to the store, and when
// typename T::admission                     always. An admission policy: who may come in of whom the store has nothing
// T::name -> std::string_view               "store". What texts call it
// s.get_by_layer(key, header, wanted, into, nothing: a lease that begins before a read is over waits for all of it. As
//   ready, layers)                          get; `layers` become points of its lane, one for each layer of a page, the last
//   -> std::optional<store_promise>         that of the promise: once one has passed the layer is there, or the get is lost
// s.size() -> tier_size                     ten times what the last memory has. What an admission policy is told
//
// All calls may come from several threads. Model, and the smallest: tiers/memory_store.hpp. tests/tiers/
// store_conformance.hpp holds a store of your own to all of the above.
#pragma once

#include <kvstrata/core/member_names.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/replacement/admission/concepts.hpp>
#include <kvstrata/tiers/stores/record.hpp>
#include <kvstrata/tiers/write_policy.hpp>

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What a store says of a sequence at once.
struct found_record
{
  enum class knowledge : std::uint8_t {
    absent,   ///< there is none
    present,  ///< `header` tells of it
    unknown,  ///< ask
  };
  knowledge is = knowledge::absent;
  record_header header{};
};

/// Why an I/O came to nothing.
enum class loss : std::uint8_t {
  none,      ///< it did not: it is done
  gone,      ///< the record was erased, replaced or evicted meanwhile
  checksum,  ///< what was there is not what was put
  io_error,  ///< the medium says so
  timeout,   ///< no answer in time
  closed,    ///< the store was closed, or the caller gave it up
  no_room,   ///< a put waited for room, and none came
};

[[nodiscard]] constexpr std::string_view name_of(loss why) noexcept
{
  switch (why) {
    case loss::none: return "none";
    case loss::gone: return "gone";
    case loss::checksum: return "checksum";
    case loss::io_error: return "I/O error";
    case loss::timeout: return "timeout";
    case loss::closed: return "closed";
    case loss::no_room: return "no room";
  }
  return "unknown";
}

struct store_outcome
{
  loss why = loss::none;

  [[nodiscard]] constexpr bool done() const noexcept { return why == loss::none; }
};

/// An I/O that a store has begun, or will.
struct store_promise
{
  event point;               ///< passes when it is over, well or not, and all before it in its lane are
  std::uint64_t number = 0;  ///< the store's own
};

struct store_kind;

template <class T>
concept store_recipe = requires { requires std::same_as<typename T::tier_kind, store_kind>; };

template <class S>
concept finds_records = requires(S& s, const sequence_key& key) {
  { s.find(key) } -> std::same_as<found_record>;
  { s.ask(key) } -> std::same_as<std::optional<store_promise>>;
};

template <class S>
concept puts_records = requires(S& s, const sequence_key& key, const record_header& header,
                                std::span<const io_piece> from, const fence& ready) {
  { s.put(key, header, from, ready) } -> std::same_as<std::optional<store_promise>>;
};

template <class S>
concept gets_records = requires(S& s, const sequence_key& key, const record_header& header, token_interval wanted,
                                std::span<const io_piece> into, const fence& ready) {
  { s.get(key, header, wanted, into, ready) } -> std::same_as<std::optional<store_promise>>;
};

template <class S>
concept gets_by_layer = requires(S& s, const sequence_key& key, const record_header& header, token_interval wanted,
                                 std::span<const io_piece> into, const fence& ready, std::vector<event>& layers) {
  { s.get_by_layer(key, header, wanted, into, ready, layers) } -> std::same_as<std::optional<store_promise>>;
};

template <class S>
concept tells_its_size = requires(const S& s) {
  { s.size() } -> std::same_as<tier_size>;
};

template <class S>
concept erases_records = requires(S& s, const sequence_key& key) { s.erase(key); };
template <class S>
concept erases_noexcept = requires(S& s, const sequence_key& key) {
  { s.erase(key) } noexcept;
};

template <class S>
concept tells_outcomes = requires(S& s, const store_promise& promise) {
  { s.poll(promise) } noexcept -> std::same_as<std::optional<store_outcome>>;
  { s.give_up_sync(promise) } noexcept;
};

template <class S>
concept flushes_and_closes = requires(S& s) {
  { s.flush() } -> std::same_as<std::optional<store_promise>>;
  s.close();
};

namespace detail {

/// Refuses with a sentence.
template <erases_records S>
struct refuse_throwing_store
{
  static_assert(erases_noexcept<S>,
                "a store's erase(key) must be noexcept: it is called while a history is forgotten, and a throw there "
                "would leave records that are served again");
  static constexpr bool value = true;
};

struct name_get_by_layer
{
  int get_by_layer;
};
struct name_size
{
  int size;
};
template <class S>
concept has_member_get_by_layer = may_be_a_base<S> && !requires { &named_twice<S, name_get_by_layer>::get_by_layer; };
template <class S>
concept has_member_size = may_be_a_base<S> && !requires { &named_twice<S, name_size>::size; };

/// Refuses with a sentence.
template <class S>
struct refuse_misspelt_store
{
  static_assert(gets_by_layer<S> || !has_member_get_by_layer<S>,
                "a store has a member get_by_layer, but not get_by_layer(key, header, wanted, into, ready, layers) -> "
                "std::optional<store_promise>: nobody would call it");
  static_assert(tells_its_size<S> || !has_member_size<S>,
                "a store has a member size, but not size() const -> tier_size: nobody would call it");
  static constexpr bool value = true;
};

template <class T>
struct store_writes
{
  using type = write_back;
};
template <class T>
  requires requires { typename T::writes; }
struct store_writes<T>
{
  using type = typename T::writes;
};

template <class T>
struct store_admission
{
  using type = always;
};
template <class T>
  requires requires { typename T::admission; }
struct store_admission<T>
{
  using type = typename T::admission;
};

}  // namespace detail

/// Where only an erase that may throw, or a member that nobody would call, is in the way, the program does not compile, and is
/// told why.
template <class S>
concept bound_store =
    finds_records<S> && puts_records<S> && gets_records<S> && erases_records<S> && tells_outcomes<S> &&
    flushes_and_closes<S> && detail::refuse_throwing_store<S>::value && detail::refuse_misspelt_store<S>::value;

/// What comes down to a store, and when.
template <class T>
using store_writes_t = typename detail::store_writes<T>::type;

/// Who may come into a store.
template <class T>
using store_admission_t = typename detail::store_admission<T>::type;

/// A tier below the memories that whole records are put to and got from.
template <class T, class Device>
concept store_tier = store_recipe<T> && host_stream_device<Device> && bound_store<typename T::template on<Device>> &&
                     write_policy<store_writes_t<T>> && admission_policy<store_admission_t<T>>;

/// What a cache's configuration carries for a store: which one it is. It is not the cache's own, and must outlive it.
template <class Store>
struct store_ref
{
  Store* store = nullptr;
};

/// What texts call a store.
template <class T>
[[nodiscard]] constexpr std::string_view name_of_store() noexcept
{
  if constexpr (requires { std::string_view(T::name); }) return T::name;
  else return "store";
}

}  // namespace kvstrata
