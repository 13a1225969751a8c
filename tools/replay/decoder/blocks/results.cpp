#include "replay/decoder/blocks/results.hpp"

#include "command_line/json_text.hpp"
#include "replay/format.hpp"
#include "replay/line_plot.hpp"
#include "replay/report_parts.hpp"
#include "replay/wrap.hpp"

#include <kvstrata/simulate/output_file.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>

namespace replay {
namespace {

const block_case_result* prefix_of(const block_results& r)
{
  for (const block_case_result& c : r.cases) {
    if (c.which.reuse == text_reuse::prefix) return &c;
  }
  return nullptr;
}

const block_case_result* control_of(const block_results& r, const block_case& of)
{
  for (const block_case_result& c : r.cases) {
    if (c.which.by == chooser::random && c.which.share == of.share && c.which.stands_in == of.stands_in) return &c;
  }
  return nullptr;
}

bool is_verified(const block_results& r)
{
  return std::any_of(r.cases.begin(), r.cases.end(), [](const block_case_result& c) { return c.errors.verified != 0; });
}

std::string over_prefix(const block_results& r, const block_case_result& c)
{
  const block_case_result* const prefix = prefix_of(r);
  return prefix == nullptr || c.seconds <= 0 ? "-" : times(prefix->seconds / c.seconds);
}

std::string rows_text(const block_results& r, const block_case_result& c)
{
  const block_case_result* const prefix = prefix_of(r);
  if (prefix == nullptr || prefix->rows == 0) return with_commas(c.rows);
  return percent(static_cast<double>(c.rows) / static_cast<double>(prefix->rows));
}

std::vector<std::string> header(const block_results& r)
{
  std::vector<std::string> out{"",       "requests/s", "p50",        "p99", "times prefix", "rows",  "answers",
                               "reused", "stood in",   "recomputed", "own", "encoded",      "served"};
  if (is_verified(r)) out.insert(out.end(), {"KV error", "logit error", "top 10", "ranks", "mismatches"});
  return out;
}

std::vector<std::string> row_of(const block_results& r, const block_case_result& c)
{
  std::vector<std::string> out{name_of(c.which),
                               short_number(c.per_second()),
                               seconds_text(c.latency.p50),
                               seconds_text(c.latency.p99),
                               over_prefix(r, c),
                               rows_text(r, c),
                               answers_text(c),
                               with_commas(c.reused),
                               with_commas(c.stood_in),
                               with_commas(c.recomputed),
                               with_commas(c.own),
                               with_commas(c.encoded),
                               percent(c.texts.hit_share())};
  if (!is_verified(r)) return out;
  out.insert(out.end(),
             {fixed(c.errors.kv, 4), fixed(c.errors.logits, 4), percent(c.errors.top), fixed(c.errors.ranks, 3),
              with_commas(c.errors.mismatches) + " of " + with_commas(c.errors.verified)});
  return out;
}

nlohmann::json json_of(const block_case_result& c)
{
  nlohmann::json out = {
      {"key", c.which.key},
      {"name", name_of(c.which)},
      {"share", c.which.share},
      {"answers", answers_text(c)},
      {"exact_answers", c.exact},
      {"requests", c.requests},
      {"seconds", c.seconds},
      {"requests_per_second", c.per_second()},
      {"latency_seconds", {{"p50", c.latency.p50}, {"p99", c.latency.p99}, {"mean", c.latency.mean}}},
      {"tokens",
       {{"reused", c.reused},
        {"reused_exactly", c.reused_exactly},
        {"stood_in", c.stood_in},
        {"recomputed", c.recomputed},
        {"own", c.own},
        {"encoded", c.encoded}}},
      {"text_tokens", {{"slab", c.texts.served[0]}, {"below", c.texts.fetched()}, {"encoded", c.texts.computed}}},
      {"rows_through_layers", c.rows}};
  if (c.errors.verified == 0) return out;
  out["against_recomputation"] = {{"verified", c.errors.verified},     {"mismatches", c.errors.mismatches},
                                  {"kv_error", c.errors.kv},           {"kv_error_by_layer", c.errors.layers},
                                  {"logit_error", c.errors.logits},    {"top_10", c.errors.top},
                                  {"rank_correlation", c.errors.ranks}};
  return out;
}

/// A figure against the share computed anew, a line a selector; all begin with blocks as they are, where that case was run.
std::vector<plotted_line> curves(const block_results& r, double (*figure)(const block_case_result&))
{
  std::vector<plotted_line> out;
  for (const block_case_result& c : r.cases) {
    if (c.which.by == chooser::none) continue;
    if (out.empty() || out.back().name != c.which.key) {
      out.push_back({.colour = out.size(), .name = std::string(c.which.key), .points = {}});
      for (const block_case_result& bare : r.cases) {
        if (bare.which.reuse == text_reuse::blocks && bare.which.by == chooser::none &&
            bare.which.stands_in == c.which.stands_in) {
          out.back().points.emplace_back(0, figure(bare));
        }
      }
    }
    out.back().points.emplace_back(c.which.share, figure(c));
  }
  return out;
}

std::string page_table(const block_results& r)
{
  std::ostringstream out;
  out << "<div class=\"scroll\"><table><thead><tr>";
  for (const std::string& name : header(r)) out << element("th", name);
  out << "</tr></thead><tbody>\n";
  for (const block_case_result& c : r.cases) {
    const std::vector<std::string> cells = row_of(r, c);
    out << "<tr>";
    for (std::size_t i = 0; i < cells.size(); ++i) out << element(i == 0 ? "th" : "td", cells[i]);
    out << "</tr>\n";
  }
  out << "</tbody></table></div>\n";
  return out.str();
}

}  // namespace

std::string answers_text(const block_case_result& c)
{
  if (c.reused == c.reused_exactly) return "exact";
  return c.exact == 0 ? "approximate" : "some exact";
}

std::string block_table(const block_results& r)
{
  std::vector<std::vector<std::string>> rows{header(r)};
  for (const block_case_result& c : r.cases) rows.push_back(row_of(r, c));
  std::vector<std::size_t> width(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) width[i] = (std::max)(width[i], row[i].size());
  }
  std::string out;
  for (std::size_t k = 0; k < rows.size(); ++k) {
    std::string text;
    for (std::size_t i = 0; i < rows[k].size(); ++i) {
      const std::string pad(width[i] - rows[k][i].size(), ' ');
      text += i == 0 ? rows[k][i] + pad : "  " + pad + rows[k][i];
    }
    out += text + "\n";
    if (k == 0) out += std::string(text.size(), '-') + "\n";
  }
  return out;
}

