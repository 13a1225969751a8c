// Reads a CSV or TSV file with a header line, row by row, in constant memory.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/input_file.hpp>
#include <kvstrata/simulate/readers/key_text.hpp>
#include <kvstrata/simulate/text_lines.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The columns are found by name, whatever its capitals, so their order and further columns do not matter. The separator is
/// a tab when the header holds one, else a comma. Fields may stand in quotes and between blanks. Lines may end in CRLF, blank
/// lines are skipped, the last needs no end; a last one without it and with too few fields was cut off and is left out. The
/// header may name columns that the rows do not have, as long as nobody asks for them, and rows may end in separators.
/// Everything else wrong with the file is a data_error with file, line and reason. Movable; for one thread.
class table_reader
{
 public:
  /// Index of a column in the file.
  enum class column : std::size_t {};

  /// Opens the file and reads its header.
  explicit table_reader(const std::filesystem::path& path) : table_reader(input_file(path)) {}
  /// From where the file is.
  explicit table_reader(input_file file) : lines_(std::move(file))
  {
    std::string_view header;
    if (!lines_.next(header)) lines_.fail_whole("the file is empty");
    header_line_ = lines_.number_of_line();
    separator_ = header.find('\t') != std::string_view::npos ? '\t' : ',';
    detail::split_fields(header, separator_, fields_);
    for (const std::string_view name : fields_) names_.emplace_back(detail::trimmed(name));
  }

  [[nodiscard]] const std::string& path() const noexcept { return lines_.path(); }

  [[nodiscard]] bool has(std::string_view name) const noexcept
  {
    for (const std::string& known : names_) {
      if (detail::is_same_name(known, name)) return true;
    }
    return false;
  }

  /// Where a column is; data_error when the header does not name it, or names it twice.
  [[nodiscard]] column find(std::string_view name)
  {
    std::size_t at = names_.size();
    for (std::size_t k = 0; k < names_.size(); ++k) {
      if (!detail::is_same_name(names_[k], name)) continue;
      if (at != names_.size())
        throw data_error(path(), header_line_, "the header names " + detail::in_quotes(name) + " twice");
      at = k;
    }
    if (at == names_.size())
      throw data_error(path(), header_line_, "the header names no column " + detail::in_quotes(name));
    needed_ = (std::max)(needed_, at + 1);
    return column{at};
  }

  /// Goes to the next row; false at the end of the file.
  bool next()
  {
    std::string_view line;
    if (!lines_.next(line)) {
      if (lines_.is_cut()) cut_ = "the compressed file ends in its middle";
      return false;
    }
    detail::split_fields(line, separator_, fields_);
    if (rows_++ == 0) columns_ = fields_.size();
    const bool cut = lines_.is_open() && rows_ > 1 && (fields_.size() < columns_ || lines_.is_cut());
    if (cut) {
      cut_ = "line " + std::to_string(lines_.number_of_line()) + ", the last, has " + std::to_string(fields_.size()) +
             " of " + std::to_string(columns_) + " fields and no end";
      return false;
    }
    bool more = false;  // than the header names: which is which?
    for (std::size_t k = names_.size(); k < fields_.size(); ++k) more |= !detail::trimmed(fields_[k]).empty();
    if (fields_.size() < needed_ || more) {
      fail("the row has " + std::to_string(fields_.size()) + " fields, but the header names " +
           std::to_string(names_.size()));
    }
    if (fields_.size() != columns_) {
      fail("the row has " + std::to_string(fields_.size()) + " fields, but the first one has " +
           std::to_string(columns_));
    }
    return true;
  }

  /// Why the last row was left out; empty: it is whole, or not read yet.
  [[nodiscard]] const std::string& cut() const noexcept { return cut_; }

  /// A column's name as the header writes it.
  [[nodiscard]] std::string_view name(column at) const { return names_[static_cast<std::size_t>(at)]; }

  /// A field of the current row; valid until next().
  [[nodiscard]] std::string_view text(column at) const
  {
    return detail::trimmed(fields_[static_cast<std::size_t>(at)]);
  }

  /// A field of the current row as a whole number of at most `most`.
  [[nodiscard]] std::uint64_t number(column at, std::uint64_t most) const { return number(text(at), at, most); }

  /// A part of a field as a whole number, for columns that hold lists.
  [[nodiscard]] std::uint64_t number(std::string_view digits, column at, std::uint64_t most) const
  {
    return lines_.number(digits, names_[static_cast<std::size_t>(at)], most);
  }

  /// A field of the current row as a time in milliseconds.
  [[nodiscard]] std::int64_t time_ms(column at, double ms_per_time) const
  {
    return detail::time_of(text(at), ms_per_time, names_[static_cast<std::size_t>(at)], lines_);
  }

  /// A field of the current row that says yes or no: 1, 1.0, True, true, or 0, 0.0, False, false.
  [[nodiscard]] bool flag(column at) const
  {
    const std::string_view written = text(at);
    if (written == "1" || written == "1.0" || detail::is_same_name(written, "true")) return true;
    if (written == "0" || written == "0.0" || detail::is_same_name(written, "false")) return false;
    return number(at, 1) != 0;
  }

  /// Throws data_error for the current line.
  [[noreturn]] void fail(std::string_view reason) const { lines_.fail(reason); }

 private:
  text_lines lines_;
  std::uint64_t header_line_ = 0;
  std::uint64_t rows_ = 0;
  std::size_t columns_ = 0;  // of the first row
  std::size_t needed_ = 0;   // so many fields a row must have
  std::string cut_;
  char separator_ = ',';
  std::vector<std::string> names_;        // of the columns
  std::vector<std::string_view> fields_;  // of the row
};

}  // namespace kvstrata
