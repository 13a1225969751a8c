// Values of a configuration as text: what stands behind `key =` in a file.
#pragma once

#include <kvstrata/core/decimal.hpp>
#include <kvstrata/core/geometry.hpp>
#include <kvstrata/layout/page_order.hpp>
#include <kvstrata/transfer/store_cost.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// A text in a sentence: the beginning of a long one.
[[nodiscard]] inline std::string quoted_value(std::string_view text)
{
  return '"' + std::string(text.substr(0, 40)) + (text.size() > 40 ? "...\"" : "\"");
}

// Each reads a value, and returns what is wrong with it, to follow its name and text; empty: nothing is.

template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>)
[[nodiscard]] std::string value_from(std::string_view text, T& out)
{
  T value{};
  const char* const end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, value);
  if (fault == std::errc::result_out_of_range) {
    return "but it may be at most " + std::to_string((std::numeric_limits<T>::max)());
  }
  if (fault != std::errc() || stop != end) return "which is not a whole number from 0 up";
  out = value;
  return {};
}

[[nodiscard]] inline std::string value_from(std::string_view text, double& out)
{
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, fault] = read_decimal(text.data(), end, value);
  if (fault != std::errc() || stop != end || !std::isfinite(value) || value < 0) {
    return "which is not a finite number from 0 up";
  }
  out = value;
  return {};
}

[[nodiscard]] inline std::string value_from(std::string_view text, bool& out)
{
  if (text != "true" && text != "false") return "but it must be true or false";
  out = text == "true";
  return {};
}

[[nodiscard]] inline std::string value_from(std::string_view text, std::string& out)
{
  out = text;
  return {};
}
[[nodiscard]] inline std::string value_from(std::string_view text, std::filesystem::path& out)
{
  out = std::filesystem::path(text);
  return {};
}

inline constexpr std::array all_element_types{element_type::f32,      element_type::f16,      element_type::bf16,
                                              element_type::fp8_e4m3, element_type::fp8_e5m2, element_type::int8};
[[nodiscard]] inline std::string value_from(std::string_view text, element_type& out)
{
  std::string all;
  for (const element_type type : all_element_types) {
    if (name_of(type) == text) {
      out = type;
      return {};
    }
    all += (all.empty() ? "" : ", ") + std::string(name_of(type));
  }
  return "but it must be one of " + all;
}

[[nodiscard]] inline std::string value_from(std::string_view text, page_order& out)
{
  if (text != "layer_first" && text != "page_first") return "but it must be layer_first or page_first";
  out = text == "layer_first" ? page_order::layer_first : page_order::page_first;
  return {};
}

[[nodiscard]] inline std::string value_from(std::string_view text, staged_for& out)
{
  if (text != "latency" && text != "throughput") return "but it must be latency or throughput";
  out = text == "latency" ? staged_for::latency : staged_for::throughput;
  return {};
}

/// Numbers with a type of their own, such as epochs.
template <class T>
  requires std::is_enum_v<T>
[[nodiscard]] std::string value_from(std::string_view text, T& out)
{
  std::underlying_type_t<T> number{};
  std::string wrong = value_from(text, number);
  if (wrong.empty()) out = T{number};
  return wrong;
}

template <class T>
[[nodiscard]] std::string value_from(std::string_view text, std::optional<T>& out)
{
  if (text == "none") {
    out.reset();
    return {};
  }
  T value{};
  std::string wrong = value_from(text, value);
  if (wrong.empty()) out = value;
  return wrong;
}

// And the other way: what value_from reads as the same value.

template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>)
[[nodiscard]] std::string value_text(T value)
{
  return std::to_string(value);
}
[[nodiscard]] inline std::string value_text(double value)
{
  std::array<char, 64> text{};
  const auto [end, fault] = std::to_chars(text.data(), text.data() + text.size(), value);
  return fault == std::errc() ? std::string(text.data(), end) : std::string();
}
[[nodiscard]] inline std::string value_text(bool value) { return value ? "true" : "false"; }
[[nodiscard]] inline std::string value_text(const std::string& value) { return value; }
[[nodiscard]] inline std::string value_text(const std::filesystem::path& value) { return value.string(); }
[[nodiscard]] inline std::string value_text(element_type value) { return std::string(name_of(value)); }
[[nodiscard]] inline std::string value_text(page_order value) { return std::string(name_of(value)); }
[[nodiscard]] inline std::string value_text(staged_for value) { return std::string(name_of(value)); }
template <class T>
  requires std::is_enum_v<T>
[[nodiscard]] std::string value_text(T value)
{
  return std::to_string(static_cast<std::underlying_type_t<T>>(value));
}
template <class T>
[[nodiscard]] std::string value_text(const std::optional<T>& value)
{
  return value ? value_text(*value) : "none";
}

}  // namespace kvstrata::detail