std::vector<std::string> block_remarks(const block_results& r)
{
  std::vector<std::string> out;
  out.push_back(with_commas(r.workload.requests) + " requests of " + with_commas(r.workload.users) + " users of " +
                r.workload.source + "; prompts of " + with_commas(static_cast<std::uint64_t>(r.prompt_mean)) +
                " tokens on average, " + percent(r.candidate_share) + " of them of candidates; " +
                with_commas(r.texts) + " distinct texts. Weights are random.");
  for (const std::string& note : r.workload.notes) out.push_back(note);
  out.push_back("Each case has a slab of " + bytes_text(r.sizes.device_bytes) + " and an arena of " +
                bytes_text(r.sizes.host_bytes) + ".");
  out.push_back(
      "Blocks are approximate: their tokens did not see what stands before them. Reused: tokens of prompts that were "
      "taken "
      "from blocks, or from the prefix; recomputed: in blocks, and computed all the same; own: in none. Encoded: what "
      "the "
      "cache lacked of blocks, or of the prefix, once for all who come later. Rows: tokens through whole layers, those "
      "encoded included, beside the prefix cache's.");
  if (r.prototypes != 0) {
    std::uint64_t lacking = 0, stood_in = 0;
    for (const block_case_result& c : r.cases) {
      if (!c.which.stands_in || c.which.by != chooser::none) continue;
      lacking = c.recomputed;
      stood_in = c.stood_in;
    }
    out.push_back("Stood in: " + with_commas(r.prototypes) + " prototypes, " + bytes_text(r.prototype_bytes) +
                  " of K and V, made of texts that no prompt has" +
                  (lacking + stood_in == 0
                       ? std::string(".")
                       : "; of the histories' tokens " +
                             percent(static_cast<double>(stood_in) / static_cast<double>(lacking + stood_in)) +
                             " have one that is as near as --least-cosine says, the others are computed."));
  }
  if (!is_verified(r)) {
    out.push_back("How far off the approximate answers are was not asked: --verify tells.");
    return out;
  }
  out.push_back(
      "Errors are relative, of K and V at all positions (mean of layers) and of the logits behind the prompt, against "
      "the "
      "prompt computed anew. Mismatch: another answer than the case's own on an empty cache, or one that says it is "
      "exact "
      "and is not.");
  std::string worse;
  for (const block_case_result& c : r.cases) {
    if (c.which.by == chooser::none || c.which.by == chooser::random || c.which.share <= 0 || c.which.share >= 1)
      continue;
    const block_case_result* const control = control_of(r, c.which);
    if (control == nullptr || control->errors.verified == 0) continue;
    const bool kv = c.errors.kv >= control->errors.kv, logits = c.errors.logits >= control->errors.logits;
    if (!kv && !logits) continue;
    worse += (worse.empty() ? "" : "; ") + name_of(c.which) + " in " +
             (kv && logits ? "K, V and logits"
              : kv         ? "K and V"
                           : "logits");
  }
  if (!worse.empty()) out.push_back("No better than random tokens: " + worse + ".");
  return out;
}

