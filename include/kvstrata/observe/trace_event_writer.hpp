// Writes the Trace Event Format, which Perfetto (ui.perfetto.dev) and Chrome (chrome://tracing) open: one process whose
// threads are the rows of the picture.
// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/observe/json_string.hpp>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Shown with an event when it is selected.
struct trace_argument
{
  const char* name = "";
  std::uint64_t value = 0;
};

/// When something happened.
using trace_time = std::chrono::nanoseconds;

/// Times lie within 126 years of 0, so that the difference of two is one, too.
[[nodiscard]] inline bool is_trace_time(double seconds) noexcept { return std::abs(seconds) <= 4e9; }

/// To the nearest nanosecond: what touched still touches. Throws usage_error for what is no such time.
[[nodiscard]] inline trace_time trace_time_of(double seconds)
{
  if (is_trace_time(seconds)) return trace_time(std::llround(seconds * 1e9));
  throw usage_error("a trace was given the time " + std::to_string(seconds) +
                    " s, but times are numbers, and none is more than 4000000000 s away from 0");
}

/// A station of an arrow from slice to slice. It belongs to the innermost slice of its row that contains its time.
enum class flow_station : char { begin = 's', step = 't', end = 'f' };

/// One file: rows, then events in any order, then finish(). Times are written as microseconds in steps of a nanosecond.
/// A time before 0 (Perfetto drops it), an end before its beginning, and seconds that are no trace_time_of() throw
/// usage_error, and nothing is written. Whether writing succeeded is the stream's to say; its locale does not matter.
/// Not synchronised.
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

  /// Something that took time. `colour` is one of Chrome's reserved names, or empty. On one row, what overlaps must lie
  /// within what it overlaps: Perfetto drops it otherwise.
  void slice(std::uint32_t row, std::string_view category, std::string_view name, trace_time begin, trace_time end,
             std::span<const trace_argument> arguments, std::string_view colour = {})
  {
    if (end < begin) {
      throw usage_error("the slice '" + std::string(name) + "' ends " + std::to_string((begin - end).count()) +
                        " ns before it begins");
    }
    std::string text = head('X', row, name, begin);
    text.append(",\"dur\":").append(microseconds(end - begin));
    if (!colour.empty()) {
      text += ",\"cname\":";
      detail::append_json_string(text, colour);
    }
    emit(tail(std::move(text), category, name, arguments));
  }
  void slice(std::uint32_t row, std::string_view category, std::string_view name, double begin, double end,
             std::span<const trace_argument> arguments, std::string_view colour = {})
  {
    slice(row, category, name, trace_time_of(begin), trace_time_of(end), arguments, colour);
  }

  /// Something that happened at once.
  void instant(std::uint32_t row, std::string_view category, std::string_view name, trace_time at,
               std::span<const trace_argument> arguments)
  {
    emit(tail(head('i', row, name, at) + ",\"s\":\"t\"", category, name, arguments));
  }
  void instant(std::uint32_t row, std::string_view category, std::string_view name, double at,
               std::span<const trace_argument> arguments)
  {
    instant(row, category, name, trace_time_of(at), arguments);
  }

  /// A station of the arrow `id`. Its stations must have one category and one name, and ascend in time: a begin, then
  /// an end, with steps in between.
  void flow(flow_station station, std::uint64_t id, std::uint32_t row, std::string_view category, std::string_view name,
            trace_time at)
  {
    std::string text = head(static_cast<char>(station), row, name, at) + ",\"id\":" + std::to_string(id);
    if (station == flow_station::end) text += ",\"bp\":\"e\"";  // else it would belong to the next slice
    emit(tail(std::move(text), category, name, {}));
  }

  /// Ends the file, with remarks about the whole.
  void finish(std::span<const trace_argument> remarks)
  {
    std::string text = "\n],\"otherData\":";
    append(text, remarks);
    *out_ << text << "}\n";
  }

 private:
  static std::string microseconds(trace_time t)
  {
    const std::string rest = std::to_string(t.count() % 1000);
    return std::to_string(t.count() / 1000) + "." + std::string(3 - rest.size(), '0') + rest;
  }

  static std::string head(char phase, std::uint32_t row, std::string_view name, trace_time at)
  {
    if (at < trace_time{}) {
      throw usage_error("the event '" + std::string(name) + "' begins " + std::to_string((-at).count()) +
                        " ns before 0; move all events, so that the first one begins at 0");
    }
    return std::string("{\"ph\":\"") + phase + "\",\"pid\":1,\"tid\":" + std::to_string(row) +
           ",\"ts\":" + microseconds(at);
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
