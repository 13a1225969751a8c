// Where a report goes: one file as JSON, one as Markdown, or none. Each is written anew after every table, as a whole: a
// program that is stopped leaves what it had measured until then, and never half a file.
#pragma once

#include "report.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/output_file.hpp>

#include <filesystem>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

namespace bench {

class report_files
{
 public:
  /// An empty path: no such file.
  report_files(std::string json, std::string markdown) : json_(std::move(json)), markdown_(std::move(markdown)) {}

  /// Both files anew. Throws kvstrata::data_error when one cannot be written, once the report is finished; until then the
  /// measuring goes on.
  void write(const report& r) const
  {
    try {
      write_one(json_, r, write_json);
      write_one(markdown_, r, write_markdown);
    } catch (const kvstrata::data_error&) {
      if (r.finished) throw;
    }
  }

 private:
  template <class Write>
  static void write_one(const std::string& path, const report& r, Write&& as)
  {
    if (path.empty() || (!r.finished && is_stream(path))) return;
    std::ostringstream text;
    as(text, r);
    kvstrata::write_file(path, text.str());
  }

  /// A pipe or a terminal takes a report once, at the end.
  [[nodiscard]] static bool is_stream(const std::string& path)
  {
    std::error_code ignored;
    return kvstrata::open_file_of(path).has_value() ||
           (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored));
  }

  std::string json_, markdown_;
};

}  // namespace bench
