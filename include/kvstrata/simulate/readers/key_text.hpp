// What a text trace writes for a key or a time, as numbers.
#pragma once

#include <kvstrata/core/decimal.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/exact.hpp>
#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/text_lines.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What the ids of a text trace are.
enum class id_kind : std::uint8_t {
  number,  ///< whole numbers of 64 bits, with a sign or without: -1 and 18446744073709551615 are one
  hex,     ///< hexadecimal, with 0x in front or without; one of more than 64 bits becomes a hash of its text
  text,    ///< anything: an object's key is a 64-bit hash of it
};

[[nodiscard]] constexpr std::string_view name_of(id_kind kind) noexcept
{
  switch (kind) {
    case id_kind::number: return "numbers";
    case id_kind::hex: return "hexadecimal numbers";
    case id_kind::text: return "texts";
  }
  return "unknown";
}

/// Names of the units of time and their milliseconds. 0: there is no such unit.
[[nodiscard]] constexpr double ms_of_unit(std::string_view unit) noexcept
{
  if (unit == "s") return 1e3;
  if (unit == "ms") return 1;
  if (unit == "us") return 1e-3;
  return unit == "ns" ? 1e-6 : 0;
}

/// The name of a unit of so many milliseconds.
[[nodiscard]] constexpr std::string_view unit_of_ms(double ms) noexcept
{
  for (const std::string_view unit : {"s", "ms", "us", "ns"}) {
    if (is_exactly(ms_of_unit(unit), ms)) return unit;
  }
  return "a unit of its own";
}

/// Throws config_error.
inline void check_ms_per_time(std::string_view field, double ms)
{
  if (!(ms > 0) || !(ms <= 1e9)) throw config_error(field, std::to_string(ms), "it must be above 0 and at most 1e9");
}

namespace detail {

/// FNV-1a (Fowler, Noll, Vo), scattered.
[[nodiscard]] constexpr std::uint64_t hash_of_text(std::string_view text) noexcept
{
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return scatter_bits(hash);
}

/// The key that `text` writes; `name` is what a data_error calls it.
[[nodiscard]] inline std::uint64_t key_of(std::string_view text, id_kind kind, std::string_view name,
                                          const text_lines& where)
{
  if (kind == id_kind::text) {
    if (text.empty()) where.fail(std::string(name) + " is empty");
    return hash_of_text(text);
  }
  if (kind == id_kind::hex) {
    const std::string_view digits = text.starts_with("0x") || text.starts_with("0X") ? text.substr(2) : text;
    std::uint64_t value = 0;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (problem == std::errc::invalid_argument || end != digits.data() + digits.size()) {
      where.fail(std::string(name) + " is " + in_quotes(text) + ", which is not a hexadecimal number");
    }
    return problem == std::errc::result_out_of_range ? hash_of_text(digits) : value;
  }
  if (!text.empty() && text.front() == '-') {
    std::int64_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem == std::errc() && end == text.data() + text.size()) return static_cast<std::uint64_t>(value);
  }
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem == std::errc() && end == text.data() + text.size()) return value;
  constexpr std::uint64_t any = (std::numeric_limits<std::uint64_t>::max)();
  if (problem != std::errc::result_out_of_range || end != text.data() + text.size()) {
    where.fail(std::string(name) + " is " + in_quotes(text) +
               ", which is not a whole number; ids that are texts or hexadecimal must be said (id_kind, --id-kind)");
  }
  return where.number(text, name, any);
}

/// The time that `text` writes, in milliseconds, rounded; decimals are read. data_error for one that is none, lies before
/// 0 or beyond 64 bits.
[[nodiscard]] inline std::int64_t time_of(std::string_view text, double ms_per_time, std::string_view name,
                                          const text_lines& where)
{
  std::uint64_t whole = 0;
  const auto [digits_end, wrong] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (wrong == std::errc() && digits_end == text.data() + text.size() && is_exactly(ms_per_time, 1) &&
      whole >> 63 == 0) {
    return static_cast<std::int64_t>(whole);  // exact beyond 2^53, too
  }
  double value = 0;
  const auto [end, problem] = read_decimal(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || !(value >= 0) || std::isinf(value)) {
    where.fail(std::string(name) + " is " + in_quotes(text) + ", which is not a number of at least 0");
  }
  const double ms = std::floor(value * ms_per_time + 0.5);
  if (!(ms < 0x1p63)) {
    where.fail(std::string(name) + " is " + in_quotes(text) + ", which is too late for milliseconds");
  }
  return static_cast<std::int64_t>(ms);
}

}  // namespace detail

}  // namespace kvstrata
