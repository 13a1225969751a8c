#include "gpu_replay/report.hpp"

#include "command_line/json_text.hpp"
#include "replay/format.hpp"
#include "replay/json.hpp"
#include "replay/sentences.hpp"
#include "replay/wrap.hpp"

#include <kvstrata/simulate/output_file.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <sstream>
#include <string_view>

namespace gpu_replay {
namespace {

using replay::fixed;
using replay::seconds_text;

// What this project asks of a GPU (docs/benchmarks says why).
constexpr double most_slab_hit_ratio = 1.5;
constexpr double least_speed_up = 3.1;
constexpr double least_hit_share = 0.985;

table ceiling_table(const results& r)
{
  return {"Ceilings, measured in this run",
          {"what", "rate"},
          {{"pinned memory to device, one large copy", replay::rate_text(r.best.to_device, "B")},
           {"device to pinned memory, one large copy", replay::rate_text(r.best.from_device, "B")},
           {"device memory, read and written by a large copy", replay::rate_text(r.best.on_device, "B")},
           {"bf16 matrix product", replay::rate_text(r.best.product, "FLOP")}}};
}

/// The same batch without a cache, or nothing.
const step_result* alone(const results& r, const step_result& s)
{
  for (const step_result& other : r.steps) {
    if (other.kind == step_kind::no_cache && other.requests == s.requests && other.tokens == s.tokens) return &other;
  }
  return nullptr;
}

table step_table(const results& r)
{
  table t{"Single steps: one batch, from prepare until its scores are there",
          {"step", "requests", "tokens each", "new", "median", "least", "most", "queued in", "needs", "times its needs",
           "roofline", "times its roofline", "over no cache"},
          {}};
  for (const step_result& s : r.steps) {
    const step_result* none = alone(r, s);
    t.rows.push_back({name_of(s.kind), std::to_string(s.requests), replay::with_commas(s.tokens),
                      std::to_string(s.new_tokens), seconds_text(s.seconds), seconds_text(s.least),
                      seconds_text(s.most), seconds_text(s.queue_seconds), seconds_text(s.needed),
                      replay::times(s.ratio()), seconds_text(s.roofline), replay::times(s.roofline_ratio()),
                      none == nullptr || s.seconds <= 0 ? "-" : replay::times(none->seconds / s.seconds)});
  }
  return t;
}

table case_table(const results& r)
{
  table t{"Cases, over the same requests", {""}, {}};
  for (const replay::case_result& c : r.run.cases) t.columns.push_back(c.name);
  for (const replay::metric& m : replay::metrics(r.run)) {
    if (m.name == "exposed transfer" && r.measured) continue;  // a GPU does not tell
    if (m.rare && std::all_of(m.values.begin(), m.values.end(), [](const auto& v) { return v == "0"; })) continue;
    t.rows.push_back({m.name});
    t.rows.back().insert(t.rows.back().end(), m.values.begin(), m.values.end());
  }
  const auto row = [&](const std::string& name, auto&& value) {
    t.rows.push_back({name});
    for (const replay::case_result& c : r.run.cases) t.rows.back().push_back(value(c));
  };
  using one = const replay::case_result&;
  row("tokens not computed", [](one c) { return replay::fixed(100 * c.tokens.hit_share(), 2) + " %"; });
  row("tokens/s", [&](one c) {
    const double rate = tokens_per_second(r, c);
    return rate > 0 ? replay::short_number(rate) : std::string("-");
  });
  row("queued in, a batch",
      [](one c) { return seconds_text(c.batches == 0 ? 0 : c.queue_seconds / static_cast<double>(c.batches)); });
  return t;
}

/// A graph of kernels saves the host's time at best, and only where the GPU waits for the host.
void tell_queueing(std::vector<std::string>& out, const results& r)
{
  const step_result* worst = nullptr;
  const auto share = [](const step_result& s) { return s.seconds > 0 ? s.queue_seconds / s.seconds : 0; };
  for (const step_result& s : r.steps) {
    if (s.kind == step_kind::slab_hit && (worst == nullptr || share(s) > share(*worst))) worst = &s;
  }
  if (worst == nullptr) return;
  out.push_back("Queueing a slab-hit step takes the host " + seconds_text(worst->queue_seconds) + " of its " +
                seconds_text(worst->seconds) + " at most, " + replay::percent(share(*worst)) + " (" +
                std::to_string(worst->requests) + " x " + replay::with_commas(worst->tokens) +
                " tokens): where that is most of it, a CUDA graph could pay.");
}

std::string met_or_short(bool met) { return met ? "met" : "short"; }

void tell_targets(std::vector<std::string>& out, const results& r)
{
  const step_result* worst = nullptr;
  for (const step_result& s : r.steps) {
    if (s.kind == step_kind::slab_hit && (worst == nullptr || s.ratio() > worst->ratio())) worst = &s;
  }
  if (worst != nullptr) {
    out.push_back("Target: a slab-hit step takes less than " + fixed(most_slab_hit_ratio, 1) +
                  "x of what its bytes and operations need. The worst takes " + fixed(worst->ratio(), 2) + "x (" +
                  std::to_string(worst->requests) + " x " + replay::with_commas(worst->tokens) +
                  " tokens): " + met_or_short(worst->ratio() < most_slab_hit_ratio) + ".");
  }
  const replay::case_result* ours = replay::find_case(r.run, "default_cache");
  if (ours == nullptr) return;
  if (ours->speed_up > 0) {
    out.push_back("Target: default_cache serves at least " + fixed(least_speed_up, 1) +
                  "x as fast as the same kernels without a cache. It is " + fixed(ours->speed_up, 2) +
                  "x: " + met_or_short(ours->speed_up >= least_speed_up) + ".");
  }
  out.push_back("Target: more than " + fixed(100 * least_hit_share, 1) + " % of the tokens are not computed again. " +
                fixed(100 * ours->tokens.hit_share(), 2) +
                " % are not, first visits included: " + met_or_short(ours->tokens.hit_share() > least_hit_share) + ".");
}

void tell_agreement(std::vector<std::string>& out, const agreement& a)
{
  if (a.requests == 0) {
    out.push_back("Verification was asked for, but no answer was kept: nothing was compared.");
    return;
  }
  std::ostringstream line;
  line.precision(3);
  line << (a.beyond == 0 ? "Verified: " : "VERIFICATION FAILED: ") << replay::with_commas(a.requests)
       << " answers were recomputed without a cache; the largest relative difference is " << a.largest
       << ", on average " << a.mean << " (norms; bf16 rounds to 0.002, and " << a.bound << " is taken for wrong)";
  if (a.beyond == 0) line << ".";
  else line << "; " << replay::with_commas(a.beyond) << " lie beyond, the first: " << a.first << ".";
  out.push_back(line.str());
}

template <class Line>
void each_line(const table& t, Line&& line)
{
  std::vector<std::size_t> width(t.columns.size(), 0);
  const auto widen = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) width[i] = (std::max)(width[i], cells[i].size());
  };
  widen(t.columns);
  for (const auto& row : t.rows) widen(row);
  line(t.columns, width, true);
  for (const auto& row : t.rows) line(row, width, false);
}

