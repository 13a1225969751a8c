// Accesses out of a binary file of records of equal size. A format says what a record means.
//
// A record format F:
//
// expression                          meaning
// ----------------------------------- ---------------------------------------------------------------------------
// F::record_bytes                     size of a record
// f.decode(bytes, where)              the access that lies at `bytes`, a const char*; tells what is wrong with it by
//                                     where.fail(reason); where.position is its place in the trace, 0-based
//
// fallback when absent                meaning
// ----------------------------------- ---------------------------------------------------------------------------
// f.note(notes)                       nothing: adds what it made of the records to a trace_notes
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/input_file.hpp>
#include <kvstrata/simulate/printable_text.hpp>
#include <kvstrata/simulate/trace_access.hpp>
#include <kvstrata/simulate/trace_notes.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

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
concept record_format =
    std::move_constructible<F> && requires(F& format, const char* bytes, const record_place& where) {
      { F::record_bytes } -> std::convertible_to<std::size_t>;
      { format.decode(bytes, where) } -> std::same_as<trace_access>;
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
/// (1-based), its byte offset and reason; it is thrown when the chunk with the broken record is read. A last record that is
/// cut off, behind whole ones, is left out and noted.
template <record_format Format>
class record_source
{
 public:
  /// Opens the file; data_error when it cannot be read.
  explicit record_source(const std::filesystem::path& path, Format format = Format())
      : record_source(input_file(path), path.filename().string(), std::move(format))
  {
  }
  /// From where the file is.
  explicit record_source(input_file file, std::string name, Format format = Format())
      : file_(std::move(file)), format_(std::move(format)), name_(std::move(name))
  {
  }

  std::size_t read(std::span<trace_access> out)
  {
    std::size_t count = 0;
    while (count < out.size()) {
      const std::string_view unread = file_.unread();
      if (unread.size() < Format::record_bytes) {
        if (file_.more()) continue;
        if (position_ == 0 && unread.empty()) file_.fail("the file is empty");
        if (!file_.unread().empty()) note_cut();
        else if (file_.is_cut()) cut_ = "the compressed file ends in its middle";
        break;
      }
      out[count] = format_.decode(unread.data(), here());
      file_.consume(Format::record_bytes);
      ++count;
      ++position_;
    }
    return count;
  }

  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] double progress() const noexcept { return file_.progress(); }
  [[nodiscard]] std::vector<std::filesystem::path> files() const { return {file_.path()}; }
  [[nodiscard]] trace_notes notes() const
  {
    trace_notes out;
    if constexpr (requires { format_.note(out); }) format_.note(out);
    out.cut = cut_;
    return out;
  }

 private:
  [[nodiscard]] record_place here() const noexcept { return {file_, position_, file_.offset()}; }

  void note_cut()
  {
    if (file_.is_cut() && position_ != 0) {
      cut_ = "the compressed file ends in its middle, within record " + std::to_string(position_ + 1);
      return;
    }
    try {
      here().fail("the file ends after " + std::to_string(file_.unread().size()) + " of its " +
                  std::to_string(Format::record_bytes) + " bytes");
    } catch (const data_error& problem) {
      if (position_ == 0) throw;
      cut_ = printable(problem.what());
    }
  }

  input_file file_;
  Format format_;
  std::string name_;
  std::string cut_;
  std::uint64_t position_ = 0;
};

}  // namespace kvstrata
