// Reads a CSV or TSV file with a header line, row by row, in constant memory. No quoting: a quote is a character.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/text_lines.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata {

/// The columns are found by name, so their order and further columns do not matter. The separator is a tab when the
/// header holds one, else a comma. Lines may end in CRLF, blank lines are skipped, the last needs no end. Everything
/// wrong with the file is a data_error with file, line and reason. Movable; for one thread.
class table_reader
{
 public:
  /// Index of a column in the file.
  enum class column : std::size_t {};

  /// Opens the file and reads its header.
  explicit table_reader(const std::filesystem::path& path) : lines_(path)
  {
    std::string_view header;
    if (!lines_.next(header)) lines_.fail_whole("the file is empty");
    header_line_ = lines_.number_of_line();
    separator_ = header.find('\t') != std::string_view::npos ? '\t' : ',';
    detail::split_fields(header, separator_, fields_);
    names_.assign(fields_.begin(), fields_.end());
  }

  [[nodiscard]] const std::string& path() const noexcept { return lines_.path(); }

  [[nodiscard]] bool has(std::string_view name) const noexcept
  {
    for (const std::string& known : names_) {
      if (known == name) return true;
    }
    return false;
  }

  /// Where a column is; data_error when the header does not name it, or names it twice.
  [[nodiscard]] column find(std::string_view name) const
  {
    std::size_t at = names_.size();
    for (std::size_t k = 0; k < names_.size(); ++k) {
      if (names_[k] != name) continue;
      if (at != names_.size())
        throw data_error(path(), header_line_, "the header names " + detail::in_quotes(name) + " twice");
      at = k;
    }
    if (at == names_.size())
      throw data_error(path(), header_line_, "the header names no column " + detail::in_quotes(name));
    return column{at};
  }

  /// Goes to the next row; false at the end of the file.
  bool next()
  {
    std::string_view line;
    if (!lines_.next(line)) return false;
    detail::split_fields(line, separator_, fields_);
    if (fields_.size() != names_.size()) {
      fail("the row has " + std::to_string(fields_.size()) + " fields, but the header names " +
           std::to_string(names_.size()));
    }
    return true;
  }

  /// A field of the current row; valid until next().
  [[nodiscard]] std::string_view text(column at) const { return fields_[static_cast<std::size_t>(at)]; }

  /// A field of the current row as a whole number of at most `most`.
  [[nodiscard]] std::uint64_t number(column at, std::uint64_t most) const { return number(text(at), at, most); }

  /// A part of a field as a whole number, for columns that hold lists.
  [[nodiscard]] std::uint64_t number(std::string_view digits, column at, std::uint64_t most) const
  {
    return lines_.number(digits, names_[static_cast<std::size_t>(at)], most);
  }

  /// Throws data_error for the current line.
  [[noreturn]] void fail(std::string_view reason) const { lines_.fail(reason); }

 private:
  text_lines lines_;
  std::uint64_t header_line_ = 0;
  char separator_ = ',';
  std::vector<std::string> names_;        // of the columns
  std::vector<std::string_view> fields_;  // of the row
};

}  // namespace kvstrata
