// Accesses out of a text file, line by line. A format says what a line means.
//
// A line format F:
//
// expression                          meaning
// ----------------------------------- ---------------------------------------------------------------------------
// f.take(line, where)                 looks at the next line, a std::string_view that lives until the next is taken;
//                                     tells what is wrong with it by where.fail(reason) and where.number(...)
// f.next(access) -> bool              writes the next access of that line; false when there is no further one
//
// fallback when absent                meaning
// ----------------------------------- ---------------------------------------------------------------------------
// f.note(notes)                       nothing: adds what it made of the lines to a trace_notes
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/input_file.hpp>
#include <kvstrata/simulate/printable_text.hpp>
#include <kvstrata/simulate/text_lines.hpp>
#include <kvstrata/simulate/trace_access.hpp>
#include <kvstrata/simulate/trace_notes.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class F>
concept line_format = std::move_constructible<F> &&
                      requires(F& format, std::string_view line, const text_lines& where, trace_access& access) {
                        format.take(line, where);
                        { format.next(access) } -> std::same_as<bool>;
                      };

/// Streams a file of lines in constant memory. Everything wrong with the file, one without any access included, is a
/// data_error with file, line and reason; it is thrown when the chunk with the broken line is read. A last line that has no
/// end and makes no sense, behind accesses, was cut off: it is left out and noted.
template <line_format Format>
class line_source
{
 public:
  /// Opens the file; data_error when it cannot be read.
  explicit line_source(const std::filesystem::path& path, Format format = Format())
      : line_source(input_file(path), path.filename().string(), std::move(format))
  {
  }
  /// From where the file is.
  explicit line_source(input_file file, std::string name, Format format = Format())
      : lines_(std::move(file)), format_(std::move(format)), name_(std::move(name))
  {
  }

  std::size_t read(std::span<trace_access> out)
  {
    std::size_t count = 0;
    while (count < out.size() && !ended_) {
      out[count] = {};
      if (format_.next(out[count])) {
        ++count;
        continue;
      }
      take_line(accesses_ + count != 0);
    }
    accesses_ += count;
    return count;
  }

  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] double progress() const noexcept { return lines_.progress(); }
  [[nodiscard]] std::vector<std::filesystem::path> files() const { return {lines_.path()}; }
  [[nodiscard]] trace_notes notes() const
  {
    trace_notes out;
    if constexpr (requires { format_.note(out); }) format_.note(out);
    out.cut = cut_;
    return out;
  }

 private:
  void take_line(bool has_accesses)
  {
    std::string_view line;
    if (!lines_.next(line)) {
      if (!has_accesses) lines_.fail_whole("the file holds no access");
      ended_ = true;
      if (lines_.is_cut()) cut_ = "the compressed file ends in its middle";
      return;
    }
    if (!lines_.is_open()) return format_.take(line, lines_);
    try {
      if (lines_.is_cut() && has_accesses) lines_.fail("the compressed file ends in its middle");
      format_.take(line, lines_);
    } catch (const data_error& problem) {
      if (!has_accesses) throw;
      ended_ = true;
      cut_ = printable(problem.what());
    }
  }

  text_lines lines_;
  Format format_;
  std::string name_;
  std::string cut_;
  std::uint64_t accesses_ = 0;
  bool ended_ = false;
};

}  // namespace kvstrata
