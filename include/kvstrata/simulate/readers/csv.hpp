// Traces as comma-separated values, with libCacheSim's conventions: a row is an access, and which column is what is said
// by name or number. Fields may stand in quotes; lines that begin with # are comments.
#pragma once

#include <kvstrata/simulate/readers/csv_options.hpp>
#include <kvstrata/simulate/readers/key_text.hpp>
#include <kvstrata/simulate/readers/line_source.hpp>
#include <kvstrata/simulate/text_lines.hpp>
#include <kvstrata/simulate/trace_access.hpp>
#include <kvstrata/simulate/trace_notes.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class csv_format
{
  using column = detail::csv_column;

 public:
  /// Throws config_error.
  explicit csv_format(csv_options options = {}) : options_(std::move(options)) { check(options_); }

  void take(std::string_view line, const text_lines& where)
  {
    if (line.front() == '#' && !(separator_ == '\0' && names_an_id(line.substr(1)))) return;
    if (separator_ == '\0' && begin(line, where)) return;
    split(line);
    if (columns_ == 0) fix_columns(where);
    if (fields_.size() != columns_) {
      where.fail("the row has " + std::to_string(fields_.size()) + " fields, but the first one has " +
                 std::to_string(columns_));
    }
    access_.key = detail::key_of(field(column::id), options_.ids, "the id", where);
    if (has(column::time)) access_.time_ms = detail::time_of(field(column::time), ms_per_time_, "the time", where);
    if (has(column::size)) access_.bytes = where.number(field(column::size), "the size", most_object_bytes);
    std::uint64_t count = 1;
    if (has(column::count)) count = where.number(field(column::count), "the count", most_csv_count);
    if (has(column::operation) && !detail::is_read(field(column::operation), options_, where)) {
      writes_ += count;
      return;
    }
    if (count != 0) repeated_ += count - 1;
    left_ = count;
  }

  bool next(trace_access& access) noexcept
  {
    access = access_;
    if (left_ == 0) return false;
    --left_;
    return true;
  }

  void note(trace_notes& notes) const
  {
    if (options_.ids != id_kind::number) notes.ids = name_of(options_.ids);
    if (has(column::time)) notes.time_unit = unit_of_ms(ms_per_time_);
    notes.writes = writes_;
    notes.repeated = repeated_;
  }

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  [[nodiscard]] static constexpr std::size_t index(column which) noexcept { return static_cast<std::size_t>(which); }
  [[nodiscard]] bool has(column which) const noexcept { return at_[index(which)] != none; }
  [[nodiscard]] std::string_view field(column which) const { return detail::trimmed(fields_[at_[index(which)]]); }
  [[nodiscard]] const std::string& asked(column which) const
  {
    const std::array<const std::string*, detail::csv_columns> all{&options_.time, &options_.id, &options_.size,
                                                                  &options_.operation, &options_.count};
    return *all[index(which)];
  }

  void split(std::string_view line) { detail::split_fields(line, separator_, fields_); }

  /// Looks at the first line; true when it is a header, and no access.
  bool begin(std::string_view line, const text_lines& where)
  {
    if (line.front() == '#') line.remove_prefix(1);
    separator_ = separator_of(line);
    split(line);
    header_ = is_header();
    named_ = fields_.size();
    if (!header_) columns_ = named_;
    constexpr std::array all{column::time, column::id, column::size, column::operation, column::count};
    for (const column which : all) at_[index(which)] = find(which, where);
    if (!has(column::id)) {
      where.fail("the header names no column for the id: none is id, obj_id, object_id or key");
    }
    if (has(column::time) && header_) ms_per_time_ = ms_in_name(field(column::time));
    if (options_.ms_per_time) ms_per_time_ = *options_.ms_per_time;
    return header_;
  }

  /// The first row below a header says how many fields there are. Some headers name more; some rows end in separators. Where
  /// rows have more for another reason, names may stand above other fields than their own.
  void fix_columns(const text_lines& where)
  {
    columns_ = fields_.size();
    const auto is_blank = [](std::string_view text) { return detail::trimmed(text).empty(); };
    if (by_name_ && columns_ > named_ &&
        !std::all_of(fields_.begin() + static_cast<std::ptrdiff_t>(named_), fields_.end(), is_blank)) {
      where.fail("the row has " + std::to_string(columns_) + " fields, but the header names " + std::to_string(named_) +
                 ": say by number which column is which");
    }
    for (std::size_t which = 0; which < at_.size(); ++which) {
      if (at_[which] == none || at_[which] < columns_) continue;
      where.fail("the row has " + std::to_string(columns_) + " fields, but the header names field " +
                 std::to_string(at_[which] + 1) + " as the " +
                 std::string(detail::name_of(static_cast<column>(which))));
    }
  }

  [[nodiscard]] char separator_of(std::string_view line) const
  {
    if (options_.separator != '\0') return options_.separator;
    for (const char c : {'\t', ',', ';', ' '}) {
      if (line.find(c) != std::string_view::npos) return c;
    }
    return ',';
  }

  /// Whether a line that begins with # is a header.
  [[nodiscard]] bool names_an_id(std::string_view line) const
  {
    std::vector<std::string_view> names;
    detail::split_fields(line, separator_of(detail::trimmed(line)), names);
    return std::any_of(names.begin(), names.end(), [this](std::string_view one) {
      const std::string_view name = detail::trimmed(one);
      return options_.id.empty() ? detail::is_among(name, detail::usual_names(column::id))
                                 : detail::is_same_name(name, options_.id);
    });
  }

  [[nodiscard]] bool is_header() const
  {
    if (options_.header != csv_header::detect) return options_.header == csv_header::present;
    for (const column which : {column::time, column::id, column::size, column::operation, column::count}) {
      if (!asked(which).empty() && !is_number(asked(which))) return true;
    }
    const auto like_a_number = [](std::string_view text) {
      std::string_view inner = detail::trimmed(text);
      if (!inner.empty() && inner.front() == '-') inner.remove_prefix(1);
      return !inner.empty() && is_number(inner.substr(0, 1));
    };
    if (std::any_of(fields_.begin(), fields_.end(), like_a_number)) return false;
    if (options_.ids == id_kind::number) return true;
    return std::any_of(fields_.begin(), fields_.end(), [](std::string_view text) {  // ids may look like names
      return detail::is_among(detail::trimmed(text), detail::usual_names(column::id));
    });
  }

  [[nodiscard]] static bool is_number(std::string_view text)
  {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  }

  [[nodiscard]] std::size_t find(column which, const text_lines& where)
  {
    const std::string& wanted = asked(which);
    if (wanted.empty() && header_) {
      for (const std::string_view name : detail::usual_names(which)) {
        const std::size_t at = named(name);
        if (at == none) continue;
        by_name_ = true;
        return at;
      }
      return none;
    }
    if (wanted.empty()) {
      const std::size_t fields = fields_.size();
      if (which == column::id) return fields == 1 ? 0 : 1;
      if (which == column::time) return fields == 1 ? none : 0;
      return which == column::size && fields >= 3 ? 2 : none;
    }
    const std::string what(detail::name_of(which));
    if (!is_number(wanted)) {
      const std::size_t at = header_ ? named(wanted) : none;
      if (at == none) where.fail("the header names no column " + detail::in_quotes(wanted) + " for the " + what);
      by_name_ = true;
      return at;
    }
    const std::uint64_t most = header_ ? most_fields : fields_.size();  // below a header there may be more
    const std::uint64_t number = where.number(wanted, "the column of the " + what, most);
    return static_cast<std::size_t>(number) - 1;  // of 0: none
  }

  [[nodiscard]] std::size_t named(std::string_view name) const
  {
    for (std::size_t k = 0; k < fields_.size(); ++k) {
      if (detail::is_same_name(detail::trimmed(fields_[k]), name)) return k;
    }
    return none;
  }

  /// libCacheSim's unit, seconds, where a name ends in none.
  [[nodiscard]] static double ms_in_name(std::string_view name)
  {
    for (const std::string_view unit : {"ms", "us", "ns"}) {
      if (name.size() <= unit.size() || name[name.size() - unit.size() - 1] != '_') continue;
      if (detail::is_same_name(name.substr(name.size() - unit.size()), unit)) return ms_of_unit(unit);
    }
    return 1000;
  }

  static constexpr std::uint64_t most_fields = 100'000;

  csv_options options_;
  double ms_per_time_ = 1000;
  char separator_ = '\0';  // until the first line
  bool header_ = false;
  bool by_name_ = false;     // a column was found by its name
  std::size_t named_ = 0;    // fields of the first line
  std::size_t columns_ = 0;  // of the rows; 0: not known yet
  std::array<std::size_t, detail::csv_columns> at_{none, none, none, none, none};
  std::vector<std::string_view> fields_;
  trace_access access_;
  std::uint64_t left_ = 0;  // requests of the row
  std::uint64_t writes_ = 0;
  std::uint64_t repeated_ = 0;
};

using csv_source = line_source<csv_format>;

static_assert(access_source<csv_source>);

}  // namespace kvstrata
