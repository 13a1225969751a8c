// Writes Prometheus' text exposition format, version 0.0.4, which Prometheus scrapes over HTTP:
//
//   # HELP kvstrata_evicted_tokens_total Tokens that left a tier under pressure.
//   # TYPE kvstrata_evicted_tokens_total counter
//   kvstrata_evicted_tokens_total{cache="a",tier="device"} 1200
//
// Content-Type: text/plain; version=0.0.4
// https://prometheus.io/docs/instrumenting/exposition_formats/
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/observe/log2_histogram.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata {

/// Names and values, for example {{"cache", "a"}, {"tier", "device"}}. Values may be any UTF-8.
using prometheus_labels = std::vector<std::pair<std::string, std::string>>;

/// One exposition, on a stream. A metric gets the prefix "kvstrata_", a counter also the suffix "_total". Metrics of
/// one name differ in their labels and come one after another. Throws usage_error, before anything is written, for a
/// name that the format does not allow, a label that occurs twice, and a metric that is taken up again after another
/// one. Whether writing succeeded is the stream's to say. The stream's locale does not matter. Not synchronised.
class prometheus_writer
{
 public:
  /// `constant` labels come first in every sample.
  explicit prometheus_writer(std::ostream& out, prometheus_labels constant = {})
      : out_(&out), constant_(std::move(constant))
  {
    require_labels("", constant_, {});
  }

  /// Something that only grows while the process lives.
  void counter(std::string_view name, std::string_view help, std::uint64_t value, const prometheus_labels& labels = {})
  {
    const std::string metric = full_name(name, "_total");
    begin(metric, "counter", help, labels, "");
    sample(metric, labels, "", std::to_string(value));
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
    const std::string metric = full_name(name, "");
    begin(metric, "histogram", help, labels, "le");
    std::uint64_t below = 0;
    for (std::size_t i = 0; i + 1 < log2_histogram::buckets; ++i) {
      below += values.counts[i];
      sample(metric + "_bucket", labels, std::to_string(log2_histogram::last_of(i)), std::to_string(below));
    }
    const std::string all = std::to_string(below + values.counts.back());
    sample(metric + "_bucket", labels, "+Inf", all);
    sample(metric + "_sum", labels, "", std::to_string(values.sum));
    sample(metric + "_count", labels, "", all);
  }

 private:
  void gauge_text(std::string_view name, std::string_view help, const std::string& value,
                  const prometheus_labels& labels)
  {
    const std::string metric = full_name(name, "");
    begin(metric, "gauge", help, labels, "");
    sample(metric, labels, "", value);
  }

  static std::string full_name(std::string_view name, std::string_view suffix)
  {
    if (!is_name(name, true)) {
      throw usage_error("'" + std::string(name) + "' is no name for a metric; letters, digits, _ and : are allowed");
    }
    return std::string("kvstrata_").append(name).append(suffix);
  }

  /// Checks everything, then writes the head of a metric unless it is the one at hand.
  void begin(const std::string& metric, std::string_view type, std::string_view help, const prometheus_labels& labels,
             std::string_view reserved)
  {
    require_labels(metric, labels, reserved);
    if (metric == current_) return;
    if (!done_.insert(metric).second) {
      throw usage_error("the metric " + metric + " was written before; its samples must come one after another");
    }
    current_ = metric;
    std::string head = "# HELP " + metric + " ";
    escape(head, help, false);
    head.append("\n# TYPE ").append(metric).append(" ").append(type).append("\n");
    *out_ << head;
  }

  void require_labels(const std::string& metric, const prometheus_labels& labels, std::string_view reserved) const
  {
    std::set<std::string_view> seen;
    if (!metric.empty()) {
      for (const auto& [name, value] : constant_) seen.insert(name);
    }
    const std::string where = metric.empty() ? std::string() : " of the metric " + metric;
    for (const auto& [name, value] : labels) {
      if (!is_name(name, false) || name.starts_with("__")) {
        throw usage_error("'" + name + "' is no name for a label" + where +
                          "; letters, digits and _ are allowed, but no __ in front");
      }
      if (!seen.insert(name).second) throw usage_error("the label '" + name + "'" + where + " occurs twice");
    }
    if (!reserved.empty() && seen.contains(reserved)) {
      throw usage_error("the label '" + std::string(reserved) + "'" + where + " is the format's own");
    }
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

  /// A name must not begin with a digit; one of a metric follows our prefix.
  static bool is_name(std::string_view name, bool metric) noexcept
  {
    if (name.empty() || (!metric && name.front() >= '0' && name.front() <= '9')) return false;
    for (const char c : name) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!letter && c != '_' && !(c >= '0' && c <= '9') && !(metric && c == ':')) return false;
    }
    return true;
  }

  static void escape(std::string& to, std::string_view text, bool quotes)
  {
    for (const char c : text) {
      if (c == '\\') to += "\\\\";
      else if (c == '\n') to += "\\n";
      else if (c == '"' && quotes) to += "\\\"";
      else to += c;
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
  std::string current_;
  std::set<std::string> done_;
};

}  // namespace kvstrata
