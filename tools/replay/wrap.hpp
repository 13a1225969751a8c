// Breaks text into lines.
#pragma once

#include <cstddef>
#include <sstream>
#include <string>
#include <vector>

namespace replay {

/// Breaks text at spaces into lines of at most `width` characters; a longer word keeps a line of its own.
[[nodiscard]] inline std::vector<std::string> wrap(const std::string& text, std::size_t width)
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

}  // namespace replay
