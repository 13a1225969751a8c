// Accesses out of a binary file of records of equal size. A format says what a record means.
//
// A record format F:
//
// expression                          meaning
// ----------------------------------- ---------------------------------------------------------------------------
// F::record_bytes                     size of a record
// F::decode(bytes, where)             the access that lies at `bytes`, a const char*; tells what is wrong with it by
//                                     where.fail(reason); where.position is its place in the trace, 0-based
#pragma once

#include <kvstrata/simulate/input_file.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata {

/// Where a record lies.
struct record_place
{
  const input_file& file;
  std::uint64_t position = 0;
  std::uint64_t offset = 0;  ///< in bytes

  /// Throws data_error for the record.
  [[noreturn]] void fail(std::string_view reason) const
  {
    file.fail("record " + std::to_string(position + 1) + " at byte " + std::to_string(offset) + ": " +
              std::string(reason));
  }
};

template <class F>
concept record_format = requires(const char* bytes, const record_place& where) {
  { F::record_bytes } -> std::convertible_to<std::size_t>;
  { F::decode(bytes, where) } -> std::same_as<trace_access>;
};

namespace detail {

/// An unsigned number of sizeof(Number) bytes, the most significant first or last.
template <class Number>
[[nodiscard]] constexpr Number big_endian(const char* bytes) noexcept
{
  Number value = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    value = static_cast<Number>(value << 8U | static_cast<unsigned char>(bytes[i]));
  }
  return value;
}

template <class Number>
[[nodiscard]] Number little_endian(const char* bytes) noexcept
{
  Number value = 0;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&value, bytes, sizeof(Number));
  } else {
    for (std::size_t i = sizeof(Number); i-- > 0;) {
      value = static_cast<Number>(value << 8U | static_cast<unsigned char>(bytes[i]));
    }
  }
  return value;
}

}  // namespace detail

/// Streams a file of records in constant memory. Everything wrong with the file is a data_error with file, record
/// (1-based), its byte offset and reason; it is thrown when the chunk with the broken record is read.
template <record_format Format>
class record_source
{
 public:
  /// Opens the file; data_error when it cannot be read.
  explicit record_source(const std::filesystem::path& path) : file_(path), name_(path.filename().string()) {}

  std::size_t read(std::span<trace_access> out)
  {
    std::size_t count = 0;
    while (count < out.size()) {
      const std::string_view unread = file_.unread();
      if (unread.size() < Format::record_bytes) {
        if (file_.more()) continue;
        if (position_ == 0 && unread.empty()) file_.fail("the file is empty");
        if (unread.empty()) break;
        here().fail("the file ends after " + std::to_string(unread.size()) + " of its " +
                    std::to_string(Format::record_bytes) + " bytes");
      }
      out[count] = Format::decode(unread.data(), here());
      file_.consume(Format::record_bytes);
      ++count;
      ++position_;
    }
    return count;
  }

  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] double progress() const noexcept { return file_.progress(); }
  [[nodiscard]] std::vector<std::filesystem::path> files() const { return {file_.path()}; }

 private:
  [[nodiscard]] record_place here() const noexcept { return {file_, position_, file_.offset()}; }

  input_file file_;
  std::string name_;
  std::uint64_t position_ = 0;
};

}  // namespace kvstrata