std::string block_summary(const block_results& r)
{
  std::string out = block_table(r) + "\n";
  for (const std::string& remark : block_remarks(r)) {
    bool first = true;
    for (const std::string& line : wrap(remark, 110)) {
      out += (first ? "- " : "  ") + line + "\n";
      first = false;
    }
  }
  return out;
}

void write_block_json(const block_results& r, const std::string& file)
{
  const options& o = r.how.common;
  nlohmann::json all;
  all["model"] = {{"layers", o.layers},     {"hidden", o.hidden},   {"heads", o.heads},
                  {"head_dim", o.head_dim}, {"words", r.how.words}, {"seed", o.seed}};
  all["workload"] = {{"source", r.workload.source},
                     {"requests", r.workload.requests},
                     {"users", r.workload.users},
                     {"mean_prompt_tokens", r.prompt_mean},
                     {"share_of_candidates", r.candidate_share},
                     {"distinct_texts", r.texts},
                     {"notes", r.workload.notes}};
  all["cache"] = {{"slab_bytes", r.sizes.device_bytes}, {"arena_bytes", r.sizes.host_bytes}};
  if (r.prototypes != 0) {
    all["prototypes"] = {{"count", r.prototypes}, {"bytes", r.prototype_bytes}, {"least_cosine", r.how.least_cosine}};
  }
  for (const block_case_result& c : r.cases) all["cases"].push_back(json_of(c));
  kvstrata::write_file(file, tools::json_text(all) + "\n");
}

void write_block_page(const block_results& r, const std::string& file)
{
  std::ostringstream out;
  out << page_head(
             std::string(parts::report_css) + std::string(plot_style), "kvstrata-replay --model decoder --blocks",
             "Texts as blocks beside a prefix cache",
             "What is reused wherever it stands is approximate: how far off, and what it saves, against the share "
             "of its tokens that is computed anew.")
      << "\n</header>\n<section>\n";
  const auto figure = [&](const std::string& label, const std::string& unit, double (*of)(const block_case_result&)) {
    const std::vector<plotted_line> lines = curves(r, of);
    if (lines.empty()) return;
    out << element("h2", label) << '\n'
        << line_keys(lines) << line_plot(label, lines, 1, "share of blocks' tokens computed anew", unit);
  };
  if (is_verified(r)) {
    figure("Relative error of K and V", "", [](const block_case_result& c) { return c.errors.kv; });
    figure("Relative error of logits", "", [](const block_case_result& c) { return c.errors.logits; });
  }
  figure("Median time of a prompt", " ms", [](const block_case_result& c) { return 1e3 * c.latency.p50; });
  out << page_table(r) << "</section>\n<section>\n<h2>How to read this</h2>\n<ul>\n";
  for (const std::string& remark : block_remarks(r)) out << element("li", remark) << '\n';
  out << "</ul>\n</section>\n</main>\n</body>\n</html>\n";
  kvstrata::write_file(file, out.str());
}

}  // namespace replay
