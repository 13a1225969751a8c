// Cases of a model's replay, as its command line names and lists them.
#pragma once

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace replay {

/// Is the case among those that --cases named?
template <class Case>
[[nodiscard]] bool is_named(const std::vector<std::string>& keys, const Case& c)
{
  return std::find(keys.begin(), keys.end(), c.key) != keys.end();
}

/// Throws kvstrata::config_error for a key that --cases named and no case has. `of`: "of a decoder".
template <class Case>
void require_known(const std::vector<std::string>& keys, const std::vector<Case>& cases, std::string_view of)
{
  for (const std::string& key : keys) {
    if (std::any_of(cases.begin(), cases.end(), [&key](const Case& c) { return c.key == key; })) continue;
    std::string known;
    for (const Case& c : cases) known += (known.empty() ? "" : ", ") + std::string(c.key);
    throw kvstrata::config_error("--cases", "'" + key + "'", std::string(of) + " there are " + known);
  }
}

/// For --help: a line each, what it is from column `column` on, and note(case) behind that.
template <class Case, class Note>
[[nodiscard]] std::string list_of(const std::vector<Case>& cases, std::size_t column, Note&& note)
{
  std::string out = "Cases:\n";
  for (const Case& c : cases) {
    std::string key = "  " + std::string(c.key);
    key.resize(column, ' ');
    out += key + std::string(c.description) + note(c) + "\n";
  }
  return out;
}
template <class Case>
[[nodiscard]] std::string list_of(const std::vector<Case>& cases, std::size_t column)
{
  return list_of(cases, column, [](const Case&) { return ""; });
}

}  // namespace replay
