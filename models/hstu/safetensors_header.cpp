// The header of a safetensors file: its JSON, and whether what it says can be.
#include "hstu/safetensors.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <unordered_set>

namespace hstu {
namespace {

constexpr std::uint64_t most = (std::numeric_limits<std::uint64_t>::max)();

struct dtype
{
  std::string_view name;
  std::uint64_t bytes;
};
constexpr std::array<dtype, 15> dtypes{{{"BOOL", 1},
                                        {"U8", 1},
                                        {"I8", 1},
                                        {"F8_E5M2", 1},
                                        {"F8_E4M3", 1},
                                        {"U16", 2},
                                        {"I16", 2},
                                        {"F16", 2},
                                        {"BF16", 2},
                                        {"U32", 4},
                                        {"I32", 4},
                                        {"F32", 4},
                                        {"U64", 8},
                                        {"I64", 8},
                                        {"F64", 8}}};

// Names go into sentences: short, and without what a terminal would obey.
std::string printable(std::string_view text)
{
  std::string out;
  for (const char c : text.substr(0, 120)) out += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '?' : c;
  return out;
}

// a * b, or nothing where that is more than 64 bits hold.
std::optional<std::uint64_t> product(std::uint64_t a, std::uint64_t b)
{
  if (b != 0 && a > most / b) return std::nullopt;
  return a * b;
}

std::optional<std::uint64_t> elements_of(const tensor_entry& t)
{
  std::optional<std::uint64_t> count = 1;
  for (const std::uint64_t size : t.shape) {
    count = product(*count, size);
    if (!count) return count;
  }
  return count;
}

/// Reads the header's JSON from front to back; it looks ahead one character and nests three deep.
class header_reader
{
 public:
  header_reader(std::string_view text, std::string_view file, const safetensors_limits& limits)
      : text_(text), file_(file), limits_(limits)
  {
  }

  safetensors_header read()
  {
    safetensors_header out;
    std::unordered_set<std::string> names;
    object([&](std::string name) {
      if (!names.insert(name).second) refuse(name, "is told twice");
      if (name == "__metadata__") {
        object([&](std::string key) {
          std::string value = string();
          out.metadata.emplace_back(std::move(key), std::move(value));
        });
        return;
      }
      if (out.tensors.size() == limits_.tensors) {
        fail("it has more than " + std::to_string(limits_.tensors) + " tensors");
      }
      out.tensors.push_back(tensor(std::move(name)));
    });
    skip_space();
    if (at_ != text_.size()) fail("its header goes on behind its end");
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const { throw kvstrata::data_error(file_, 0, why); }
  [[noreturn]] void refuse(const std::string& tensor, const std::string& why) const
  {
    fail("tensor '" + printable(tensor) + "' " + why);
  }
  [[noreturn]] void unreadable(std::string_view wanted) const
  {
    fail("its header cannot be read: " + std::string(wanted) + " is expected at byte " + std::to_string(at_));
  }

  void skip_space()
  {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool next(char c)
  {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c)
  {
    if (!next(c)) unreadable(std::string("'") + c + "'");
  }

  // member(key) reads the value.
  template <class Member>
  void object(Member&& member)
  {
    expect('{');
    if (next('}')) return;
    do {
      std::string key = string();
      expect(':');
      member(std::move(key));
    } while (next(','));
    expect('}');
  }

  std::vector<std::uint64_t> numbers(std::size_t at_most, const std::string& tensor)
  {
    std::vector<std::uint64_t> out;
    expect('[');
    if (next(']')) return out;
    do {
      if (out.size() == at_most) refuse(tensor, "has more than " + std::to_string(at_most) + " numbers in a list");
      out.push_back(number(tensor));
    } while (next(','));
    expect(']');
    return out;
  }

  std::uint64_t number(const std::string& tensor)
  {
    skip_space();
    const std::size_t begin = at_;
    std::uint64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
      if (value > (most - digit) / 10) refuse(tensor, "has a number that 64 bits do not hold");
      value = value * 10 + digit;
    }
    if (at_ == begin) unreadable("a whole number that is not negative");
    return value;
  }

  std::string string()
  {
    expect('"');
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      const char c = text_[at_++];
      if (static_cast<unsigned char>(c) < ' ') unreadable("a character of a string");
      if (c == '\\') escape(out);
      else out += c;
    }
    if (at_ == text_.size()) unreadable("the end of a string");
    ++at_;
    return out;
  }

