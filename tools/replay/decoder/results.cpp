#include "replay/decoder/results.hpp"

#include "command_line/json_text.hpp"
#include "replay/format.hpp"
#include "replay/wrap.hpp"

#include <kvstrata/simulate/output_file.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace replay {
namespace {

constexpr std::size_t columns = 10;
using line = std::array<std::string, columns>;

std::uint64_t per_request(std::uint64_t bytes, const decoder_case_result& c)
{
  return c.counts.prompts.total() == 0 ? 0 : bytes / (std::max)(c.requests, std::uint64_t{1});
}

line line_of(const decoder_case_result& c)
{
  return {std::string(c.which.name),
          short_number(c.per_second()),
          seconds_text(c.latency.p50),
          seconds_text(c.latency.p99),
          percent(c.counts.prompts.computed_share()),
          bytes_text(per_request(c.counts.traffic.read(), c)),
          bytes_text(per_request(c.counts.traffic.moved_bytes, c)),
          percent(c.visited_share()),
          with_commas(c.invalid) + " of " + with_commas(c.found),
          c.verified == 0 ? "not asked" : with_commas(c.mismatches) + " of " + with_commas(c.verified)};
}

}  // namespace

std::string decoder_table(const decoder_results& r)
{
  std::vector<line> lines{{"", "requests/s", "p50", "p99", "prompts computed", "KV read a request", "KV moved",
                           "visited", "invalid items", "mismatches"}};
  for (const decoder_case_result& c : r.cases) lines.push_back(line_of(c));
  std::string out;
  std::vector<std::size_t> width(lines.size(), 0);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (const std::string& cell : lines[i]) width[i] = (std::max)(width[i], cell.size());
  }
  for (std::size_t row = 0; row < columns; ++row) {
    std::string text;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::string& cell = lines[i][row];
      const std::string pad(width[i] - cell.size(), ' ');
      text += i == 0 ? cell + pad : "   " + pad + cell;
    }
    out += text + "\n";
    if (row == 0) out += std::string(text.size(), '-') + "\n";
  }
  return out;
}

std::string decoder_summary(const decoder_results& r)
{
  std::string out = decoder_table(r) + "\n";
  const auto sentence = [&out](const std::string& text) {
    bool first = true;
    for (const std::string& one : wrap(text, 110)) {
      out += (first ? "- " : "  ") + one + "\n";
      first = false;
    }
  };
  sentence(with_commas(r.workload.requests) + " requests of " + with_commas(r.workload.users) + " users of " +
           r.workload.source + "; prompts of " + with_commas(static_cast<std::uint64_t>(r.workload.history_mean)) +
           " tokens on average, " + with_commas(r.items) + " items of " + std::to_string(r.how.steps) +
           " tokens, codebooks of " + with_commas(r.how.codebook) + ", " + with_commas(r.how.beams) + " beams.");
  for (const std::string& note : r.workload.notes) sentence(note);
  sentence(
      "KV read and moved is counted where beams' passes read it, and where beams are copied or forked; prompts' own "
      "passes "
      "and the link are not in it. A case that looks at all candidates finds the same beams.");
  return out;
}

void write_decoder_json(const decoder_results& r, const std::string& file)
{
  nlohmann::json all;
  all["model"] = {{"layers", r.how.common.layers}, {"hidden", r.how.common.hidden},
                  {"heads", r.how.common.heads},   {"head_dim", r.how.common.head_dim},
                  {"codebook", r.how.codebook},    {"steps", r.how.steps},
                  {"beams", r.how.beams},          {"items", r.items}};
  all["workload"] = {{"source", r.workload.source},
                     {"requests", r.workload.requests},
                     {"users", r.workload.users},
                     {"mean_prompt_tokens", r.workload.history_mean},
                     {"notes", r.workload.notes}};
  for (const decoder_case_result& c : r.cases) {
    all["cases"].push_back(
        {{"key", c.which.key},
         {"name", c.which.name},
         {"requests", c.requests},
         {"seconds", c.seconds},
         {"requests_per_second", c.per_second()},
         {"latency_seconds", {{"p50", c.latency.p50}, {"p99", c.latency.p99}, {"mean", c.latency.mean}}},
         {"prompt_tokens", {{"served", c.counts.prompts.hit()}, {"computed", c.counts.prompts.computed}}},
         {"kv_bytes",
          {{"of_prompts", c.counts.traffic.prompt_bytes},
           {"of_beams", c.counts.traffic.own_bytes},
           {"moved", c.counts.traffic.moved_bytes}}},
         {"candidates", {{"there", c.counts.candidates}, {"visited", c.counts.visited}}},
         {"found", c.found},
         {"invalid", c.invalid},
         {"verified", c.verified},
         {"mismatches", c.mismatches}});
  }
  kvstrata::write_file(file, tools::json_text(all) + "\n");
}

}  // namespace replay
