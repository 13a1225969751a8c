// What the formats of Prometheus ask of a whole exposition: names, labels, and that nothing is said twice.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/observe/utf8.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Names and values, for example {{"cache", "a"}, {"tier", "device"}}. Values may be any text; bytes that are no UTF-8
/// are written as U+FFFD.
using prometheus_labels = std::vector<std::pair<std::string, std::string>>;

namespace detail {

enum class metric_type : std::uint8_t { counter, gauge, histogram };

[[nodiscard]] constexpr std::string_view name_of(metric_type type) noexcept
{
  return type == metric_type::counter ? "counter" : type == metric_type::gauge ? "gauge" : "histogram";
}

/// A name must not begin with a digit; one of a metric follows a prefix, and may have colons.
[[nodiscard]] constexpr bool is_metric_name(std::string_view name, bool metric) noexcept
{
  if (name.empty() || (!metric && name.front() >= '0' && name.front() <= '9')) return false;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && c != '_' && !(c >= '0' && c <= '9') && !(metric && c == ':')) return false;
  }
  return true;
}

/// A metric is a family of series: "kvstrata_batches" is the family of "kvstrata_batches_total".
class metric_book
{
 public:
  /// Throws usage_error for labels that no series may have.
  static void require_labels(std::string_view where, const prometheus_labels& first, const prometheus_labels& second,
                             bool has_limits)
  {
    std::set<std::string_view> seen;
    for (const prometheus_labels* all : {&first, &second}) {
      for (const auto& [name, value] : *all) {
        if (!is_metric_name(name, false) || name.starts_with("__")) {
          throw usage_error("'" + name + "' is no name for a label" + std::string(where) +
                            "; letters, digits and _ are allowed, but no __ in front");
        }
        if (!seen.insert(name).second)
          throw usage_error("the label '" + name + "'" + std::string(where) + " occurs twice");
      }
    }
    if (has_limits && seen.contains("le")) {
      throw usage_error("the label 'le'" + std::string(where) + " is the format's own");
    }
  }

  /// Enters a series; true when its metric begins with it. Throws usage_error, and nothing has changed, for a series that
  /// is in the book already, a metric that is taken up again after another one or with another type, and a name that
  /// another metric has in either format.
  bool enter(const std::string& family, metric_type type, const prometheus_labels& first,
             const prometheus_labels& second)
  {
    const bool goes_on = family == family_;
    if (goes_on && type != type_) {
      throw usage_error("the metric " + family + " is a " + std::string(name_of(type_)) + "; it cannot be a " +
                        std::string(name_of(type)) + ", too");
    }
    if (!goes_on) require_new(family, type);
    std::string series = key(first, second);
    if (goes_on && series_.contains(series)) {
      throw usage_error("the metric " + family + " has two values for the labels {" + series + "}");
    }
    if (!goes_on) {
      for (const std::string_view suffix : suffixes(type)) owners_.emplace(family + std::string(suffix), family);
      family_ = family;
      type_ = type;
      series_.clear();
    }
    series_.insert(std::move(series));
    return !goes_on;
  }

 private:
  /// What a metric's samples may be called, and what OpenMetrics keeps for it.
  static std::span<const std::string_view> suffixes(metric_type type) noexcept
  {
    static constexpr std::string_view counter[] = {"", "_total", "_created"};
    static constexpr std::string_view gauge[] = {""};
    static constexpr std::string_view histogram[] = {"", "_bucket", "_sum", "_count", "_created"};
    if (type == metric_type::counter) return counter;
    if (type == metric_type::gauge) return gauge;
    return histogram;
  }

  void require_new(const std::string& family, metric_type type) const
  {
    for (const std::string_view suffix : suffixes(type)) {
      const auto found = owners_.find(family + std::string(suffix));
      if (found == owners_.end()) continue;
      if (found->second == family) {
        throw usage_error(
            "the metric " + family +
            " was written before; its samples must come one after another: several caches are written as a list of "
            "labelled snapshots");
      }
      throw usage_error("the " + std::string(name_of(type)) + " " + family + " needs the name " + found->first +
                        ", which the metric " + found->second + " has");
    }
  }

  /// Labels in any order are one series, an empty value is no label, and what is repaired alike is alike.
  static std::string key(const prometheus_labels& first, const prometheus_labels& second)
  {
    prometheus_labels all;
    for (const prometheus_labels* labels : {&first, &second}) {
      for (const auto& [name, value] : *labels) {
        if (!value.empty()) all.emplace_back(name, value);
      }
    }
    std::sort(all.begin(), all.end());
    std::string out;
    for (const auto& [name, value] : all) {
      out.append(out.empty() ? "" : ",").append(name).append("=\"");
      for (std::string_view rest = value; !rest.empty();) {
        const std::string_view character = take_character(rest);
        if (character == "\"" || character == "\\") out += '\\';
        out += character;
      }
      out += '"';
    }
    return out;
  }

  std::string family_;
  metric_type type_ = metric_type::counter;
  std::set<std::string> series_;               // of the family at hand
  std::map<std::string, std::string> owners_;  // of names, in either format
};

}  // namespace detail
}  // namespace kvstrata
