#include "sim/capacity.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <utility>

namespace sim {
namespace {

/// The number at the front of a text, and what follows it. Negative when there is none.
std::pair<double, std::string_view> split_number(std::string_view text)
{
  double value = -1;
  const char* const end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, value);
  if (fault != std::errc() || !std::isfinite(value)) return {-1, text};
  std::string_view rest(stop, static_cast<std::size_t>(end - stop));
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  return {value, rest};
}

struct suffix
{
  std::string_view name;
  double times;
};

constexpr std::array<suffix, 9> byte_suffixes{{{"B", 1},
                                               {"KB", 1e3},
                                               {"MB", 1e6},
                                               {"GB", 1e9},
                                               {"TB", 1e12},
                                               {"KiB", 1024.0},
                                               {"MiB", 1048576.0},
                                               {"GiB", 1073741824.0},
                                               {"TiB", 1099511627776.0}}};
constexpr std::array<suffix, 5> time_suffixes{{{"ms", 1}, {"s", 1e3}, {"min", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}}};

template <std::size_t Count>
double times_of(const std::array<suffix, Count>& known, std::string_view name)
{
  const auto found = std::find_if(known.begin(), known.end(), [name](const suffix& one) { return one.name == name; });
  return found == known.end() ? 0 : found->times;
}

bool is_whole(double value) { return value == std::floor(value); }

[[noreturn]] void refuse(std::string_view option, const std::string& text, std::string_view limit)
{
  throw kvstrata::config_error(option, "'" + text + "'", limit);
}

constexpr double most = 0x1p60;

}  // namespace

capacity read_capacity(std::string_view option, const std::string& text)
{
  constexpr std::string_view limit =
      "a capacity is a number of objects (1000), of bytes with a suffix (64MiB, 1.5GB), or a share of what the trace "
      "touches (5%)";
  const auto [amount, rest] = split_number(text);
  if (!(amount > 0)) refuse(option, text, limit);
  if (rest.empty()) {
    if (!is_whole(amount) || amount > most) refuse(option, text, "objects are counted in whole numbers below 2^60");
    return {text, capacity::unit::objects, amount};
  }
  if (rest == "%") {
    if (amount > 1000) refuse(option, text, "a share may be at most 1000%");
    return {text, capacity::unit::percent, amount};
  }
  const double times = times_of(byte_suffixes, rest);
  if (times == 0) refuse(option, text, limit);
  if (amount * times > most || amount * times < 1) refuse(option, text, "it must be at least 1 byte and below 2^60");
  return {text, capacity::unit::bytes, std::floor(amount * times)};
}

std::uint64_t read_bytes(std::string_view option, const std::string& text)
{
  const auto [amount, rest] = split_number(text);
  const double times = rest.empty() ? 1 : times_of(byte_suffixes, rest);
  if (!(amount > 0) || times == 0 || amount * times > most || amount * times < 1) {
    refuse(option, text, "it must be a number of bytes, at least 1, such as 16384 or 20MB");
  }
  return static_cast<std::uint64_t>(amount * times);
}

stretch read_stretch(std::string_view option, const std::string& text)
{
  const auto [amount, rest] = split_number(text);
  if (amount > 0 && rest.empty() && is_whole(amount) && amount <= most) {
    return {.requests = static_cast<std::uint64_t>(amount)};
  }
  const double ms = amount * times_of(time_suffixes, rest);
  if (!(ms >= 1) || ms > 0x1p50) {
    refuse(option, text, "it must be a number of requests (10000) or a time of at least 1 ms (90s, 10min, 1h, 1d)");
  }
  return {.ms = static_cast<std::int64_t>(ms)};
}

kvstrata::tier_size size_of(const capacity& c, const kvstrata::footprint& f, kvstrata::object_size sizes)
{
  const bool unit = sizes == kvstrata::object_size::unit;
  if (unit && c.in == capacity::unit::bytes) {
    refuse("--capacities", c.text,
           "with --sizes unit every object counts as one: give objects or a share, or other sizes");
  }
  if (!unit && c.in == capacity::unit::objects) {
    refuse("--capacities", c.text, "with --sizes bytes or growing it must have a suffix (800B, 64MiB) or be a share");
  }
  const double whole = static_cast<double>(unit ? f.objects : f.bytes);
  const double amount = c.in == capacity::unit::percent ? whole * c.amount / 100 : c.amount;
  const auto size = static_cast<std::uint64_t>((std::max)(1.0, std::round(amount)));
  if (unit) return {.bytes = size, .objects = size};
  // No more than all objects can ever be there, nor more than the smallest ones of them would fill.
  const std::uint64_t fit = (std::max)(std::uint64_t{1}, size / f.smallest_bytes);
  const std::uint64_t there = f.exact ? f.objects : f.objects + f.objects / 50;
  return {.bytes = size, .objects = (std::max)(std::uint64_t{1}, (std::min)(fit, there))};
}

}  // namespace sim