std::string padded(const std::string& cell, std::size_t width, bool left)
{
  const std::string space(width - (std::min)(width, cell.size()), ' ');
  return left ? cell + space : space + cell;
}

std::string text_of(const table& t)
{
  std::string out = t.title + "\n";
  each_line(t, [&](const std::vector<std::string>& cells, const std::vector<std::size_t>& width, bool head) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) line += (i == 0 ? "" : "  ") + padded(cells[i], width[i], i == 0);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
    if (!head) return;
    std::size_t all = 2 * (width.size() - 1);
    for (const std::size_t w : width) all += w;
    out += std::string(all, '-') + '\n';
  });
  return out;
}

std::string markdown_of(const table& t)
{
  std::string out = "### " + t.title + "\n\n";
  each_line(t, [&](const std::vector<std::string>& cells, const std::vector<std::size_t>& width, bool head) {
    out += '|';
    for (std::size_t i = 0; i < cells.size(); ++i) out += ' ' + padded(cells[i], width[i], i == 0) + " |";
    out += '\n';
    if (!head) return;
    out += '|';
    for (std::size_t i = 0; i < cells.size(); ++i) out += i == 0 ? "---|" : "--:|";
    out += '\n';
  });
  return out;
}

}  // namespace

std::vector<table> tables(const results& r)
{
  std::vector<table> out{ceiling_table(r)};
  if (!r.steps.empty()) out.push_back(step_table(r));
  if (!r.run.cases.empty()) out.push_back(case_table(r));
  return out;
}

