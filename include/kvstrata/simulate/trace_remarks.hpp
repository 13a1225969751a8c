// What must be said of a trace beside figures that stand on it, in sentences: what was left out, what cannot be right.
#pragma once

#include <kvstrata/simulate/footprint.hpp>
#include <kvstrata/simulate/trace_notes.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

[[nodiscard]] inline std::string counted(std::uint64_t count, std::string_view one, std::string_view many)
{
  std::string digits = std::to_string(count);
  for (std::size_t k = digits.size(); k > 3;) digits.insert(k -= 3, 1, ',');
  return digits + ' ' + std::string(count == 1 ? one : many);
}

/// A day and time of UTC, where it is one of the years 1990 to 2099; else nothing.
[[nodiscard]] inline std::string date_of(std::int64_t time_ms)
{
  if (time_ms < 631'152'000'000 || time_ms >= 4'102'444'800'000) return {};
  const std::int64_t days = time_ms / 86'400'000;
  const std::chrono::year_month_day day{std::chrono::sys_days{std::chrono::days{days}}};
  const std::int64_t minutes = time_ms / 60'000 % 1440;
  char text[32];
  std::snprintf(text, sizeof text, "%d-%02u-%02u %02d:%02d", static_cast<int>(day.year()),
                static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()), static_cast<int>(minutes / 60),
                static_cast<int>(minutes % 60));
  return text;
}

}  // namespace detail

/// A stretch of time as people say it: "14.0 days", "20.2 minutes", "350 ms".
[[nodiscard]] inline std::string span_text(std::uint64_t ms)
{
  const auto text = [ms](double unit, std::string_view name) {
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.1f ", static_cast<double>(ms) / unit);
    return digits + std::string(name);
  };
  if (ms < 2'000) return std::to_string(ms) + " ms";
  if (ms < 120'000) return text(1e3, "seconds");
  if (ms < 7'200'000) return text(6e4, "minutes");
  if (ms < 172'800'000) return text(3.6e6, "hours");
  return ms < 63'072'000'000'000 ? text(8.64e7, "days") : text(31'557'600'000.0, "years");
}

/// Span, unit and order of a trace's times: "14.0 days (2022-04-24 16:00 to 2022-05-08 15:59 UTC), read as ms, in order".
[[nodiscard]] inline std::string times_text(const footprint& f, const trace_notes& notes)
{
  if (!f.is_timed) return "no times";
  std::string out = span_text(f.span_ms);
  const std::string from = detail::date_of(f.first_ms);
  const std::string to = detail::date_of(f.last_ms);
  if (!from.empty() && !to.empty()) out += " (" + from + " to " + to + " UTC)";
  if (!notes.time_unit.empty()) out += ", times read as " + std::string(notes.time_unit);
  if (f.backward == 0) return out + ", in order";
  return out + ", " + detail::counted(f.backward, "request lies", "requests lie") + " before the one in front";
}

/// Whether times that are taken for milliseconds since 1970 are so in another unit: a sentence, or nothing.
[[nodiscard]] inline std::string unit_doubt(const footprint& f, const trace_notes& notes)
{
  if (!f.is_timed) return {};
  const auto lies_in = [&f](double from, double to) {
    return static_cast<double>(f.first_ms) >= from && static_cast<double>(f.last_ms) < to;
  };
  constexpr double year_2001 = 1e12;  // in ms
  constexpr double year_2100 = 4.1e12;
  const std::string unit(notes.time_unit.empty() ? "these" : notes.time_unit);
  const std::string said = "Its times are read as " + unit + " and span " + span_text(f.span_ms);
  const auto perhaps = [&](double factor) { return lies_in(year_2001 * factor, year_2100 * factor); };
  if (perhaps(1e-3)) {
    return said + " in early 1970; in units a thousand times as long they would span " + span_text(f.span_ms * 1000) +
           " in this century. Seconds are said by --time-unit s.";
  }
  if (perhaps(1e3) || perhaps(1e6)) {
    return said + " tens of thousands of years from now; in units " + (perhaps(1e3) ? "a thousand" : "a million") +
           " times as short they would span " + span_text(f.span_ms / (perhaps(1e3) ? 1'000U : 1'000'000U)) +
           " in this century. The unit is said by --time-unit ms, us or ns.";
  }
  return {};
}

/// The rest, a sentence each.
[[nodiscard]] inline std::vector<std::string> trace_remarks(const footprint& f, const trace_notes& notes)
{
  using detail::counted;
  std::vector<std::string> out;
  if (!notes.cut.empty())
    out.push_back("WARNING: the trace is cut short, and what is whole of it was read: " + notes.cut + '.');
  if (const std::string doubt = unit_doubt(f, notes); !doubt.empty()) out.push_back("WARNING: " + doubt);
  if (notes.writes != 0) {
    out.push_back(counted(notes.writes, "operation is a write or another that is no read",
                          "operations are writes or others that are no reads") +
                  ": left out. Only reads are requests.");
  }
  if (notes.repeated != 0) {
    out.push_back("Rows tell how often a request was made: that adds " +
                  counted(notes.repeated, "request", "requests") + ", each right behind its first.");
  }
  if (notes.zero_sized != 0) {
    out.push_back(
        counted(notes.zero_sized, "request has size 0", "requests have size 0") +
        (notes.zero_served ? ": served, as of one byte." : ": left out, as libCacheSim does (--zero-sizes serve)."));
  }
  if (notes.duplicates != 0) {
    out.push_back(counted(notes.duplicates, "row of the log repeats", "rows of the log repeat") +
                  " another of the same user, time, item and feedback: " +
                  (notes.duplicates_dropped ? "left out." : "each is an event (--drop-duplicates leaves them out)."));
  }
  if (notes.untimed != 0) {
    out.push_back(counted(notes.untimed, "line has", "lines have") + " no time and came with the one before.");
  }
  if (f.stray != 0) {
    out.push_back("WARNING: the " + counted(f.stray, "time lies", "times lie") +
                  " far from all others: spans and policies that look at times may be wrong.");
  }
  if (f.resized != 0) {
    out.push_back(
        (f.exact ? "" : "About ") + counted(f.resized, "request tells", "requests tell") +
        " another size than the one of its object before. With --sizes bytes an object keeps the size that it "
        "came in with; growing takes the new one. Of a hit, the bytes count that were in the cache.");
  }
  if (f.wrong_next != 0) {
    out.push_back(
        "What the trace says of next requests is wrong at request " + std::to_string(f.wrong_next) +
        ", or counts what was left out. It matters to belady alone, which is told what the requests themselves show.");
  }
  return out;
}

}  // namespace kvstrata
