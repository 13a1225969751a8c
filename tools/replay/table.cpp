#include "replay/table.hpp"

#include "replay/sentences.hpp"
#include "replay/wrap.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <sstream>
#include <string_view>
#include <vector>

namespace replay {
namespace {

constexpr std::size_t text_width = 110;
constexpr std::size_t table_width = 112;
constexpr std::size_t widest_head = 11;  // longer names break at a space
constexpr std::string_view gap = "   ";

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

/// A case: its name in lines, and what its column needs.
struct column
{
  std::vector<std::string> head;
  std::size_t width = 0;

  [[nodiscard]] std::size_t with_gap() const { return gap.size() + width; }
};

column make_column(const std::string& name, const std::vector<metric>& rows, std::size_t number)
{
  column c{wrap(name, widest_head), 0};
  for (const std::string& line : c.head) c.width = std::max(c.width, line.size());
  for (const metric& m : rows) c.width = std::max(c.width, m.values[number].size());
  return c;
}

/// Where blocks of columns end that fit into `width`: as few as need be, and about as many columns in each.
std::vector<std::size_t> even_blocks(const std::vector<column>& columns, std::size_t width)
{
  for (std::size_t most = columns.size(); most != 0; --most) {
    const std::size_t blocks = (columns.size() + most - 1) / most;
    std::vector<std::size_t> ends;
    bool fits = true;
    for (std::size_t b = 0; b < blocks; ++b) {
      const std::size_t from = b * columns.size() / blocks;
      const std::size_t to = (b + 1) * columns.size() / blocks;
      std::size_t needed = 0;
      for (std::size_t i = from; i < to; ++i) needed += columns[i].with_gap();
      fits = fits && (needed <= width || to - from == 1);
      ends.push_back(to);
    }
    if (fits) return ends;
  }
  return {};
}

/// Some columns of the table: cases from `number` on.
void block(std::ostringstream& out, const std::vector<metric>& rows, std::span<const column> columns,
           std::size_t number, std::size_t first)
{
  std::size_t head_lines = 1;
  std::size_t line_width = first;
  for (const column& c : columns) {
    head_lines = std::max(head_lines, c.head.size());
    line_width += c.with_gap();
  }
  for (std::size_t line = 0; line < head_lines; ++line) {
    std::string text(first, ' ');
    for (const column& c : columns) {
      const std::size_t above = head_lines - c.head.size();  // names stand on the rule
      text += gap;
      text += pad_left(line < above ? std::string() : c.head[line - above], c.width);
    }
    out << without_trailing_spaces(text);
  }
  out << std::string(line_width, '-') << '\n';
  for (const metric& m : rows) {
    const auto values = std::span(m.values).subspan(number, columns.size());
    if (m.rare && std::all_of(values.begin(), values.end(), [](const std::string& v) { return v == "0"; })) continue;
    out << pad_right(m.name, first);
    for (std::size_t i = 0; i < columns.size(); ++i) out << gap << pad_left(values[i], columns[i].width);
    out << '\n';
  }
}

}  // namespace

std::string table(const results& r)
{
  const std::vector<metric> rows = metrics(r);
  std::vector<column> columns;
  for (std::size_t i = 0; i < r.cases.size(); ++i) columns.push_back(make_column(r.cases[i].name, rows, i));
  std::size_t first = 0;
  for (const metric& m : rows) first = std::max(first, m.name.size());

  std::ostringstream out;
  std::size_t from = 0;
  for (const std::size_t to : even_blocks(columns, table_width - std::min(table_width, first))) {
    if (from != 0) out << '\n';
    block(out, rows, std::span(columns).subspan(from, to - from), from, first);
    from = to;
  }
  if (columns.empty()) block(out, rows, {}, 0, first);
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
