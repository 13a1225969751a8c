// One batch of every case, call by call and copy by copy, in one file for Perfetto or Chrome.
#pragma once

#include <string>
#include <vector>

namespace replay {

struct case_trace
{
  std::string name;   ///< the case's
  std::string trace;  ///< a file that kvstrata::timeline wrote
};

/// Joins the traces into one whose processes are the cases, all beginning at 0. Throws nlohmann::json::exception for a
/// text that is no trace.
[[nodiscard]] std::string join_traces(const std::vector<case_trace>& traces);

/// Throws kvstrata::data_error when the file cannot be written.
void write_traces(const std::vector<case_trace>& traces, const std::string& path);

}  // namespace replay
