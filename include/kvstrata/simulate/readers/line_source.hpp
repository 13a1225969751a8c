// Accesses out of a text file, line by line. A format says what a line means.
//
// A line format F:
//
// expression                          meaning
// ----------------------------------- ---------------------------------------------------------------------------
// f.take(line, where)                 looks at the next line, a std::string_view that lives until the next is taken;
//                                     tells what is wrong with it by where.fail(reason) and where.number(...)
// f.next(access) -> bool              writes the next access of that line; false when there is no further one
#pragma once

#include <kvstrata/simulate/text_lines.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata {

template <class F>
concept line_format = std::move_constructible<F> &&
                      requires(F& format, std::string_view line, const text_lines& where, trace_access& access) {
                        format.take(line, where);
                        { format.next(access) } -> std::same_as<bool>;
                      };

/// Streams a file of lines in constant memory. Everything wrong with the file, one without any access included, is a
/// data_error with file, line and reason; it is thrown when the chunk with the broken line is read.
template <line_format Format>
class line_source
{
 public:
  /// Opens the file; data_error when it cannot be read.
  explicit line_source(const std::filesystem::path& path, Format format = Format())
      : lines_(path), format_(std::move(format)), name_(path.filename().string())
  {
  }

  std::size_t read(std::span<trace_access> out)
  {
    std::size_t count = 0;
    while (count < out.size()) {
      out[count] = {};
      if (format_.next(out[count])) {
        ++count;
        continue;
      }
      std::string_view line;
      if (!lines_.next(line)) {
        if (accesses_ + count == 0) lines_.fail_whole("the file holds no access");
        break;
      }
      format_.take(line, lines_);
    }
    accesses_ += count;
    return count;
  }

  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] double progress() const noexcept { return lines_.progress(); }
  [[nodiscard]] std::vector<std::filesystem::path> files() const { return {lines_.path()}; }

 private:
  text_lines lines_;
  Format format_;
  std::string name_;
  std::uint64_t accesses_ = 0;
};

}  // namespace kvstrata
