// Writes what Prometheus scrapes over HTTP, in either of its formats:
//
//   # HELP kvstrata_evicted_tokens_total Tokens that left a tier under pressure.
//   # TYPE kvstrata_evicted_tokens_total counter
//   kvstrata_evicted_tokens_total{cache="a",tier="device"} 1200
//
// The text exposition format, as above. Content-Type: text/plain; version=0.0.4
// https://prometheus.io/docs/instrumenting/exposition_formats/
//
// OpenMetrics 1.0, where the lines of a counter leave out _total and the last line is # EOF. Content-Type:
// application/openmetrics-text; version=1.0.0; charset=utf-8
// https://prometheus.io/docs/specs/om/open_metrics_spec/
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/observe/log2_histogram.hpp>
#include <kvstrata/observe/metric_book.hpp>
#include <kvstrata/observe/utf8.hpp>

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

enum class metrics_format : std::uint8_t { prometheus_text, open_metrics };

/// One exposition, on a stream: one for all caches of a process, which differ in their labels. A metric gets the prefix
/// "kvstrata_", or another one (use_prefix), a counter also the suffix "_total". Samples of one metric come one after
/// another, and its first help counts. Throws usage_error, before anything is written, for a name that the formats do
/// not allow, a label that occurs twice, a series that was written before, a metric that is taken up again after
/// another one or with another type, a metric whose samples have the names of another one's ("x_count" beside the
/// histogram "x"), and anything after finish(). Whether writing succeeded is the stream's to say. The stream's locale
/// does not matter. Not synchronised.
class prometheus_writer
{
 public:
  /// `constant` labels come first in every sample.
  explicit prometheus_writer(std::ostream& out, prometheus_labels constant = {},
                             metrics_format format = metrics_format::prometheus_text)
      : out_(&out), constant_(std::move(constant)), format_(format)
  {
    detail::metric_book::require_labels("", constant_, {}, false);
  }

  /// Names of metrics begin with this from now on: those of a server's own with "ranker_", say. Nothing is put in front
  /// of them where it is empty. Throws usage_error for what no name begins with.
  void use_prefix(std::string_view prefix)
  {
    if (!prefix.empty() && (!detail::is_metric_name(prefix, true) || starts_with_digit(prefix))) {
      throw usage_error("'" + std::string(prefix) +
                        "' is no prefix for metrics; letters, digits, _ and : are allowed, but no digit in front");
    }
    prefix_ = prefix;
  }

  /// Something that only grows while the process lives.
  void counter(std::string_view name, std::string_view help, std::uint64_t value, const prometheus_labels& labels = {})
  {
    const std::string family = full_name(name);
    begin(family, metric_type::counter, help, labels);
    sample(family + "_total", labels, "", std::to_string(value));
  }

  /// The same, of what is no whole number: seconds, say.
  template <std::floating_point Value>
  void counter(std::string_view name, std::string_view help, Value value, const prometheus_labels& labels = {})
  {
    const std::string family = full_name(name);
    begin(family, metric_type::counter, help, labels);
    sample(family + "_total", labels, "", number(value));
  }

  /// Something that goes up and down.
  void gauge(std::string_view name, std::string_view help, std::uint64_t value, const prometheus_labels& labels = {})
  {
    gauge_text(name, help, std::to_string(value), labels);
  }
  void gauge(std::string_view name, std::string_view help, double value, const prometheus_labels& labels = {})
  {
    gauge_text(name, help, number(value), labels);
  }

  /// Cumulative buckets with exact limits: the values are whole numbers, so "below 2^i" is "at most 2^i - 1".
  void histogram(std::string_view name, std::string_view help, const log2_histogram& values,
                 const prometheus_labels& labels = {})
  {
    const std::string family = full_name(name);
    begin(family, metric_type::histogram, help, labels);
    const char* const fraction = is_open_metrics() ? ".0" : "";  // there, limits are written as floats
    std::uint64_t below = 0;
    for (std::size_t i = 0; i + 1 < log2_histogram::buckets; ++i) {
      below += values.counts[i];
      sample(family + "_bucket", labels, std::to_string(log2_histogram::last_of(i)) + fraction, std::to_string(below));
    }
    const std::string all = std::to_string(below + values.counts.back());
    sample(family + "_bucket", labels, "+Inf", all);
    sample(family + "_sum", labels, "", std::to_string(values.sum));
    sample(family + "_count", labels, "", all);
  }

  /// Ends the exposition. In OpenMetrics a reader takes one without an end for one that broke off.
  void finish()
  {
    require_open();
    finished_ = true;
    if (is_open_metrics()) *out_ << "# EOF\n";
  }

 private:
  using metric_type = detail::metric_type;

  [[nodiscard]] bool is_open_metrics() const noexcept { return format_ == metrics_format::open_metrics; }

  void require_open() const
  {
    if (finished_) throw usage_error("this exposition was finished before");
  }

  void gauge_text(std::string_view name, std::string_view help, const std::string& value,
                  const prometheus_labels& labels)
  {
    const std::string family = full_name(name);
    begin(family, metric_type::gauge, help, labels);
    sample(family, labels, "", value);
  }

  static bool starts_with_digit(std::string_view name) noexcept { return name.front() >= '0' && name.front() <= '9'; }

  [[nodiscard]] std::string full_name(std::string_view name) const
  {
    if (!detail::is_metric_name(name, true) || (prefix_.empty() && starts_with_digit(name))) {
      throw usage_error("'" + std::string(name) + "' is no name for a metric; letters, digits, _ and : are allowed");
    }
    return prefix_ + std::string(name);
  }

  /// Checks everything, then writes the head of a metric unless it is the one at hand.
  void begin(const std::string& family, metric_type type, std::string_view help, const prometheus_labels& labels)
  {
    require_open();
    book_.require_labels(" of the metric " + family, constant_, labels, type == metric_type::histogram);
    if (!book_.enter(family, type, constant_, labels)) return;
    const std::string metric = family + (type == metric_type::counter && !is_open_metrics() ? "_total" : "");
    std::string head = "# HELP " + metric + " ";
    escape(head, help, is_open_metrics());
    head.append("\n# TYPE ").append(metric).append(" ").append(name_of(type)).append("\n");
    *out_ << head;
  }

  /// `limit`: a bucket's label "le"; empty without one.
  void sample(const std::string& name, const prometheus_labels& labels, std::string_view limit,
              const std::string& value)
  {
    std::string line = name;
    char separator = '{';
    const auto add = [&](std::string_view label, std::string_view text) {
      line.append(1, separator).append(label).append("=\"");
      escape(line, text, true);
      line += '"';
      separator = ',';
    };
    for (const auto& [label, text] : constant_) add(label, text);
    for (const auto& [label, text] : labels) add(label, text);
    if (!limit.empty()) add("le", limit);
    if (separator == ',') line += '}';
    line.append(" ").append(value).append("\n");
    *out_ << line;
  }

  static void escape(std::string& to, std::string_view text, bool quotes)
  {
    while (!text.empty()) {
      const std::string_view character = detail::take_character(text);
      if (character == "\\") to += "\\\\";
      else if (character == "\n") to += "\\n";
      else if (character == "\"" && quotes) to += "\\\"";
      else to += character;
    }
  }

  static std::string number(double value)
  {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
  }

  std::ostream* out_;
  prometheus_labels constant_;
  std::string prefix_ = "kvstrata_";
  metrics_format format_;
  detail::metric_book book_;
  bool finished_ = false;
};

}  // namespace kvstrata
