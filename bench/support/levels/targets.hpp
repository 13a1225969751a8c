// What was measured, what was wanted, and what a test holds.
#pragma once

#include "../target.hpp"

#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace levels {

using bench::better;
using bench::print;
using bench::target;

/// All targets in the order in which they were measured, and why others were not.
class scoreboard
{
 public:
  void add(target t) { targets_.push_back(std::move(t)); }
  /// Held by a test, and no target.
  void note(const std::string& name, double value) { noted_[name] = value; }
  void skip(const std::string& name, const std::string& why)
  {
    skipped_.push_back("SKIPPED: " + name + ", because " + why);
  }

  void print_all() const
  {
    for (const std::string& line : skipped_) std::printf("%s\n", line.c_str());
    for (const target& t : targets_) print(t);
  }

  /// Compares with a table of `part name value` lines, which say what has been reached; only those of the part, or all
  /// when it is empty. The sentences about what is worse by more than a fifth, and about what is not there although nothing
  /// was skipped, or below what is wanted and should be above. `#` begins a comment.
  [[nodiscard]] std::vector<std::string> faults(const std::string& table, const std::string& only) const
  {
    std::ifstream file(table);
    if (!file) throw std::runtime_error("the table " + table + " cannot be read");
    std::map<std::string, double> measured = noted_;
    for (const target& t : targets_) measured[t.name] = t.value;
    std::vector<std::string> found;
    std::size_t rows = 0;
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line.substr(0, line.find('#')));
      std::string part, name;
      double reached = 0;
      if (!(words >> part)) continue;
      if (!(words >> name >> reached)) throw std::runtime_error("the table " + table + " names no value in: " + line);
      if (!only.empty() && part != only) continue;
      ++rows;
      const auto mine = measured.find(name);
      std::ostringstream say;
      say.precision(10);
      if (mine == measured.end()) {
        if (skipped_.empty()) say << name << " is in " << table << ", but was not measured";
      } else if (mine->second <= 0) {
        say << name << " is " << mine->second << ": whoever says so did not count";
      } else if (mine->second > 1.2 * reached) {
        say << name << " is " << mine->second << ", but " << 1.2 * reached << " is the limit, a fifth above " << reached
            << " in " << table;
      }
      if (!say.str().empty()) found.push_back(say.str());
    }
    for (const target& t : targets_) {
      if (t.way == better::less || t.met()) continue;
      found.push_back(t.name + " is " + std::to_string(t.value) + ", but at least " + std::to_string(t.wanted) +
                      " is wanted");
    }
    if (rows == 0) found.push_back("the table " + table + " holds nothing about " + (only.empty() ? "anything" : only));
    return found;
  }

 private:
  std::vector<target> targets_;
  std::map<std::string, double> noted_;
  std::vector<std::string> skipped_;
};

}  // namespace levels