std::vector<std::string> sentences(const results& r)
{
  std::vector<std::string> out;
  if (!r.measured) {
    out.emplace_back(
        "Emulated: the kernels ran on the CPU, one thread after the other. No time above is a measurement of anything; "
        "tokens, bytes and answers are what a GPU would give.");
  }
  out.push_back(replay::workload_sentence(r.run.workload));
  for (const std::string& note : r.run.workload.notes) out.push_back(note);
  if (!r.steps.empty()) {
    out.emplace_back(
        "A step needs at least: the bytes of keys, values and weights that it reads, at the rate of a plain copy on "
        "the "
        "device, and then its operations, at the rate of a large product; or, where that takes longer, its fetch at "
        "the "
        "rate of a plain copy out of pinned memory. Its roofline is the longest of these three, as if all were done at "
        "once.");
  }
  if (r.measured) {
    const double length = r.run.balance.tokens();
    out.push_back("Break-even length L* = 2 F / B - 5 d = " + fixed(length, 0) +
                  " tokens, by the ceilings: shorter histories could be computed in less time than fetched.");
    tell_targets(out, r);
    tell_queueing(out, r);
  }
  if (r.verified) tell_agreement(out, *r.verified);
  return out;
}

std::string text(const results& r)
{
  std::string out;
  for (const auto& [name, value] : r.facts) out += name + ": " + value + '\n';
  for (const table& t : tables(r)) out += '\n' + text_of(t);
  out += '\n';
  for (const std::string& sentence : sentences(r)) {
    bool first = true;
    for (const std::string& line : replay::wrap(sentence, 110)) {
      out += (first ? "- " : "  ") + line + '\n';
      first = false;
    }
  }
  return out;
}

std::string markdown(const results& r, const std::string& command)
{
  std::string out = "## End to end: kvstrata-gpu-replay\n\n";
  for (const auto& [name, value] : r.facts) out += "- " + name + ": " + value + '\n';
  out += "- host: " + replay::machine_sentence(r.run.machine) + "\n- command: `" + command + "`\n";
  for (const table& t : tables(r)) out += '\n' + markdown_of(t);
  out += '\n';
  for (const std::string& sentence : sentences(r)) out += "- " + sentence + '\n';
  return out;
}

void write_json(const results& r, const std::string& path)
{
  using json = nlohmann::ordered_json;
  json facts = json::object();
  for (const auto& [name, value] : r.facts) facts[name] = value;
  json steps = json::array();
  for (const step_result& s : r.steps) {
    steps.push_back({{"kind", name_of(s.kind)},
                     {"requests", s.requests},
                     {"tokens", s.tokens},
                     {"new_tokens", s.new_tokens},
                     {"seconds", s.seconds},
                     {"least", s.least},
                     {"most", s.most},
                     {"queue_seconds", s.queue_seconds},
                     {"bytes", s.bytes},
                     {"flops", s.flops},
                     {"link_bytes", s.link_bytes},
                     {"needed", s.needed},
                     {"ratio", s.ratio()},
                     {"roofline", s.roofline},
                     {"roofline_ratio", s.roofline_ratio()}});
  }
  json sampled = json::array();
  for (const sampled_case& s : r.sampled) {
    sampled.push_back({{"name", s.name},
                       {"one_batch_of", s.one_batch_of},
                       {"seconds", s.seconds},
                       {"scaled_to_all_batches", json::array({"seconds", "speed_up"})},
                       {"of_the_sample", "every other figure of the case"}});
  }
  json rates = json::object();
  for (const replay::case_result& c : r.run.cases) rates[c.name] = tokens_per_second(r, c);
  json agreed = nullptr;
  if (r.verified) {
    const agreement& a = *r.verified;
    agreed = {{"requests", a.requests}, {"mean", a.mean},     {"largest", a.largest},
              {"bound", a.bound},       {"beyond", a.beyond}, {"first", a.first}};
  }
  json all = replay::to_json(r.run);
  all["gpu"] = {{"measured", r.measured},
                {"startup_seconds", r.startup_seconds},
                {"facts", std::move(facts)},
                {"ceilings",
                 {{"to_device", r.best.to_device},
                  {"from_device", r.best.from_device},
                  {"on_device", r.best.on_device},
                  {"product", r.best.product}}},
                {"steps", std::move(steps)},
                {"sampled", std::move(sampled)},
                {"tokens_per_second", std::move(rates)},
                {"agreement", std::move(agreed)}};
  kvstrata::write_file(path, tools::json_text(all) + "\n");
}

}  // namespace gpu_replay