  void escape(std::string& out)
  {
    if (at_ == text_.size()) unreadable("an escaped character");
    constexpr std::string_view names = "\"\\/bfnrt";
    constexpr std::string_view values = "\"\\/\b\f\n\r\t";
    const char c = text_[at_++];
    if (const std::size_t i = names.find(c); i != std::string_view::npos) {
      out += values[i];
      return;
    }
    if (c != 'u') unreadable("an escape of JSON");
    unsigned code = 0;
    for (int i = 0; i < 4; ++i) {
      const std::size_t digit =
          at_ == text_.size() ? std::string_view::npos : std::string_view("0123456789abcdefABCDEF").find(text_[at_]);
      if (digit == std::string_view::npos) unreadable("a hexadecimal digit");
      code = code * 16 + static_cast<unsigned>(digit < 16 ? digit : digit - 6);
      ++at_;
    }
    // Half of a pair stays what it is, three bytes of its own: names are compared, not shown.
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xc0 | code >> 6);
      out += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      out += static_cast<char>(0xe0 | code >> 12);
      out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
      out += static_cast<char>(0x80 | (code & 0x3f));
    }
  }

  tensor_entry tensor(std::string name)
  {
    tensor_entry out;
    out.name = std::move(name);
    bool has_type = false, has_shape = false, has_offsets = false;
    const auto once = [&](bool& had, const char* what) {
      if (had) refuse(out.name, std::string("has two ") + what);
      had = true;
    };
    object([&](const std::string& key) {
      if (key == "dtype") {
        once(has_type, "dtypes");
        out.dtype = string();
      } else if (key == "shape") {
        once(has_shape, "shapes");
        out.shape = numbers(limits_.dimensions, out.name);
      } else if (key == "data_offsets") {
        once(has_offsets, "data_offsets");
        const std::vector<std::uint64_t> both = numbers(2, out.name);
        if (both.size() != 2) refuse(out.name, "has data_offsets that are not two numbers");
        out.begin = both[0];
        out.end = both[1];
      } else {
        refuse(out.name, "has a member '" + printable(key) + "' that the format does not know");
      }
    });
    if (!has_type || !has_shape || !has_offsets) refuse(out.name, "lacks its dtype, shape or data_offsets");
    return out;
  }

  std::string_view text_;
  std::string_view file_;
  const safetensors_limits& limits_;
  std::size_t at_ = 0;
};

// Does the tensor's place hold what its shape needs, inside the file?
std::string fault_of(const tensor_entry& t, std::uint64_t data_bytes)
{
  const auto type = std::find_if(dtypes.begin(), dtypes.end(), [&t](const dtype& d) { return d.name == t.dtype; });
  if (type == dtypes.end()) return "has the unknown dtype '" + printable(t.dtype) + "'";
  if (t.begin > t.end || t.end > data_bytes) {
    return "lies at [" + std::to_string(t.begin) + ", " + std::to_string(t.end) + "), but the file has " +
           std::to_string(data_bytes) + " bytes of tensors";
  }
  const std::optional<std::uint64_t> elements = elements_of(t);
  const std::optional<std::uint64_t> bytes = elements ? product(*elements, type->bytes) : std::nullopt;
  if (!bytes) return "has a shape of more bytes than 64 bits count";
  if (*bytes != t.bytes()) {
    return "has " + std::to_string(t.bytes()) + " bytes, but its shape and dtype need " + std::to_string(*bytes);
  }
  return {};
}

}  // namespace

std::uint64_t tensor_entry::elements() const noexcept
{
  std::uint64_t count = 1;
  for (const std::uint64_t size : shape) count *= size;
  return count;
}

safetensors_header parse_safetensors(std::string_view text, std::uint64_t data_bytes, std::string_view file,
                                     const safetensors_limits& limits)
{
  safetensors_header out = header_reader(text, file, limits).read();
  const auto refuse = [file](const tensor_entry& t, const std::string& why) {
    throw kvstrata::data_error(file, 0, "tensor '" + printable(t.name) + "' " + why);
  };
  for (const tensor_entry& t : out.tensors) {
    if (const std::string fault = fault_of(t, data_bytes); !fault.empty()) refuse(t, fault);
  }
  std::stable_sort(out.tensors.begin(), out.tensors.end(), [](const tensor_entry& a, const tensor_entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::uint64_t end = 0;
  for (const tensor_entry& t : out.tensors) {
    if (t.begin != end) {
      refuse(t, "begins at byte " + std::to_string(t.begin) + ", but the tensors before it end at byte " +
                    std::to_string(end));
    }
    end = t.end;
  }
  if (end != data_bytes) {
    throw kvstrata::data_error(file, 0,
                               "its tensors end at byte " + std::to_string(end) + ", but the file has " +
                                   std::to_string(data_bytes) + " bytes of them");
  }
  return out;
}

}  // namespace hstu
