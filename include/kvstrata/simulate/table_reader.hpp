// Reads a CSV or TSV file with a header line, row by row, in constant memory. No quoting: a quote is a character.
#pragma once

#include <kvstrata/core/error.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
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
  explicit table_reader(const std::filesystem::path& path) : path_(path.string()), buffer_(longest_line)
  {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) fail("no such file");
    if (std::filesystem::is_directory(path, ignored)) fail("is a folder, not a file");
    file_.reset(std::fopen(path_.c_str(), "rb"));
    if (file_ == nullptr) fail("cannot be opened for reading");
    std::setvbuf(file_.get(), nullptr, _IONBF, 0);
    std::string_view header;
    if (!next_line(header)) {
      line_ = 0;
      fail("the file is empty");
    }
    if (header.substr(0, 3) == "\xef\xbb\xbf") header.remove_prefix(3);
    separator_ = header.find('\t') != std::string_view::npos ? '\t' : ',';
    split(header);
    names_.assign(fields_.begin(), fields_.end());
  }

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

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
      if (at != names_.size()) throw data_error(path_, header_line_, "the header names " + quoted(name) + " twice");
      at = k;
    }
    if (at == names_.size()) throw data_error(path_, header_line_, "the header names no column " + quoted(name));
    return column{at};
  }

  /// Goes to the next row; false at the end of the file.
  bool next()
  {
    std::string_view line;
    if (!next_line(line)) return false;
    split(line);
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
    std::uint64_t value = 0;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (problem == std::errc::invalid_argument || end != digits.data() + digits.size()) {
      fail(names_[static_cast<std::size_t>(at)] + " is " + quoted(digits) + ", which is not a whole number");
    }
    if (problem == std::errc::result_out_of_range || value > most) {
      fail(names_[static_cast<std::size_t>(at)] + " is " + std::string(digits.substr(0, 40)) +
           ", but it may be at most " + std::to_string(most));
    }
    return value;
  }

  /// Throws data_error for the current line.
  [[noreturn]] void fail(std::string_view reason) const { throw data_error(path_, line_, reason); }

 private:
  static constexpr std::size_t longest_line = std::size_t{1} << 20;

  struct closer
  {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };

  static std::string quoted(std::string_view text)
  {
    return '"' + std::string(text.substr(0, 40)) + (text.size() > 40 ? "...\"" : "\"");
  }

  void split(std::string_view line)
  {
    fields_.clear();
    std::size_t from = 0;
    for (std::size_t k = 0; k < line.size(); ++k) {
      if (line[k] != separator_) continue;
      fields_.push_back(line.substr(from, k - from));
      from = k + 1;
    }
    fields_.push_back(line.substr(from));
  }

  /// The next line that is not blank, without its end; valid until the next call.
  bool next_line(std::string_view& line)
  {
    do {
      ++line_;
      const char* newline = nullptr;
      for (std::size_t searched = 0; newline == nullptr; searched = filled_ - begin_, refill()) {
        newline = static_cast<const char*>(
            std::memchr(buffer_.data() + begin_ + searched, '\n', filled_ - begin_ - searched));
        if (newline != nullptr || ended_) break;
      }
      const std::size_t end = newline != nullptr ? static_cast<std::size_t>(newline - buffer_.data()) : filled_;
      if (newline == nullptr && begin_ == filled_) return false;
      line = std::string_view(buffer_.data() + begin_, end - begin_);
      begin_ = newline != nullptr ? end + 1 : end;
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    } while (line.empty());
    if (header_line_ == 0) header_line_ = line_;
    return true;
  }

  /// Moves the unfinished line to the front of the buffer and reads on behind it.
  void refill()
  {
    std::memmove(buffer_.data(), buffer_.data() + begin_, filled_ - begin_);
    filled_ -= begin_;
    begin_ = 0;
    if (filled_ == buffer_.size()) fail("the line is longer than " + std::to_string(longest_line) + " bytes");
    const std::size_t got = std::fread(buffer_.data() + filled_, 1, buffer_.size() - filled_, file_.get());
    if (got == 0 && std::ferror(file_.get()) != 0) fail("reading failed");
    ended_ = got == 0;
    filled_ += got;
  }

  std::string path_;
  std::unique_ptr<std::FILE, closer> file_;
  std::vector<char> buffer_;  // [begin_, filled_) is not consumed yet
  std::size_t begin_ = 0;
  std::size_t filled_ = 0;
  bool ended_ = false;
  std::uint64_t line_ = 0;  // 1-based, of the row that was read last
  std::uint64_t header_line_ = 0;
  char separator_ = ',';
  std::vector<std::string> names_;        // of the columns
  std::vector<std::string_view> fields_;  // of the row
};

}  // namespace kvstrata
