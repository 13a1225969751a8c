#include "replay/traces.hpp"

#include "command_line/json_text.hpp"

#include <kvstrata/simulate/output_file.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>

namespace replay {

std::string join_traces(const std::vector<case_trace>& traces)
{
  using json = nlohmann::ordered_json;
  json events = json::array();
  for (std::size_t i = 0; i < traces.size(); ++i) {
    json one = json::parse(traces[i].trace).at("traceEvents");
    std::optional<double> begin;
    for (const json& e : one) {
      if (e.contains("ts")) begin = std::min(begin.value_or(e.at("ts").get<double>()), e.at("ts").get<double>());
    }
    for (json& e : one) {
      e["pid"] = i + 1;
      if (e.contains("ts")) e["ts"] = e.at("ts").get<double>() - *begin;
      if (e.at("name") == "process_name") e["args"]["name"] = traces[i].name;
      events.push_back(std::move(e));
    }
    events.push_back({{"ph", "M"}, {"pid", i + 1}, {"name", "process_sort_index"}, {"args", {{"sort_index", i}}}});
  }
  const json all = {{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}};
  return tools::json_text(all, -1) + "\n";
}

void write_traces(const std::vector<case_trace>& traces, const std::string& path)
{
  kvstrata::write_file(path, join_traces(traces));
}

}  // namespace replay
