// The lines of a text file, and numbers in them.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/input_file.hpp>
#include <kvstrata/simulate/printable_text.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// What a message quotes of a text: the beginning of a long one, and no byte of it that a terminal would obey.
[[nodiscard]] inline std::string in_quotes(std::string_view text) { return '"' + printable(text, 40) + '"'; }

/// The text between separators; one more field than separators. Blanks that separate may be several.
inline void split_fields(std::string_view line, char separator, std::vector<std::string_view>& fields)
{
  fields.clear();
  if (separator != ' ' && line.find('"') == std::string_view::npos) {  // nearly all lines
    std::size_t begin = 0;
    for (std::size_t k = 0; k < line.size(); ++k) {
      if (line[k] != separator) continue;
      fields.push_back(line.substr(begin, k - begin));
      begin = k + 1;
    }
    fields.push_back(line.substr(begin));
    return;
  }
  for (std::size_t from = 0;;) {
    if (separator == ' ') from = (std::min)(line.find_first_not_of(' ', from), line.size());
    std::size_t end = line.find(separator, from);
    std::size_t last = end;
    // In quotes a separator is none. What begins with a quote and does not end with one is taken as it is written.
    if (const std::size_t open = line.find_first_not_of(" \t", from); open < end && line[open] == '"') {
      std::size_t close = line.find('"', open + 1);
      while (close != std::string_view::npos && close + 1 < line.size() && line[close + 1] == '"') {
        close = line.find('"', close + 2);
      }
      const std::size_t next = close == std::string_view::npos ? close : line.find_first_not_of(" \t", close + 1);
      const bool ends_line = close != std::string_view::npos && next == std::string_view::npos;
      if (ends_line || (next != std::string_view::npos && line[next] == separator) ||
          (close != std::string_view::npos && close + 1 < line.size() && line[close + 1] == separator)) {
        from = open + 1;
        last = close;
        end = ends_line ? std::string_view::npos : line.find(separator, close + 1);
      }
    }
    fields.push_back(line.substr(from, (std::min)(last, line.size()) - from));
    if (end == std::string_view::npos) return;
    from = end + 1;
    if (separator == ' ' && line.find_first_not_of(' ', from) == std::string_view::npos) return;
  }
}

/// Whether two names are the same but for capitals.
[[nodiscard]] constexpr bool is_same_name(std::string_view a, std::string_view b) noexcept
{
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
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
  /// From where the file is.
  explicit text_lines(input_file file) : file_(std::move(file)) {}

  [[nodiscard]] const std::string& path() const noexcept { return file_.path(); }
  [[nodiscard]] double progress() const noexcept { return file_.progress(); }

  /// Of the line that was read last, 1-based; 0 before the first.
  [[nodiscard]] std::uint64_t number_of_line() const noexcept { return line_; }

  /// Whether the line that was read last has no end: the file's last, which may be cut.
  [[nodiscard]] bool is_open() const noexcept { return open_; }

  /// Whether a compressed file ended in the middle.
  [[nodiscard]] bool is_cut() const noexcept { return file_.is_cut(); }

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
      if (searched == input_file::most_buffer_bytes) {
        fail("the line is longer than " + std::to_string(input_file::most_buffer_bytes) + " bytes");
      }
      if (!file_.more()) break;
    }
    length = end = file_.unread().size();
    open_ = end != 0;
    return open_;
  }

  input_file file_;
  std::uint64_t line_ = 0;
  bool open_ = false;
};

}  // namespace kvstrata
