// The events by name and field, for whoever writes them down without knowing each.
#pragma once

#include <kvstrata/core/result.hpp>
#include <kvstrata/observe/event_record.hpp>
#include <kvstrata/observe/events.hpp>
#include <kvstrata/observe/store_event_fields.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// "tokens_evicted level=0 tokens=12 dropped=4 user=7 call=prepare lease=3 label=4711".
[[nodiscard]] inline std::string to_string(const event_record& e)
{
  std::string out(e.name);
  for (std::size_t i = 0; i < e.count; ++i) {
    const event_field& f = e.fields[i];
    out.append(" ").append(f.name).append("=");
    if (f.word.empty()) out.append(std::to_string(f.number));
    else out.append(f.word);
  }
  return out;
}

namespace detail {

inline constexpr by_level<std::string_view> level_fields{"level_0", "level_1", "level_2", "level_3",
                                                         "level_4", "level_5", "level_6", "level_7"};

constexpr void add_levels(event_record& out, const by_level<std::uint64_t>& all) noexcept
{
  for (level_index i = 0; i < most_levels; ++i) out.add_if(level_fields[i], all[i]);
}

constexpr void add_copies(event_record& out, std::uint64_t bytes, std::uint64_t copies, std::uint64_t pieces) noexcept
{
  out.add("bytes", bytes);
  out.add("copies", copies);
  out.add("pieces", pieces);
}

}  // namespace detail

