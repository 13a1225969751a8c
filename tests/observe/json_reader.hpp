// A strict reader of JSON (RFC 8259) for tests. Throws std::runtime_error with the place.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// Any JSON value; of the members, those of its kind mean something.
struct json_value
{
  enum class type { null, boolean, number, string, array, object };
  type is = type::null;
  double number = 0;
  std::string text;  ///< of a string, as UTF-8; of a number, as written
  std::vector<json_value> items;
  std::map<std::string, json_value> members;

  [[nodiscard]] bool has(const std::string& name) const { return members.contains(name); }
  [[nodiscard]] const json_value& operator[](const std::string& name) const { return members.at(name); }
};

class json_reader
{
 public:
  [[nodiscard]] static json_value read(std::string_view text)
  {
    json_reader r(text);
    json_value v = r.value();
    r.skip_space();
    if (r.at_ != text.size()) r.fail("something follows");
    return v;
  }

 private:
  explicit json_reader(std::string_view text) : text_(text) {}

  [[noreturn]] void fail(const char* why) const
  {
    throw std::runtime_error(std::string(why) + " at byte " + std::to_string(at_) + " of the JSON");
  }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  char next()
  {
    if (at_ >= text_.size()) fail("the end");
    return text_[at_++];
  }
  void expect(std::string_view word)
  {
    for (const char c : word) {
      if (next() != c) fail("an unknown word or sign");
    }
  }
  void skip_space()
  {
    while (peek() == ' ' || peek() == '\n' || peek() == '\t' || peek() == '\r') ++at_;
  }

  json_value value()
  {
    skip_space();
    json_value v;
    switch (peek()) {
      case '{':
        v.is = json_value::type::object;
        list('}', [&] {
          skip_space();
          std::string name = string();
          skip_space();
          expect(":");
          if (!v.members.emplace(std::move(name), value()).second) fail("a name comes twice");
        });
        break;
      case '[':
        v.is = json_value::type::array;
        list(']', [&] { v.items.push_back(value()); });
        break;
      case '"':
        v.is = json_value::type::string;
        v.text = string();
        break;
      case 't':
        v.is = json_value::type::boolean;
        v.number = 1;
        expect("true");
        break;
      case 'f':
        v.is = json_value::type::boolean;
        expect("false");
        break;
      case 'n': expect("null"); break;
      default: number(v);
    }
    return v;
  }

  template <class Item>
  void list(char end, Item&& item)
  {
    ++at_;
    skip_space();
    if (peek() == end) {
      ++at_;
      return;
    }
    for (;;) {
      item();
      skip_space();
      const char c = next();
      if (c == end) return;
      if (c != ',') fail("neither a comma nor the end of a list");
    }
  }

  [[nodiscard]] static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  void digits()
  {
    if (!is_digit(peek())) fail("a digit is missing");
    while (is_digit(peek())) ++at_;
  }
  void number(json_value& v)
  {
    const std::size_t begin = at_;
    if (peek() == '-') ++at_;
    if (peek() == '0') ++at_;
    else digits();
    if (peek() == '.') {
      ++at_;
      digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '-' || peek() == '+') ++at_;
      digits();
    }
    v.is = json_value::type::number;
    v.text = text_.substr(begin, at_ - begin);
    v.number = std::strtod(v.text.c_str(), nullptr);
  }

  unsigned hex4()
  {
    unsigned code = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = next();
      code *= 16;
      if (is_digit(c)) code += static_cast<unsigned>(c - '0');
      else if (c >= 'a' && c <= 'f') code += static_cast<unsigned>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F') code += static_cast<unsigned>(c - 'A' + 10);
      else fail("no hexadecimal digit");
    }
    return code;
  }

  std::string string()
  {
    expect("\"");
    std::string out;
    for (;;) {
      const auto c = static_cast<unsigned char>(next());
      if (c == '"') return out;
      if (c < 0x20) fail("a bare control character");
      if (c >= 0x80) {
        --at_;
        copy_character(out);
        continue;
      }
      if (c != '\\') {
        out += static_cast<char>(c);
        continue;
      }
      switch (next()) {
        case '"': out += '"'; break;
        case '\\': out += '\\'; break;
        case '/': out += '/'; break;
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case 'n': out += '\n'; break;
        case 'r': out += '\r'; break;
        case 't': out += '\t'; break;
        case 'u': append(out, hex4()); break;
        default: fail("an unknown escape");
      }
    }
  }

  /// Copies one character of several bytes: decodes it, and demands that it encodes to the same bytes.
  void copy_character(std::string& out)
  {
    const auto first = static_cast<unsigned char>(next());
    const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
    if (more == 0 || first > 0xF7) fail("a byte that begins no character");
    unsigned code = first & (0x3FU >> more);
    std::string bytes(1, static_cast<char>(first));
    for (int i = 0; i < more; ++i) {
      const char c = next();
      if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) fail("a character that breaks off");
      code = (code << 6) | (static_cast<unsigned char>(c) & 0x3FU);
      bytes += c;
    }
    std::string again;
    append(again, code);
    if (again != bytes) fail("an overlong character");
    out += bytes;
  }

  void append(std::string& out, unsigned code) const
  {
    const auto byte = [&out](unsigned b) { out += static_cast<char>(b); };
    if (code >= 0xD800 && code <= 0xDFFF) fail("half of a surrogate pair");
    if (code > 0x10FFFF) fail("a character beyond Unicode");
    if (code < 0x80) {
      byte(code);
    } else if (code < 0x800) {
      byte(0xC0 | (code >> 6));
      byte(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      byte(0xE0 | (code >> 12));
      byte(0x80 | ((code >> 6) & 0x3F));
      byte(0x80 | (code & 0x3F));
    } else {
      byte(0xF0 | (code >> 18));
      byte(0x80 | ((code >> 12) & 0x3F));
      byte(0x80 | ((code >> 6) & 0x3F));
      byte(0x80 | (code & 0x3F));
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace kvstrata_test
