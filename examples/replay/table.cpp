#include "replay/table.hpp"

#include "replay/sentences.hpp"

#include <algorithm>
#include <cstddef>
#include <sstream>
#include <string_view>
#include <vector>

namespace replay {
namespace {

constexpr std::size_t text_width = 110;
constexpr std::size_t widest_head = 14;  // longer names break at a space
constexpr std::string_view gap = "   ";

/// Breaks text at spaces into lines of at most `width` characters; a longer word keeps a line of its own.
std::vector<std::string> wrap(const std::string& text, std::size_t width)
{
  std::vector<std::string> lines;
  std::istringstream words(text);
  std::string line;
  for (std::string word; words >> word;) {
    if (!line.empty() && line.size() + 1 + word.size() > width) {
      lines.push_back(line);
      line.clear();
    }
    if (!line.empty()) line += ' ';
    line += word;
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

std::string pad_left(const std::string& text, std::size_t width)
{
  return text.size() >= width ? text : std::string(width - text.size(), ' ') + text;
}

std::string pad_right(const std::string& text, std::size_t width)
{
  return text.size() >= width ? text : text + std::string(width - text.size(), ' ');
}

std::string without_trailing_spaces(std::string line)
{
  line.erase(line.find_last_not_of(' ') + 1);
  return line + '\n';
}

void paragraph(std::ostringstream& out, const std::string& text)
{
  bool first = true;
  for (const std::string& line : wrap(text, text_width)) {
    out << (first ? "- " : "  ") << line << '\n';
    first = false;
  }
}

}  // namespace

std::string table(const results& r)
{
  const std::vector<metric> rows = metrics(r);
  std::size_t first = 0;
  for (const metric& m : rows) first = std::max(first, m.name.size());

  std::vector<std::vector<std::string>> heads;
  std::vector<std::size_t> widths;
  std::size_t head_lines = 1;
  std::size_t line_width = first;
  for (std::size_t i = 0; i < r.cases.size(); ++i) {
    heads.push_back(wrap(r.cases[i].name, widest_head));
    head_lines = std::max(head_lines, heads.back().size());
    std::size_t width = 0;
    for (const std::string& line : heads.back()) width = std::max(width, line.size());
    for (const metric& m : rows) width = std::max(width, m.values[i].size());
    widths.push_back(width);
    line_width += gap.size() + width;
  }

  std::ostringstream out;
  for (std::size_t line = 0; line < head_lines; ++line) {
    std::string text(first, ' ');
    for (std::size_t i = 0; i < heads.size(); ++i) {
      const std::size_t above = head_lines - heads[i].size();  // names stand on the rule
      text += gap;
      text += pad_left(line < above ? std::string() : heads[i][line - above], widths[i]);
    }
    out << without_trailing_spaces(text);
  }
  out << std::string(line_width, '-') << '\n';
  for (const metric& m : rows) {
    out << pad_right(m.name, first);
    for (std::size_t i = 0; i < widths.size(); ++i) out << gap << pad_left(m.values[i], widths[i]);
    out << '\n';
  }
  return out.str();
}

std::string summary(const results& r)
{
  std::ostringstream out;
  out << table(r) << '\n';
  paragraph(out, workload_sentence(r.workload));
  for (const std::string& note : r.workload.notes) paragraph(out, note);
  paragraph(out, "Taken on " + machine_sentence(r.machine) + ".");
  paragraph(out, break_even_sentence(r.balance));
  paragraph(out, verification_sentence(r));
  if (const std::string difference = first_difference(r); !difference.empty()) paragraph(out, difference);
  return out.str();
}

}  // namespace replay
