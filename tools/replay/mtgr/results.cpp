#include "replay/mtgr/results.hpp"

#include "command_line/json_text.hpp"
#include "replay/format.hpp"
#include "replay/wrap.hpp"

#include <kvstrata/simulate/output_file.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <sstream>
#include <utility>

namespace replay {
namespace {

constexpr std::size_t text_width = 110;

std::string giga(double flops) { return short_number(flops / 1e9); }

std::string table_of(const mtgr_pass& p)
{
  const std::vector<mtgr_row> lines = mtgr_rows(p);
  std::size_t first = 0;
  std::vector<std::size_t> widths;
  for (const mtgr_case_result& c : p.cases) widths.push_back(c.which.name.size());
  for (const mtgr_row& l : lines) {
    first = (std::max)(first, l.name.size());
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = (std::max)(widths[i], l.values[i].size());
  }
  std::ostringstream out;
  const auto right = [&out](const std::string& text, std::size_t width) {
    out << "   " << std::string(width - text.size(), ' ') << text;
  };
  out << mtgr_bound_sentence(p) << '\n' << std::string(first, ' ');
  for (std::size_t i = 0; i < widths.size(); ++i) right(std::string(p.cases[i].which.name), widths[i]);
  out << '\n' << std::string(std::accumulate(widths.begin(), widths.end(), first + 3 * widths.size()), '-') << '\n';
  for (const mtgr_row& l : lines) {
    out << l.name << std::string(first - l.name.size(), ' ');
    for (std::size_t i = 0; i < widths.size(); ++i) right(l.values[i], widths[i]);
    out << '\n';
  }
  return out.str();
}

nlohmann::ordered_json json_of(const mtgr_part_result& p)
{
  return {{"from_slab", p.tokens.served[0]},
          {"from_arena", p.tokens.fetched()},
          {"computed", p.tokens.computed},
          {"computed_again", p.again},
          {"superseded", p.superseded}};
}

nlohmann::ordered_json json_of(const mtgr_pass& p)
{
  using json = nlohmann::ordered_json;
  json cases = json::array();
  for (const mtgr_case_result& c : p.cases) {
    cases.push_back({{"key", c.which.key},
                     {"name", c.which.name},
                     {"requests", c.requests},
                     {"processor_seconds", c.processor_seconds},
                     {"speed_up", speed_up(p, c)},
                     {"batch_seconds_mean", mean_batch_seconds(c)},
                     {"batch_seconds_p99", p99_batch_seconds(c)},
                     {"statics", json_of(c.statics)},
                     {"recents", json_of(c.recents)},
                     {"candidates", {{"computed", c.candidates.tokens.computed}}},
                     {"flops",
                      {{"statics", c.flops.statics},
                       {"recents", c.flops.recents},
                       {"candidates", c.flops.candidates},
                       {"all", c.flops.all()}}},
                     {"verified", c.verified},
                     {"wrong", c.wrong},
                     {"furthest_score", c.furthest}});
  }
  return {{"candidates", p.candidates}, {"bound", p.bound}, {"cases", std::move(cases)}};
}

}  // namespace

double mean_batch_seconds(const mtgr_case_result& c)
{
  const std::vector<double>& samples = c.latency_seconds;
  return samples.empty() ? 0
                         : std::accumulate(samples.begin(), samples.end(), 0.0) / static_cast<double>(samples.size());
}

double p99_batch_seconds(const mtgr_case_result& c)
{
  std::vector<double> samples = c.latency_seconds;
  std::sort(samples.begin(), samples.end());
  return percentile(std::span<const double>(samples), 0.99);
}

std::vector<mtgr_row> mtgr_rows(const mtgr_pass& p)
{
  std::vector<mtgr_row> out;
  const auto add = [&](const std::string& name, const std::function<std::string(const mtgr_case_result&)>& value) {
    mtgr_row one{name, {}};
    for (const mtgr_case_result& c : p.cases) one.values.push_back(value(c));
    out.push_back(std::move(one));
  };
  add("speed-up (processor time)", [&p](const auto& c) {
    const double ratio = speed_up(p, c);
    return ratio > 0 ? times(ratio) : std::string("-");
  });
  add("processor time a request",
      [](const auto& c) { return seconds_text(c.processor_seconds / static_cast<double>(c.requests)); });
  add("a batch takes, mean", [](const auto& c) { return seconds_text(mean_batch_seconds(c)); });
  add("  p99", [](const auto& c) { return seconds_text(p99_batch_seconds(c)); });
  const auto add_part = [&add](const std::string& name, mtgr_part_result mtgr_case_result::* part) {
    add(name + " tokens from the slab", [part](const auto& c) { return with_commas((c.*part).tokens.served[0]); });
    add("  from the arena", [part](const auto& c) { return with_commas((c.*part).tokens.fetched()); });
    add("  computed", [part](const auto& c) { return with_commas((c.*part).tokens.computed); });
    add("    of these once more", [part](const auto& c) { return with_commas((c.*part).again); });
    add("  superseded", [part](const auto& c) { return with_commas((c.*part).superseded); });
  };
  add_part("U and S", &mtgr_case_result::statics);
  add_part("R", &mtgr_case_result::recents);
  add("candidates computed", [](const auto& c) { return with_commas(c.candidates.tokens.computed); });
  add("GFLOP, U and S", [](const auto& c) { return giga(c.flops.statics); });
  add("  R", [](const auto& c) { return giga(c.flops.recents); });
  add("  candidates", [](const auto& c) { return giga(c.flops.candidates); });
  add("  all", [](const auto& c) { return giga(c.flops.all()); });
  add("requests checked", [](const auto& c) { return with_commas(c.verified); });
  add("  with wrong scores", [](const auto& c) { return with_commas(c.wrong); });
  return out;
}

std::string mtgr_bound_sentence(const mtgr_pass& p)
{
  return "K = " + std::to_string(p.candidates) + ": a cache that forgets nothing needs " + times(p.bound) +
         " fewer FLOPs than no cache";
}

std::string mtgr_words()
{
  return "\"Once more\" are tokens that an earlier request had computed, of the same version of U and S. "
         "\"Superseded\" are "
         "tokens that the cache had and forgot because of another version: of U and S the old ones, of R what stood on "
         "them. "
         "FLOPs are those of matrix products (models/mtgr/flops.hpp).";
}

double speed_up(const mtgr_pass& p, const mtgr_case_result& c)
{
  const auto none = std::find_if(p.cases.begin(), p.cases.end(), [](const mtgr_case_result& other) {
    return other.which.keeping == mtgr_keeping::nowhere;
  });
  return none == p.cases.end() || c.processor_seconds <= 0 ? 0 : none->processor_seconds / c.processor_seconds;
}

std::string mtgr_table(const mtgr_results& r)
{
  std::string out;
  for (const mtgr_pass& p : r.passes) out += (out.empty() ? "" : "\n") + table_of(p);
  return out;
}

std::string mtgr_summary(const mtgr_results& r)
{
  std::string out = mtgr_table(r) + "\n";
  const auto paragraph = [&out](const std::string& text) {
    bool first = true;
    for (const std::string& one : wrap(text, text_width)) {
      out += (first ? "- " : "  ") + one + "\n";
      first = false;
    }
  };
  paragraph(with_commas(r.workload.requests) + " requests of " + with_commas(r.workload.users) + " users, " +
            r.workload.source + ". " + r.workload.description);
  for (const std::string& note : r.workload.notes) paragraph(note);
  paragraph(mtgr_words());
  return out;
}

std::string mtgr_wrong_answers(const mtgr_results& r)
{
  std::string out;
  for (const mtgr_pass& p : r.passes) {
    for (const mtgr_case_result& c : p.cases) {
      if (c.wrong == 0) continue;
      if (!out.empty()) out += "; ";
      out += "with ";
      out += std::to_string(p.candidates);
      out += " candidates case '";
      out += c.which.name;
      out += "' gave ";
      out += std::to_string(c.wrong);
      out += " of ";
      out += std::to_string(c.verified);
      out += " checked requests scores that are not those of recomputation, up to ";
      out += short_number(c.furthest);
      out += " from them";
    }
  }
  return out;
}

std::string mtgr_json(const mtgr_results& r)
{
  nlohmann::ordered_json passes = nlohmann::ordered_json::array();
  for (const mtgr_pass& p : r.passes) passes.push_back(json_of(p));
  const nlohmann::ordered_json all = {{"model", "mtgr"},
                                      {"cut", r.how.cut},
                                      {"sequence_tokens", r.how.sequence},
                                      {"requests", r.workload.requests},
                                      {"users", r.workload.users},
                                      {"source", r.workload.source},
                                      {"notes", r.workload.notes},
                                      {"passes", std::move(passes)}};
  return tools::json_text(all);
}

void write_mtgr_json(const mtgr_results& r, const std::string& file)
{
  kvstrata::write_file(file, mtgr_json(r) + "\n");
}

}  // namespace replay
