// Which columns of a CSV are what, and what stands in them.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/readers/key_text.hpp>
#include <kvstrata/simulate/text_lines.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

enum class csv_header : std::uint8_t {
  detect,  ///< the first row is a header when a column is asked for by name, or no field in it is or begins like a number
  present,
  absent,
};

/// A column is the name it has in the header, whatever its capitals, or its number from 1; "0" is none. Left empty, it is
/// looked for in the header, under the first of the names below that is there; without a header, time, id and size are
/// columns 1, 2, 3, of a file with two columns time and id, of a file with one the id. A trace needs an id.
struct csv_options
{
  std::string time{};       ///< time, timestamp, ts, op_time, time_s, timestamp_s, and so on for ms, us and ns
  std::string id{};         ///< id, obj_id, object_id, key, cachekey, anonymized key
  std::string size{};       ///< size, obj_size, object_size, objectsize, bytes, value_size, value size
  std::string operation{};  ///< op, operation, opcode: only reads are requests
  std::string count{};      ///< op_count, count: how often the row's request was made
  char separator = '\0';    ///< '\0': a tab, comma, semicolon or blank, the first of these that the first line holds
  csv_header header = csv_header::detect;
  id_kind ids = id_kind::number;
  std::optional<double>
      ms_per_time{};  ///< unit of the time column; else its name says it (_ms), else it is libCacheSim's,
                      ///< seconds. Times may have decimals
  std::vector<std::string> reads{};  ///< the operations that are reads, whatever their capitals; empty: those of usual
                                     ///< names, and one that is neither a usual read nor a usual write is refused
};

/// A row's count may be so large.
inline constexpr std::uint64_t most_csv_count = 1'000'000'000;

/// Throws config_error.
inline void check(const csv_options& options)
{
  if (options.ms_per_time) check_ms_per_time("csv_options.ms_per_time", *options.ms_per_time);
  if (options.id == "0")
    throw config_error("csv_options.id", options.id, "a trace needs a column that says which object");
}

namespace detail {

enum class csv_column : std::uint8_t { time, id, size, operation, count };
inline constexpr std::size_t csv_columns = 5;

[[nodiscard]] constexpr std::string_view name_of(csv_column which) noexcept
{
  constexpr std::array<std::string_view, csv_columns> names{"time", "id", "size", "operation", "count"};
  return names[static_cast<std::size_t>(which)];
}

/// The names that a column usually has.
[[nodiscard]] inline std::span<const std::string_view> usual_names(csv_column which) noexcept
{
  static constexpr std::array<std::string_view, 12> times{"time",    "timestamp",    "ts",      "op_time",
                                                          "time_s",  "timestamp_s",  "time_ms", "timestamp_ms",
                                                          "time_us", "timestamp_us", "time_ns", "timestamp_ns"};
  static constexpr std::array<std::string_view, 7> ids{"id",       "obj_id",         "object_id",     "key",
                                                       "cachekey", "anonymized key", "anonymized_key"};
  static constexpr std::array<std::string_view, 7> sizes{"size",  "obj_size",   "object_size", "objectsize",
                                                         "bytes", "value_size", "value size"};
  static constexpr std::array<std::string_view, 3> operations{"op", "operation", "opcode"};
  static constexpr std::array<std::string_view, 2> counts{"op_count", "count"};
  switch (which) {
    case csv_column::time: return times;
    case csv_column::id: return ids;
    case csv_column::size: return sizes;
    case csv_column::operation: return operations;
    case csv_column::count: return counts;
  }
  return {};
}

[[nodiscard]] inline bool is_among(std::string_view name, std::span<const std::string_view> names) noexcept
{
  return std::any_of(names.begin(), names.end(), [name](std::string_view one) { return is_same_name(one, name); });
}

/// Whether an operation is a read. data_error for one that is not known, where the options name no reads.
[[nodiscard]] inline bool is_read(std::string_view operation, const csv_options& options, const text_lines& where)
{
  if (!options.reads.empty()) {
    return std::any_of(options.reads.begin(), options.reads.end(),
                       [operation](const std::string& one) { return is_same_name(one, operation); });
  }
  static constexpr std::array<std::string_view, 9> reads{"get", "gets",  "read", "r",     "get_lease",
                                                         "gat", "fetch", "load", "lookup"};
  static constexpr std::array<std::string_view, 18> writes{
      "set",  "add",   "replace", "cas", "append",    "prepend", "delete", "del",    "incr",
      "decr", "write", "w",       "put", "set_lease", "touch",   "store",  "update", "insert"};
  if (is_among(operation, reads)) return true;
  if (!is_among(operation, writes)) {
    where.fail("the operation is " + in_quotes(operation) +
               ", which is neither a usual read nor a usual write; say which are reads (csv_options.reads, --reads)");
  }
  return false;
}

}  // namespace detail

}  // namespace kvstrata
