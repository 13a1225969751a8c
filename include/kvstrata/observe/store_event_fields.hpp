// The events of stores, by name and field.
#pragma once

#include <kvstrata/observe/event_record.hpp>
#include <kvstrata/observe/events.hpp>

#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

[[nodiscard]] constexpr event_record record_of(const record_lost& e) noexcept
{
  event_record out{.name = "record_lost"};
  out.add("tokens", e.tokens);
  out.add("level", e.level);
  out.add("way", e.on_its_way_up ? std::string_view("up") : std::string_view("down"));
  return out;
}
[[nodiscard]] constexpr event_record record_of(const fetch_judged& e) noexcept
{
  event_record out{.name = "fetch_judged"};
  out.add("tokens", e.tokens);
  out.add("level", e.level);
  out.add("by", e.fetched ? std::string_view("store") : std::string_view("model"));
  return out;
}

}  // namespace kvstrata
