// Writes the Trace Event Format, which Perfetto (ui.perfetto.dev) and Chrome (chrome://tracing) open: one process whose
// threads are the rows of the picture.
// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
#pragma once

#include <kvstrata/observe/json_string.hpp>

#include <cmath>
#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata {

/// Shown with an event when it is selected.
struct trace_argument
{
  const char* name = "";
  std::uint64_t value = 0;
};

/// One file: rows, then events in any order, then finish(). Times are seconds, written as microseconds in steps of a
/// nanosecond: what touched still touches. Whether writing succeeded is the stream's to say; its locale does not
/// matter. Not synchronised.
class trace_event_writer
{
 public:
  trace_event_writer(std::ostream& out, std::string_view process) : out_(&out)
  {
    *out_ << "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[";
    metadata("process_name", "", process);
  }

  /// Names a row; `row` is 1 or more (Perfetto takes 0 for the idle task) and says where it stands.
  void row(std::uint32_t row, std::string_view name)
  {
    const std::string number = std::to_string(row);
    metadata("thread_name", ",\"tid\":" + number, name);
    emit("{\"ph\":\"M\",\"pid\":1,\"tid\":" + number +
         ",\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":" + number + "}}");
  }

  /// Something that took time. `colour` is one of Chrome's reserved names, or empty.
  void slice(std::uint32_t row, std::string_view category, std::string_view name, double begin, double end,
             std::span<const trace_argument> arguments, std::string_view colour = {})
  {
    const std::int64_t from = nanoseconds(begin);
    std::string text = head('X', row, from);
    text.append(",\"dur\":").append(microseconds(nanoseconds(end) - from));
    if (!colour.empty()) {
      text += ",\"cname\":";
      detail::append_json_string(text, colour);
    }
    emit(tail(std::move(text), category, name, arguments));
  }

  /// Something that happened at once.
  void instant(std::uint32_t row, std::string_view category, std::string_view name, double at,
               std::span<const trace_argument> arguments)
  {
    emit(tail(head('i', row, nanoseconds(at)) + ",\"s\":\"t\"", category, name, arguments));
  }

  /// Ends the file, with remarks about the whole.
  void finish(std::span<const trace_argument> remarks)
  {
    std::string text = "\n],\"otherData\":";
    append(text, remarks);
    *out_ << text << "}\n";
  }

 private:
  static std::int64_t nanoseconds(double seconds) noexcept { return std::llround(seconds * 1e9); }

  static std::string microseconds(std::int64_t ns)
  {
    const std::uint64_t size = ns < 0 ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
    const std::string rest = std::to_string(size % 1000);
    return (ns < 0 ? "-" : "") + std::to_string(size / 1000) + "." + std::string(3 - rest.size(), '0') + rest;
  }

  static std::string head(char phase, std::uint32_t row, std::int64_t ns)
  {
    return std::string("{\"ph\":\"") + phase + "\",\"pid\":1,\"tid\":" + std::to_string(row) +
           ",\"ts\":" + microseconds(ns);
  }
  static std::string tail(std::string text, std::string_view category, std::string_view name,
                          std::span<const trace_argument> arguments)
  {
    text += ",\"cat\":";
    detail::append_json_string(text, category);
    text += ",\"name\":";
    detail::append_json_string(text, name);
    text += ",\"args\":";
    append(text, arguments);
    return text += '}';
  }

  void metadata(std::string_view what, std::string_view thread, std::string_view name)
  {
    std::string text = "{\"ph\":\"M\",\"pid\":1";
    text.append(thread).append(",\"name\":\"").append(what).append("\",\"args\":{\"name\":");
    detail::append_json_string(text, name);
    emit(text.append("}}"));
  }

  static void append(std::string& text, std::span<const trace_argument> arguments)
  {
    text += '{';
    for (const trace_argument& a : arguments) {
      if (text.back() != '{') text += ',';
      detail::append_json_string(text, a.name);
      text.append(":").append(std::to_string(a.value));
    }
    text += '}';
  }

  void emit(const std::string& event)
  {
    *out_ << (first_ ? "\n" : ",\n") << event;
    first_ = false;
  }

  std::ostream* out_;
  bool first_ = true;
};

}  // namespace kvstrata
