// What a benchmark has to say: facts of the machine, tables for people, records for programs; as text, Markdown and
// JSON. A report whose figures are no measurements says so in all three; one that is written while more is being measured
// says so in the files.
#pragma once

#include "../../support/paired.hpp"

#include <kvstrata/observe/json_string.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bench {

/// The first `left` columns are words, the others figures.
struct table
{
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  std::string foot;
  std::size_t left = 1;
};

using record_value = std::variant<std::string, double, bool, spread>;

/// One measurement with all that it depends on, in the order in which it was said.
struct record
{
  std::vector<std::pair<std::string, record_value>> fields;

  record& add(std::string name, record_value value)
  {
    fields.emplace_back(std::move(name), std::move(value));
    return *this;
  }
};

struct report
{
  std::string program;
  std::string caveat;                                      ///< why its figures are no measurements; empty when they are
  std::vector<std::pair<std::string, std::string>> facts;  ///< GPU, driver, runtime, date, command
  std::vector<table> tables;
  std::vector<record> records;
  bool finished = true;                               ///< false: the program has more to say
  std::function<void(const report&)> said = nullptr;  ///< called with each table that is added

  void add(table t)
  {
    tables.push_back(std::move(t));
    if (said) said(*this);
  }
};

/// printf's formats into a string.
template <class... Values>
[[nodiscard]] std::string text(const char* format, Values... values)
{
  char out[256];
  std::snprintf(out, sizeof out, format, values...);
  return out;
}
[[nodiscard]] inline std::string text(const char* words) { return words; }

/// "53.1 (52.8 to 53.4)"
[[nodiscard]] inline std::string text_of(const spread& s, int decimals)
{
  return text("%.*f (%.*f to %.*f)", decimals, s.median, decimals, s.low, decimals, s.high);
}

[[nodiscard]] inline std::string title_of(const report& r, const table& t)
{
  return r.caveat.empty() ? t.title : t.title + " [" + r.caveat + "]";
}

inline void write_text(std::ostream& out, const report& r)
{
  out << r.program << (r.caveat.empty() ? "" : " [" + r.caveat + "]") << '\n';
  for (const auto& [name, value] : r.facts) out << "  " << name << ": " << value << '\n';
  for (const table& t : r.tables) {
    std::vector<std::size_t> widths(t.columns.size());
    const auto widen = [&](const std::vector<std::string>& row) {
      for (std::size_t c = 0; c < row.size() && c < widths.size(); ++c)
        widths[c] = (std::max)(widths[c], row[c].size());
    };
    widen(t.columns);
    for (const auto& row : t.rows) widen(row);
    const auto line = [&](const std::vector<std::string>& row) {
      std::string all;
      for (std::size_t c = 0; c < row.size() && c < widths.size(); ++c) {
        const std::string padding(widths[c] - row[c].size(), ' ');
        all += (c == 0 ? "" : "  ") + (c < t.left ? row[c] + padding : padding + row[c]);
      }
      all.erase(all.find_last_not_of(' ') + 1);
      out << all << '\n';
    };
    out << '\n' << title_of(r, t) << '\n';
    line(t.columns);
    for (const auto& row : t.rows) line(row);
    if (!t.foot.empty()) out << t.foot << '\n';
  }
}

inline void write_markdown(std::ostream& out, const report& r)
{
  const auto line = [&out](const std::vector<std::string>& row) {
    out << '|';
    for (const std::string& cell : row) {
      out << ' ';
      for (const char c : cell) out << (c == '|' ? "\\|" : std::string(1, c));
      out << " |";
    }
    out << '\n';
  };
  out << "# " << r.program << "\n\n";
  if (!r.caveat.empty()) out << "**" << r.caveat << "**\n\n";
  if (!r.finished) out << "**unfinished: what it had measured until it was stopped**\n\n";
  for (const auto& [name, value] : r.facts) out << "- " << name << ": " << value << '\n';
  for (const table& t : r.tables) {
    out << "\n## " << title_of(r, t) << "\n\n";
    line(t.columns);
    std::vector<std::string> rule;
    for (std::size_t c = 0; c < t.columns.size(); ++c) rule.emplace_back(c < t.left ? "---" : "---:");
    line(rule);
    for (const auto& row : t.rows) line(row);
    if (!t.foot.empty()) out << '\n' << t.foot << '\n';
  }
}

/// A figure that is no finite number is null.
inline void write_json(std::ostream& out, const report& r)
{
  const auto quoted = [](std::string_view words) {
    std::string to;
    kvstrata::detail::append_json_string(to, words);
    return to;
  };
  const auto number = [](double x) { return std::isfinite(x) ? text("%.9g", x) : std::string("null"); };
  const auto value_of = [&](const record_value& v) -> std::string {
    if (const auto* words = std::get_if<std::string>(&v)) return quoted(*words);
    if (const auto* x = std::get_if<double>(&v)) return number(*x);
    if (const auto* yes = std::get_if<bool>(&v)) return *yes ? "true" : "false";
    const spread& s = std::get<spread>(v);
    return "{\"low\": " + number(s.low) + ", \"median\": " + number(s.median) + ", \"high\": " + number(s.high) + "}";
  };
  out << "{\n  \"program\": " << quoted(r.program) << ",\n  \"measured\": " << (r.caveat.empty() ? "true" : "false");
  if (!r.caveat.empty()) out << ",\n  \"caveat\": " << quoted(r.caveat);
  if (!r.finished) out << ",\n  \"finished\": false";
  out << ",\n  \"facts\": {";
  for (std::size_t i = 0; i < r.facts.size(); ++i) {
    out << (i == 0 ? "\n    " : ",\n    ") << quoted(r.facts[i].first) << ": " << quoted(r.facts[i].second);
  }
  out << "\n  },\n  \"records\": [";
  for (std::size_t i = 0; i < r.records.size(); ++i) {
    out << (i == 0 ? "\n    {" : ",\n    {");
    const auto& fields = r.records[i].fields;
    for (std::size_t f = 0; f < fields.size(); ++f) {
      out << (f == 0 ? "" : ", ") << quoted(fields[f].first) << ": " << value_of(fields[f].second);
    }
    out << '}';
  }
  out << "\n  ]\n}\n";
}

}  // namespace bench
