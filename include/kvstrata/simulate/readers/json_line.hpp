// Reads one line of JSON from front to back, just enough for traces: no tree, no allocation.
#pragma once

#include <kvstrata/core/decimal.hpp>
#include <kvstrata/simulate/text_lines.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A cursor in a line. Every member skips blanks first; what is not there is a data_error for the line.
class json_line
{
 public:
  json_line(std::string_view line, const text_lines& where) noexcept : line_(line), where_(where) {}

  /// Goes past `mark` if it comes next.
  bool take(char mark) noexcept
  {
    skip_blanks();
    if (at_ == line_.size() || line_[at_] != mark) return false;
    ++at_;
    return true;
  }

  /// Whether `mark` comes next.
  [[nodiscard]] bool comes(char mark) noexcept
  {
    skip_blanks();
    return at_ != line_.size() && line_[at_] == mark;
  }

  /// Goes past a word, such as null, if it comes next.
  bool take_word(std::string_view expected) noexcept
  {
    skip_blanks();
    return word(expected);
  }

  void expect(char mark)
  {
    if (!take(mark)) fail(std::string("expected '") + mark + '\'');
  }

  void expect_end()
  {
    skip_blanks();
    if (at_ != line_.size()) fail("expected the end of the line");
  }

  /// A string as it is written, its escapes included.
  [[nodiscard]] std::string_view text()
  {
    expect('"');
    const std::size_t begin = at_;
    while (at_ < line_.size() && line_[at_] != '"') at_ += line_[at_] == '\\' ? 2U : 1U;
    if (at_ >= line_.size()) fail("a string does not end");
    return line_.substr(begin, at_++ - begin);
  }

  /// A number as it is written.
  [[nodiscard]] std::string_view number()
  {
    skip_blanks();
    const std::string_view rest = line_.substr(at_);
    std::size_t digits = 0;
    while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') ++digits;
    if (digits != 0 &&
        (digits == rest.size() || std::string_view("+-.eE").find(rest[digits]) == std::string_view::npos)) {
      at_ += digits;  // a whole number: no need to look closer
      return rest.substr(0, digits);
    }
    double ignored = 0;
    const auto [end, problem] = read_decimal(rest.data(), rest.data() + rest.size(), ignored);
    const std::size_t sign = rest.substr(0, 1) == "-" ? 1 : 0;
    const bool begins = rest.size() > sign && rest[sign] >= '0' && rest[sign] <= '9';  // not inf or nan
    if (!begins || problem == std::errc::invalid_argument) fail("expected a number");
    const auto length = static_cast<std::size_t>(end - rest.data());
    at_ += length;
    return rest.substr(0, length);
  }

  /// Goes past a value of any kind.
  void skip(unsigned depth = 0)
  {
    if (depth > deepest) fail("more than " + std::to_string(deepest) + " values in one another");
    skip_blanks();
    const char first = at_ < line_.size() ? line_[at_] : '\0';
    if (first == '"') {
      static_cast<void>(text());
    } else if (first == '[') {
      each([this, depth] { skip(depth + 1); });
    } else if (first == '{') {
      members([this, depth](std::string_view) { skip(depth + 1); });
    } else if (!word("true") && !word("false") && !word("null")) {
      static_cast<void>(number());
    }
  }

  /// Goes through an array: calls value() where each value begins; it must go past it.
  template <class Value>
  void each(Value&& value)
  {
    expect('[');
    if (take(']')) return;
    do value();
    while (take(','));
    expect(']');
  }

  /// Goes through an object: calls member(name) where each value begins; it must go past it.
  template <class Member>
  void members(Member&& member)
  {
    expect('{');
    if (take('}')) return;
    do {
      const std::string_view name = text();
      expect(':');
      member(name);
    } while (take(','));
    expect('}');
  }

 private:
  static constexpr unsigned deepest = 32;

  [[noreturn]] void fail(const std::string& reason) const
  {
    where_.fail(reason + " at character " + std::to_string((std::min)(at_, line_.size()) + 1));
  }

  void skip_blanks() noexcept
  {
    while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t')) ++at_;
  }

  bool word(std::string_view expected) noexcept
  {
    if (line_.substr(at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }

  std::string_view line_;
  const text_lines& where_;
  std::size_t at_ = 0;
};

}  // namespace kvstrata
