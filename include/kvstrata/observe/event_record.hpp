// An event by its name and fields.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A field of an event: a number, or a word. Literals, so that it may be kept.
struct event_field
{
  std::string_view name;
  std::uint64_t number = 0;
  std::string_view word;  ///< where it is one
};

/// An event as it is written down: without memory of its own, so that keeping it cannot fail.
struct event_record
{
  static constexpr std::size_t most_fields = 14;

  std::string_view name;
  std::array<event_field, most_fields> fields{};
  std::uint8_t count = 0;

  constexpr void add(std::string_view field, std::uint64_t number) noexcept { push({field, number, {}}); }
  constexpr void add(std::string_view field, std::string_view word) noexcept { push({field, 0, word}); }
  /// Only where it says something.
  constexpr void add_if(std::string_view field, std::uint64_t number) noexcept
  {
    if (number != 0) add(field, number);
  }

 private:
  constexpr void push(const event_field& f) noexcept
  {
    if (count < most_fields) fields[count++] = f;
  }
};

}  // namespace kvstrata
