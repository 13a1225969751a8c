// A reader of Prometheus' text exposition format, version 0.0.4, and of OpenMetrics 1.0, that is stricter than they are:
// families in one piece, HELP and TYPE in front, no sample twice, no name in two families. Throws std::runtime_error with
// the line.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata_test {

struct prometheus_sample
{
  std::string name;
  std::map<std::string, std::string> labels;
  std::string value;  ///< as written

  [[nodiscard]] double number() const
  {
    if (value == "+Inf" || value == "-Inf" || value == "NaN") return std::strtod(value.c_str(), nullptr);
    char* end = nullptr;
    const double v = std::strtod(value.c_str(), &end);
    if (value.empty() || *end != '\0') throw std::runtime_error("not a value: '" + value + "'");
    return v;
  }
};

struct prometheus_family
{
  std::string help;
  std::string type;
  std::vector<prometheus_sample> samples;
};

class prometheus_reader
{
 public:
  explicit prometheus_reader(const std::string& text, bool open_metrics = false) : open_metrics_(open_metrics)
  {
    if (text.empty() || text.back() != '\n') throw std::runtime_error("the last line does not end");
    std::istringstream lines(text);
    bool over = false;
    while (std::getline(lines, line_)) {
      require(!over, "a line after the end");
      at_ = 0;
      if (open_metrics_ && line_ == "# EOF") over = true;
      else if (line_.starts_with("# HELP ")) read_help();
      else if (line_.starts_with("# TYPE ")) read_type();
      else read_sample();
    }
    require(over == open_metrics_, "no end");
  }

  std::map<std::string, prometheus_family> families;

  /// The one sample of that name whose labels are these; throws when there is none.
  [[nodiscard]] const prometheus_sample& sample(const std::string& name,
                                                const std::map<std::string, std::string>& labels) const
  {
    for (const auto& [family, all] : families) {
      for (const prometheus_sample& s : all.samples) {
        if (s.name == name && s.labels == labels) return s;
      }
    }
    throw std::runtime_error("no sample " + name);
  }

 private:
  [[noreturn]] void fail(const std::string& why) const { throw std::runtime_error(why + " in: " + line_); }
  void require(bool right, const char* why) const
  {
    if (!right) fail(why);
  }
  [[nodiscard]] char peek() const { return at_ < line_.size() ? line_[at_] : '\n'; }

  std::string read_name(bool colon)
  {
    const std::size_t begin = at_;
    const auto fits = [&](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':') ||
             (at_ > begin && c >= '0' && c <= '9');
    };
    while (at_ < line_.size() && fits(line_[at_])) ++at_;
    require(at_ > begin, "a name is missing");
    return line_.substr(begin, at_ - begin);
  }

  void read_help()
  {
    at_ = 7;
    current_ = read_name(true);
    require(!families.contains(current_), "a family comes a second time");
    require(peek() == ' ', "no space after the name");
    ++at_;
    std::string help;
    for (; at_ < line_.size(); ++at_) {
      if (line_[at_] == '\\') {
        ++at_;
        require(peek() == '\\' || peek() == 'n' || (open_metrics_ && peek() == '"'), "a wrong escape");
        help += peek() == 'n' ? '\n' : peek();
      } else {
        require(!open_metrics_ || peek() != '"', "a quote without escape");
        help += line_[at_];
      }
    }
    families[current_].help = help;
  }
  void read_type()
  {
    at_ = 7;
    require(read_name(true) == current_ && families[current_].type.empty(), "TYPE does not follow its HELP");
    families[current_].type = line_.substr(at_ + 1);
    const std::string& type = families[current_].type;
    require(type == "counter" || type == "gauge" || type == "histogram", "an unknown type");
    require(open_metrics_ || (type == "counter") == current_.ends_with("_total"), "only a counter is a _total");
    for (const char* const suffix : {"", "_total", "_created", "_bucket", "_sum", "_count"}) {
      const bool is_counter = *suffix == '\0' || std::string(suffix) == "_total" || std::string(suffix) == "_created";
      const bool mine = *suffix == '\0' || (type == "counter" && open_metrics_ && is_counter) ||
                        (type == "histogram" && std::string(suffix) != "_total");
      if (mine) require(names_.insert(current_ + suffix).second, "a name that another family has");
    }
  }

  void read_sample()
  {
    prometheus_sample s;
    s.name = read_name(true);
    prometheus_family& family = families[current_];
    require(!family.type.empty(), "a sample without TYPE");
    if (family.type == "histogram") {
      require(s.name == current_ + "_bucket" || s.name == current_ + "_sum" || s.name == current_ + "_count",
              "a sample of another family");
    } else {
      const bool suffixed = open_metrics_ && family.type == "counter";
      require(s.name == current_ + (suffixed ? "_total" : ""), "a sample of another family");
    }
    if (peek() == '{') {
      do {
        ++at_;
        const std::string label = read_name(false);
        require(peek() == '=', "no =");
        ++at_;
        require(s.labels.emplace(label, read_value()).second, "a label comes twice");
      } while (peek() == ',');
      require(peek() == '}', "no }");
      ++at_;
    }
    require(peek() == ' ', "no space before the value");
    s.value = line_.substr(at_ + 1);
    static_cast<void>(s.number());
    if (open_metrics_ && s.labels.contains("le") && family.type == "histogram") {
      const std::string& limit = s.labels["le"];
      require(limit == "+Inf" || limit.find('.') != std::string::npos, "a limit that is written as no float");
    }
    for (const prometheus_sample& other : family.samples) {
      require(other.name != s.name || other.labels != s.labels, "a sample comes twice");
    }
    family.samples.push_back(std::move(s));
  }
  std::string read_value()
  {
    require(peek() == '"', "no quote");
    std::string value;
    for (++at_; peek() != '"'; ++at_) {
      require(at_ < line_.size(), "a label does not end");
      if (peek() != '\\') {
        value += peek();
        continue;
      }
      ++at_;
      require(peek() == '\\' || peek() == 'n' || peek() == '"', "a wrong escape");
      value += peek() == 'n' && at_ < line_.size() ? '\n' : peek();
    }
    ++at_;
    return value;
  }

  std::string line_;
  std::size_t at_ = 0;
  std::string current_;
  bool open_metrics_;
  std::set<std::string> names_;
};

}  // namespace kvstrata_test
