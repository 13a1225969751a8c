// The command line of a benchmark on a GPU: what all of them take, and what one of them adds.
#pragma once

#include "figures.hpp"

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

struct common_options
{
  bool dry_run = false;  ///< on an emulated device
  bool tiny = false;     ///< every case at tiny sizes; a dry run is always tiny
  std::string json;
  std::string markdown;
  unsigned gpu = 0;
  sampling_plan plan;
};

class option_list
{
 public:
  option_list(std::string program, std::string what) : program_(std::move(program)), what_(std::move(what)) {}

  void flag(std::string name, std::string help, bool& to)
  {
    known_.push_back({std::move(name), "", std::move(help), [&to](const std::string&) {
                        to = true;
                        return std::string();
                      }});
  }
  void words(std::string name, std::string kind, std::string help, std::string& to)
  {
    known_.push_back({std::move(name), std::move(kind), std::move(help), [&to](const std::string& value) {
                        to = value;
                        return std::string(value.empty() ? "it must not be empty" : "");
                      }});
  }
  void number(std::string name, std::string help, unsigned& to, unsigned least, unsigned most)
  {
    const std::string limit = "it must be a whole number from " + std::to_string(least) + " to " + std::to_string(most);
    known_.push_back({std::move(name), "N", std::move(help), [&to, least, most, limit](const std::string& value) {
                        const std::optional<unsigned> read = whole(value);
                        if (!read || *read < least || *read > most) return limit;
                        to = *read;
                        return std::string();
                      }});
  }
  /// Whole numbers with commas between them.
  void numbers(std::string name, std::string help, std::vector<unsigned>& to, unsigned least, unsigned most)
  {
    const std::string limit = "it must be whole numbers from " + std::to_string(least) + " to " + std::to_string(most) +
                              " with commas between them";
    known_.push_back({std::move(name), "N,...", std::move(help), [&to, least, most, limit](const std::string& value) {
                        std::vector<unsigned> all;
                        for (std::size_t at = 0; at <= value.size();) {
                          const std::size_t comma = (std::min)(value.find(',', at), value.size());
                          const std::optional<unsigned> read = whole(value.substr(at, comma - at));
                          if (!read || *read < least || *read > most) return limit;
                          all.push_back(*read);
                          at = comma + 1;
                        }
                        to = std::move(all);
                        return std::string();
                      }});
  }
  void seconds(std::string name, std::string help, double& to)
  {
    known_.push_back({std::move(name), "SECONDS", std::move(help), [&to](const std::string& value) {
                        char* end = nullptr;
                        const double read = std::strtod(value.c_str(), &end);
                        if (value.empty() || *end != '\0' || !std::isfinite(read) || read < 0 || read > 60) {
                          return std::string("it must be a number of seconds from 0 to 60");
                        }
                        to = read;
                        return std::string();
                      }});
  }

  void add(common_options& all)
  {
    flag("--dry-run", "run every case at tiny sizes on an emulated device; measures nothing", all.dry_run);
    flag("--tiny", "run every case at tiny sizes, to see that all works; measures nothing", all.tiny);
    words("--json", "FILE", "write all figures, with their spread, to FILE", all.json);
    words("--markdown", "FILE", "write the tables to FILE", all.markdown);
    number("--gpu", "which GPU (default 0)", all.gpu, 0, 63);
    number("--rounds", "time everything at least so often (default " + std::to_string(all.plan.rounds) + ")",
           all.plan.rounds, 1, all.plan.most);
    seconds("--cell-seconds", "repeat for so long, where rounds are short (default " + text_of(all.plan.seconds) + ")",
            all.plan.seconds);
  }

  /// Nothing when the run should go on, else the exit code: 0 after --help, 2 after a sentence about what is wrong.
  [[nodiscard]] std::optional<int> parse(int argc, const char* const* argv, std::ostream& out, std::ostream& err) const
  {
    const auto wrong = [&](const std::string& sentence) {
      err << program_ << ": " << sentence << " Try --help.\n";
      return 2;
    };
    for (int i = 1; i < argc; ++i) {
      const std::string_view given = argv[i];
      if (given == "--help" || given == "-h") {
        help(out);
        return 0;
      }
      const std::size_t equals = given.starts_with("--") ? given.find('=') : std::string_view::npos;
      const std::string name(given.substr(0, equals));
      const one* found = nullptr;
      for (const one& option : known_) {
        if (option.name == name) found = &option;
      }
      if (found == nullptr) return wrong("there is no option '" + std::string(given) + "'.");
      std::string value;
      if (equals != std::string_view::npos) {
        if (found->kind.empty()) return wrong(name + " takes no value.");
        value = given.substr(equals + 1);
      } else if (!found->kind.empty()) {
        if (++i == argc) return wrong(name + " wants a value, " + found->kind + ".");
        value = argv[i];
      }
      if (const std::string limit = found->read(value); !limit.empty()) {
        return wrong(name + " is '" + value + "', but " + limit + ".");
      }
    }
    return {};
  }

 private:
  struct one
  {
    std::string name;
    std::string kind;  // of its value; empty: a flag
    std::string help;
    std::function<std::string(const std::string&)> read;  // the limit that is broken, or nothing
  };

  static std::optional<unsigned> whole(const std::string& value)
  {
    if (value.empty() || value.find_first_not_of("0123456789") != std::string::npos || value.size() > 9) return {};
    return static_cast<unsigned>(std::strtoul(value.c_str(), nullptr, 10));
  }
  static std::string text_of(double value)
  {
    std::string s = std::to_string(value);
    return s.erase(s.find_last_not_of('0') + 1);
  }

  void help(std::ostream& out) const
  {
    out << program_ << ": " << what_ << "\n\n";
    for (const one& option : known_) {
      std::string head = "  " + option.name + (option.kind.empty() ? "" : " " + option.kind);
      head.resize((std::max)(head.size() + 2, std::size_t{26}), ' ');
      out << head << option.help << '\n';
    }
    out << "  --help                  this text\n";
  }

  std::string program_;
  std::string what_;
  std::vector<one> known_;
};

}  // namespace bench
