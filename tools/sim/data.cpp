#include "sim/output.hpp"

#include "replay/format.hpp"

#include <kvstrata/simulate/trace_remarks.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <vector>

namespace sim {
namespace {

using json = nlohmann::ordered_json;

/// A field of a CSV: in quotes where it must be.
std::string field(const std::string& text)
{
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::uint64_t whole(double ratio, std::uint64_t of)
{
  return static_cast<std::uint64_t>(std::llround(ratio * static_cast<double>(of)));
}

/// As counted, or the estimate that a sample stands for.
std::uint64_t misses_of(const results& r, const trace_result& t, const point& p)
{
  return r.rate < 1 ? whole(p.miss.requests, t.counted.requests) : p.missed.requests;
}
std::uint64_t missed_bytes_of(const results& r, const trace_result& t, const point& p)
{
  return r.rate < 1 ? whole(p.miss.bytes, t.counted.bytes) : p.missed.bytes;
}

std::string ratio(double value) { return replay::fixed(value, 6); }

double rounded(double value) { return std::round(value * 1e6) / 1e6; }

/// Span, order and unit of the times; null where there are none.
json times_of(const trace_result& t)
{
  if (!t.touched.is_timed) return {};
  return {{"first_ms", t.touched.first_ms}, {"last_ms", t.touched.last_ms},   {"span_ms", t.touched.span_ms},
          {"read_as", t.notes.time_unit},   {"backward", t.touched.backward}, {"stray", t.touched.stray}};
}

/// What of the file never became a request, or became more than one.
json left_out_of(const trace_result& t)
{
  return {{"zero_sized", t.notes.zero_served ? 0 : t.notes.zero_sized},
          {"zero_sized_served", t.notes.zero_served ? t.notes.zero_sized : 0},
          {"writes", t.notes.writes},
          {"repeated", t.notes.repeated},
          {"duplicates", t.notes.duplicates},
          {"duplicates_dropped", t.notes.duplicates_dropped},
          {"untimed", t.notes.untimed},
          {"cut", t.notes.cut}};
}

}  // namespace

std::string csv(const results& r)
{
  std::ostringstream out;
  out << "trace,policy,admission,sizes,capacity,capacity_share,requests,misses,miss_ratio,error,bytes,missed_bytes,"
         "byte_miss_ratio,seconds,missed_seconds,bypassed,objects,metadata_bytes,unusable_hits\n";
  for (const trace_result& t : r.traces) {
    for (const curve& c : t.curves) {
      for (std::size_t k = 0; k < t.steps.size(); ++k) {
        const point& p = c.points[k];
        out << field(t.name) << ',' << c.policy << ',' << c.admission << ',' << r.sizes << ',' << t.steps[k].amount
            << ',' << ratio(t.steps[k].share) << ',' << t.counted.requests << ',' << misses_of(r, t, p) << ','
            << ratio(p.miss.requests) << ',' << ratio(p.error) << ',' << t.counted.bytes << ','
            << missed_bytes_of(r, t, p) << ',' << ratio(p.miss.bytes) << ',' << replay::fixed(t.counted.seconds, 6)
            << ',' << replay::fixed(p.miss.seconds * t.counted.seconds, 6) << ','
            << (r.rate < 1 ? static_cast<std::uint64_t>(std::llround(static_cast<double>(p.missed.bypassed) / r.rate))
                           : p.missed.bypassed)
            << ',' << p.objects << ',' << p.metadata_bytes << ',' << p.missed.unusable << '\n';
      }
    }
  }
  return out.str();
}

std::string series_csv(const results& r)
{
  std::ostringstream out;
  out << "trace,policy,admission,sizes,capacity,first_request,begin_ms,requests,miss_ratio,bytes,byte_miss_ratio\n";
  for (const trace_result& t : r.traces) {
    for (const curve& c : t.curves) {
      for (std::size_t k = 0; k < t.steps.size(); ++k) {
        for (std::size_t i = 0; i < t.intervals.size(); ++i) {
          const kvstrata::trace_interval& here = t.intervals[i];
          const kvstrata::miss_ratios& miss = c.points[k].series[i];
          out << field(t.name) << ',' << c.policy << ',' << c.admission << ',' << r.sizes << ',' << t.steps[k].amount
              << ',' << here.first_request << ',' << here.begin_ms << ',' << here.asked.requests << ','
              << ratio(miss.requests) << ',' << here.asked.bytes << ',' << ratio(miss.bytes) << '\n';
        }
      }
    }
  }
  return out.str();
}

nlohmann::ordered_json to_json(const results& r)
{
  json traces = json::array();
  for (const trace_result& t : r.traces) {
    json steps = json::array();
    for (const step& s : t.steps) {
      steps.push_back(
          {{"text", s.text}, {"amount", s.amount}, {"share", s.share}, {"label", amount_text(r, s.amount)}});
    }
    json intervals = json::array();
    for (const kvstrata::trace_interval& i : t.intervals) {
      intervals.push_back(
          {{"first_request", i.first_request}, {"begin_ms", i.begin_ms}, {"requests", i.asked.requests}});
    }
    json curves = json::array();
    for (const curve& c : t.curves) {
      json points = json::array();
      for (const point& p : c.points) {
        json one = {{"misses", misses_of(r, t, p)},
                    {"miss_ratio", rounded(p.miss.requests)},
                    {"missed_bytes", missed_bytes_of(r, t, p)},
                    {"byte_miss_ratio", rounded(p.miss.bytes)},
                    {"bypassed", p.missed.bypassed},
                    {"objects", p.objects},
                    {"metadata_bytes", p.metadata_bytes}};
        if (t.in_parts && r.rate == 1) {
          one["unusable_hits"] = p.missed.unusable;
          one["usable_miss_ratio"] = rounded(p.miss.usable);
        }
        if (t.counted.seconds > 0) one["time_miss_ratio"] = rounded(p.miss.seconds);
        if (r.rate < 1) one["error"] = rounded(p.error);
        if (!t.intervals.empty()) {
          json series = json::array();
          for (const kvstrata::miss_ratios& m : p.series) series.push_back(rounded(m.requests));
          one["series"] = std::move(series);
        }
        points.push_back(std::move(one));
      }
      const double closed = closed_gap(t, c);
      curves.push_back({{"policy", c.policy},
                        {"admission", c.admission},
                        {"name", c.name},
                        {"knows_future", c.knows_future},
                        {"closed_gap", std::isnan(closed) ? json() : json(rounded(closed))},
                        {"points", std::move(points)}});
    }
    traces.push_back({{"name", t.name},
                      {"path", t.path},
                      {"requests", t.touched.requests},
                      {"objects", t.touched.objects},
                      {"bytes", t.touched.bytes},
                      {"exact", t.touched.exact},
                      {"sized", t.touched.is_sized},
                      {"timed", t.touched.is_timed},
                      {"in_parts", t.in_parts},
                      {"usable", t.in_parts && r.rate == 1},
                      {"times", times_of(t)},
                      {"left_out", left_out_of(t)},
                      {"remarks", trace_sentences(r, t)},
                      {"warmup_requests", t.warmup_requests},
                      {"counted_requests", t.counted.requests},
                      {"counted_bytes", t.counted.bytes},
                      {"counted_seconds", t.counted.seconds},
                      {"seconds", t.seconds},
                      {"capacities", std::move(steps)},
                      {"intervals", std::move(intervals)},
                      {"curves", std::move(curves)}});
  }
  return {{"sizes", r.sizes},       {"sample", r.rate},     {"machine", r.machine},
          {"interval", r.interval}, {"threads", r.threads}, {"traces", std::move(traces)}};
}

}  // namespace sim
