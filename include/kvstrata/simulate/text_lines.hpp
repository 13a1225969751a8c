// The lines of a text file, and numbers in them.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/input_file.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace kvstrata {

namespace detail {

/// What a message quotes of a text: the beginning of a long one.
[[nodiscard]] inline std::string in_quotes(std::string_view text)
{
  return '"' + std::string(text.substr(0, 40)) + (text.size() > 40 ? "...\"" : "\"");
}

/// The text between separators; one more field than separators.
inline void split_fields(std::string_view line, char separator, std::vector<std::string_view>& fields)
{
  fields.clear();
  std::size_t from = 0;
  for (std::size_t k = 0; k < line.size(); ++k) {
    if (line[k] != separator) continue;
    fields.push_back(line.substr(from, k - from));
    from = k + 1;
  }
  fields.push_back(line.substr(from));
}

/// The text without blanks and tabs at its ends.
[[nodiscard]] constexpr std::string_view trimmed(std::string_view text) noexcept
{
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Takes the next word, which ends at a blank or a tab, off the front of `text`; empty when there is none.
[[nodiscard]] constexpr std::string_view take_word(std::string_view& text) noexcept
{
  text.remove_prefix((std::min)(text.find_first_not_of(" \t"), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(" \t"));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace detail

/// Lines may end in CRLF, blank ones are skipped, the last needs no end, a byte order mark at the front is skipped.
/// Movable; for one thread.
class text_lines
{
 public:
  /// Opens the file; data_error when it cannot be read.
  explicit text_lines(const std::filesystem::path& path) : file_(path) {}

  [[nodiscard]] const std::string& path() const noexcept { return file_.path(); }
  [[nodiscard]] double progress() const noexcept { return file_.progress(); }

  /// Of the line that was read last, 1-based; 0 before the first.
  [[nodiscard]] std::uint64_t number_of_line() const noexcept { return line_; }

  /// The next line that is not blank, without its end, valid until the next call; false at the end of the file.
  bool next(std::string_view& line)
  {
    do {
      ++line_;
      std::size_t length = 0;
      std::size_t end = 0;
      if (!find_end(length, end)) return false;
      line = file_.unread().substr(0, length);
      file_.consume(end);
      if (line_ == 1 && line.substr(0, 3) == "\xef\xbb\xbf") line.remove_prefix(3);
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    } while (line.empty());
    return true;
  }

  /// `digits` as a whole number of at most `most`; data_error, which calls it `name`, when it is none.
  [[nodiscard]] std::uint64_t number(std::string_view digits, std::string_view name, std::uint64_t most) const
  {
    std::uint64_t value = 0;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (problem == std::errc::invalid_argument || end != digits.data() + digits.size()) {
      fail(std::string(name) + " is " + detail::in_quotes(digits) + ", which is not a whole number");
    }
    if (problem == std::errc::result_out_of_range || value > most) {
      fail(std::string(name) + " is " + std::string(digits.substr(0, 40)) + ", but it may be at most " +
           std::to_string(most));
    }
    return value;
  }

  /// Throws data_error for the line that was read last.
  [[noreturn]] void fail(std::string_view reason) const { throw data_error(file_.path(), line_, reason); }

  /// Throws data_error for the file as a whole.
  [[noreturn]] void fail_whole(std::string_view reason) const { file_.fail(reason); }

 private:
  /// How long the next line is, and with its end; false when there is none.
  bool find_end(std::size_t& length, std::size_t& end)
  {
    for (std::size_t searched = 0;;) {
      const std::string_view unread = file_.unread();
      const std::size_t newline = unread.find('\n', searched);
      if (newline != std::string_view::npos) {
        length = newline;
        end = newline + 1;
        return true;
      }
      searched = unread.size();
      if (searched == input_file::buffer_bytes) {
        fail("the line is longer than " + std::to_string(input_file::buffer_bytes) + " bytes");
      }
      if (!file_.more()) break;
    }
    length = end = file_.unread().size();
    return end != 0;
  }

  input_file file_;
  std::uint64_t line_ = 0;
};

}  // namespace kvstrata