[[nodiscard]] constexpr event_record record_of(const cache_built& e) noexcept
{
  event_record out{.name = "cache_built"};
  out.add("levels", e.levels);
  for (level_index i = 0; i < e.levels; ++i) out.add(detail::level_fields[i], e.names[i]);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const call_began& e) noexcept
{
  event_record out{.name = "call_began"};
  out.add("call", name_of(e.call));
  return out;
}
[[nodiscard]] constexpr event_record record_of(const call_ended& e) noexcept
{
  event_record out{.name = "call_ended"};
  out.add("call", name_of(e.call));
  return out;
}
[[nodiscard]] constexpr event_record record_of(const lock_waited& e) noexcept
{
  event_record out{.name = "lock_waited"};
  out.add("call", name_of(e.call));
  out.add("nanoseconds", e.nanoseconds);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const batch_prepared& e) noexcept
{
  event_record out{.name = "batch_prepared"};
  out.add("lease", e.lease);
  out.add_if("label", e.label);
  out.add("requests", e.requests);
  out.add("computed", e.computed_tokens);
  out.add_if("recomputed", e.recomputed_tokens);
  out.add_if("scratch", e.scratch_tokens);
  out.add_if("prefetched", e.prefetched_tokens);
  detail::add_levels(out, e.from);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const user_hit& e) noexcept
{
  event_record out{.name = "user_hit"};
  out.add("user", to_number(e.user));
  out.add_if("space", e.space);
  out.add("level", e.level);
  out.add("tokens", e.tokens);
  out.add("age", e.age);
  out.add("lease", e.lease);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const batch_committed& e) noexcept
{
  event_record out{.name = "batch_committed"};
  out.add("tokens", e.tokens);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const bytes_onloaded& e) noexcept
{
  event_record out{.name = "bytes_onloaded"};
  detail::add_copies(out, e.bytes, e.copies, e.pieces);
  detail::add_levels(out, e.bytes_from);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const bytes_offloaded& e) noexcept
{
  event_record out{.name = "bytes_offloaded"};
  detail::add_copies(out, e.bytes, e.copies, e.pieces);
  out.add("from", e.from);
  out.add("to", e.to);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const bytes_relocated& e) noexcept
{
  event_record out{.name = "bytes_relocated"};
  detail::add_copies(out, e.bytes, e.copies, e.pieces);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const copies_queued& e) noexcept
{
  event_record out{.name = "copies_queued"};
  out.add("stream", e.stream);
  out.add("after", e.after);
  out.add("last", e.last);
  out.add("way", e.up ? std::string_view("up") : std::string_view("down"));
  out.add("call", name_of(e.cause.call));
  out.add_if("lease", e.cause.lease);
  out.add_if("label", e.cause.label);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const lease_released& e) noexcept
{
  event_record out{.name = "lease_released"};
  out.add("lease", e.lease);
  out.add_if("label", e.label);
  out.add("stream", e.stream);
  out.add("point", e.point);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const tokens_evicted& e) noexcept
{
  event_record out{.name = "tokens_evicted"};
  out.add("user", to_number(e.user));
  out.add_if("space", e.space);
  out.add("level", e.from);
  out.add("tokens", e.tokens);
  out.add_if("dropped", e.dropped);
  out.add_if("unread", e.unread);
  out.add("age", e.age);
  out.add("call", name_of(e.cause.call));
  out.add_if("lease", e.cause.lease);
  out.add_if("label", e.cause.label);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const tokens_forgotten& e) noexcept
{
  event_record out{.name = "tokens_forgotten"};
  out.add_if("rewritten", e.rewritten);
  out.add_if("widened", e.widened);
  out.add_if("passed", e.passed);
  out.add_if("overwritten", e.overwritten);
  out.add_if("inexact", e.inexact);
  out.add_if("stranded", e.stranded);
  out.add_if("superseded", e.superseded);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const write_refused& e) noexcept
{
  event_record out{.name = "write_refused"};
  out.add("tokens", e.tokens);
  out.add("level", e.level);
  out.add("why", name_of(e.why));
  return out;
}
[[nodiscard]] constexpr event_record record_of(const write_dropped& e) noexcept
{
  event_record out{.name = "write_dropped"};
  out.add("tokens", e.tokens);
  out.add("from", e.from);
  out.add("to", e.to);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const write_delayed& e) noexcept
{
  event_record out{.name = "write_delayed"};
  out.add("tokens", e.tokens);
  out.add("level", e.level);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const frames_waited& e) noexcept
{
  event_record out{.name = "frames_waited"};
  out.add("pages", e.pages);
  out.add("level", e.level);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const tokens_cleaned& e) noexcept
{
  event_record out{.name = "tokens_cleaned"};
  out.add("tokens", e.tokens);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const prefetch_queued& e) noexcept
{
  event_record out{.name = "prefetch_queued"};
  out.add("tokens", e.tokens);
  out.add_if("displaced", e.displaced);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const prefetch_undone& e) noexcept
{
  event_record out{.name = "prefetch_undone"};
  out.add("tokens", e.tokens);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const pressure_met& e) noexcept
{
  event_record out{.name = "pressure_met"};
  out.add("why", name_of(e.why.why));
  out.add_if("label", e.label);
  if (e.why.why != pressure::reason::held) out.add("user", e.why.user);
  out.add_if("space", e.why.space);
  if (e.why.by_commit) out.add("by_commit", 1);
  out.add_if("pages_needed", e.why.pages_needed);
  if (e.why.why != pressure::reason::held) return out;
  out.add("pages_free", e.why.pages_free);
  out.add("pages_evictable", e.why.pages_evictable);
  out.add("pages_held", e.why.pages_held);
  return out;
}
[[nodiscard]] constexpr event_record record_of(const epoch_advanced& e) noexcept
{
  event_record out{.name = "epoch_advanced"};
  out.add("epoch", to_number(e.epoch));
  out.add("users", e.users);
  detail::add_levels(out, e.tokens);
  return out;
}

/// What can be written down: every event there is.
template <class Event>
concept recorded_event = requires(const Event& e) {
  { record_of(e) } noexcept;
};

namespace detail {

template <class Events>
inline constexpr bool all_recorded = false;
template <class... Event>
inline constexpr bool all_recorded<event_list<Event...>> = (recorded_event<Event> && ...);

}  // namespace detail

static_assert(detail::all_recorded<tracker_events>, "an event has been added: write down what it carries, too");

}  // namespace kvstrata
