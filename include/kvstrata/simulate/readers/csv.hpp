// Traces as comma-separated values, with libCacheSim's conventions: a row is an access, and which column is what is said
// by name or number. No quoting: a quote is a character.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/readers/line_source.hpp>
#include <kvstrata/simulate/text_lines.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace kvstrata {

enum class csv_header : std::uint8_t {
  detect,  ///< the first row is a header when a column is asked for by name, or when no field in it begins with a digit
  present,
  absent,
};

enum class csv_ids : std::uint8_t {
  number,  ///< whole numbers
  text,    ///< anything: an object's key is a 64-bit hash of it
};

/// A column is the name it has in the header, or its number from 1; "0" is none. Left empty, it is looked for in the
/// header, under the first of the names below that is there; without a header, time, id and size are columns 1, 2, 3,
/// of a file with two columns time and id, of a file with one the id. A trace needs an id.
struct csv_options
{
  std::string time{};     ///< time, timestamp, time_ms, timestamp_ms
  std::string id{};       ///< id, obj_id, object_id, key
  std::string size{};     ///< size, obj_size, object_size, bytes
  char separator = '\0';  ///< '\0': a tab, comma, semicolon or blank, the first of these that the first line holds
  csv_header header = csv_header::detect;
  csv_ids ids = csv_ids::number;
  double ms_per_time = 1000;  ///< unit of the time column, where its name does not end in _ms, which says it;
                              ///< libCacheSim's is seconds. Times may have decimals
};

/// Throws config_error.
inline void check(const csv_options& options)
{
  if (!(options.ms_per_time > 0) || !(options.ms_per_time <= 1e9)) {
    throw config_error("csv_options.ms_per_time", std::to_string(options.ms_per_time),
                       "it must be above 0 and at most 1e9");
  }
  if (options.id == "0")
    throw config_error("csv_options.id", options.id, "a trace needs a column that says which object");
}

class csv_format
{
 public:
  /// Throws config_error.
  explicit csv_format(csv_options options = {}) : options_(std::move(options)) { check(options_); }

  void take(std::string_view line, const text_lines& where)
  {
    if (separator_ == '\0' && begin(line, where)) return;
    detail::split_fields(line, separator_, fields_);
    if (fields_.size() != columns_) {
      where.fail("the row has " + std::to_string(fields_.size()) + " fields, but the first one has " +
                 std::to_string(columns_));
    }
    constexpr std::uint64_t any = (std::numeric_limits<std::uint64_t>::max)();
    const std::string_view id = field(id_);
    if (options_.ids == csv_ids::text) {
      if (id.empty()) where.fail("the id is empty");
      access_.key = hash_of(id);
    } else {
      access_.key = where.number(id, "the id", any);
    }
    if (time_ != none) access_.time_ms = time_ms(field(time_), where);
    if (size_ != none) access_.bytes = where.number(field(size_), "the size", most_object_bytes);
    pending_ = true;
  }

  bool next(trace_access& access) noexcept
  {
    access = access_;
    return std::exchange(pending_, false);
  }

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  [[nodiscard]] std::string_view field(std::size_t at) const { return detail::trimmed(fields_[at]); }

  /// Looks at the first line; true when it is a header, and no access.
  bool begin(std::string_view line, const text_lines& where)
  {
    separator_ = options_.separator;
    for (const char c : {'\t', ',', ';', ' '}) {
      if (separator_ == '\0' && line.find(c) != std::string_view::npos) separator_ = c;
    }
    if (separator_ == '\0') separator_ = ',';
    detail::split_fields(line, separator_, fields_);
    columns_ = fields_.size();
    const bool header = is_header();
    id_ = column(options_.id, header, "id", {"id", "obj_id", "object_id", "key"}, columns_ == 1 ? 1 : 2, where);
    time_ = column(options_.time, header, "time", {"time", "timestamp", "time_ms", "timestamp_ms"},
                   columns_ == 1 ? 0 : 1, where);
    if (header && time_ != none && field(time_).ends_with("_ms")) options_.ms_per_time = 1;
    size_ = column(options_.size, header, "size", {"size", "obj_size", "object_size", "bytes"}, columns_ < 3 ? 0 : 3,
                   where);
    if (id_ == none) where.fail("the header names no column for the id: none is id, obj_id, object_id or key");
    return header;
  }

  [[nodiscard]] bool is_header() const
  {
    if (options_.header != csv_header::detect) return options_.header == csv_header::present;
    for (const std::string* asked : {&options_.time, &options_.id, &options_.size}) {
      if (!asked->empty() && !is_number(*asked)) return true;
    }
    return std::none_of(fields_.begin(), fields_.end(), [](std::string_view text) {
      const std::string_view inner = detail::trimmed(text);
      return !inner.empty() && is_number(inner.substr(0, 1));
    });
  }

  [[nodiscard]] static bool is_number(std::string_view text)
  {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  }

  [[nodiscard]] std::size_t column(std::string_view asked, bool header, std::string_view what,
                                   std::initializer_list<std::string_view> names, std::size_t otherwise,
                                   const text_lines& where) const
  {
    if (asked.empty() && header) {
      for (const std::string_view name : names) {
        if (const std::size_t at = named(name); at != none) return at;
      }
      return none;
    }
    if (asked.empty()) return otherwise - 1;  // of 0: none
    if (!is_number(asked)) {
      const std::size_t at = header ? named(asked) : none;
      if (at == none) {
        where.fail("the header names no column " + detail::in_quotes(asked) + " for the " + std::string(what));
      }
      return at;
    }
    const std::uint64_t number = where.number(asked, "the column of the " + std::string(what), columns_);
    return static_cast<std::size_t>(number) - 1;
  }

  [[nodiscard]] std::size_t named(std::string_view name) const
  {
    for (std::size_t k = 0; k < fields_.size(); ++k) {
      if (field(k) == name) return k;
    }
    return none;
  }

  [[nodiscard]] std::int64_t time_ms(std::string_view text, const text_lines& where) const
  {
    double value = 0;
    const auto [end, problem] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (problem != std::errc{} || end != text.data() + text.size() || !(value >= 0)) {
      where.fail("the time is " + detail::in_quotes(text) + ", which is not a number of at least 0");
    }
    const double ms = std::floor(value * options_.ms_per_time + 0.5);
    if (!(ms < 0x1p63)) where.fail("the time is " + detail::in_quotes(text) + ", which is too late for milliseconds");
    return static_cast<std::int64_t>(ms);
  }

  /// FNV-1a (Fowler, Noll, Vo), scattered.
  [[nodiscard]] static std::uint64_t hash_of(std::string_view text) noexcept
  {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return scatter_bits(hash);
  }

  csv_options options_;
  char separator_ = '\0';  // until the first line
  std::size_t columns_ = 0;
  std::size_t time_ = none;
  std::size_t id_ = none;
  std::size_t size_ = none;
  std::vector<std::string_view> fields_;
  trace_access access_;
  bool pending_ = false;
};

using csv_source = line_source<csv_format>;

static_assert(access_source<csv_source>);

}  // namespace kvstrata
