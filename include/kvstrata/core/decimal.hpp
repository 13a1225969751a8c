// Decimals from text, on standard libraries that lack from_chars for them (libc++ 14), too.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <charconv>
#include <system_error>
#include <version>

#if !defined(__cpp_lib_to_chars) && defined(_LIBCPP_VERSION)
#include <locale>
#include <sstream>
#include <string>
#endif

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// As std::from_chars(first, last, value), which it is where there is one; elsewhere it knows no inf, no nan, no subnormal
/// number, and allocates.
[[nodiscard]] inline std::from_chars_result read_decimal(const char* first, const char* last, double& value)
{
#if defined(__cpp_lib_to_chars) || !defined(_LIBCPP_VERSION)
  return std::from_chars(first, last, value);
#else
  const auto digits = [last](const char*& at) {
    const char* const begin = at;
    while (at != last && *at >= '0' && *at <= '9') ++at;
    return at != begin;
  };
  const char* end = first;
  if (end != last && *end == '-') ++end;
  bool some = digits(end);
  if (end != last && *end == '.') {
    const char* const point = end++;
    if (digits(end)) some = true;
    else if (!some) end = point;
  }
  if (!some) return {first, std::errc::invalid_argument};
  if (end != last && (*end == 'e' || *end == 'E')) {
    const char* at = end + 1;
    if (at != last && (*at == '+' || *at == '-')) ++at;
    if (digits(at)) end = at;
  }
  std::istringstream in(std::string(first, end));
  in.imbue(std::locale::classic());
  double read = 0;
  if (!(in >> read)) return {end, std::errc::result_out_of_range};
  value = read;
  return {end, std::errc()};
#endif
}

}  // namespace kvstrata
