// Elements of the reports' pages that several of them have. What is text is escaped here.
#pragma once

#include "replay/format.hpp"
#include "replay/page.hpp"
#include "replay/statistics.hpp"

#include <algorithm>
#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replay {

/// The colour of a level in report.css, which has four.
[[nodiscard]] inline std::string level_class(std::size_t level)
{
  return "level" + std::to_string((std::min)(level, std::size_t{3}));
}

/// What a colour stands for.
[[nodiscard]] inline std::string legend_of(const std::string& colour, const std::string& name)
{
  return "<span><i class=\"" + colour + "\"></i>" + escape_html(name) + "</span>";
}

/// A bar of segments (a colour, and its share of the whole width), and the text that says the same.
[[nodiscard]] inline std::string bar(const std::vector<std::pair<std::string, double>>& segments,
                                     const std::string& text)
{
  std::ostringstream out;
  out << "<span class=\"bar\" role=\"img\" aria-label=\"" << escape_html(text) << "\">";
  for (const auto& [colour, share] : segments) {
    if (share > 0) out << "<i class=\"" << colour << "\" style=\"width:" << fixed(share * 100, 2) << "%\"></i>";
  }
  out << "</span>";
  return out.str();
}

/// Where tokens came from.
[[nodiscard]] inline std::string split_bar(const token_split& t, const std::vector<std::string>& levels)
{
  std::vector<std::pair<std::string, double>> segments;
  std::string text;
  for (kvstrata::level_index i = 0; i < levels.size(); ++i) {
    segments.emplace_back(level_class(i), t.level_share(i));
    text += levels[i] + ' ' + percent(t.level_share(i)) + ", ";
  }
  segments.emplace_back("computed", t.computed_share());
  return bar(segments, text + "computed " + percent(t.computed_share()));
}

}  // namespace replay
