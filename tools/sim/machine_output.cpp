#include "sim/machine_output.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <numeric>
#include <ostream>
#include <string_view>
#include <utility>

namespace sim {
namespace {

using kvstrata::mean_interval;
using kvstrata::serving_report;

std::string text(const char* format, auto... values)
{
  std::string out(static_cast<std::size_t>(std::snprintf(nullptr, 0, format, values...)), '\0');
  std::snprintf(out.data(), out.size() + 1, format, values...);
  return out;
}

/// The figures of a cell that have an interval: name, in tables, unit.
struct figure
{
  const char* name;
  double (*of)(const serving_report&);
};
constexpr std::array<figure, 5> figures{
    {{"requests_per_second", [](const serving_report& r) { return r.requests_per_second(); }},
     {"mean", [](const serving_report& r) { return r.mean_latency(); }},
     {"p50", [](const serving_report& r) { return r.percentile(0.5); }},
     {"p90", [](const serving_report& r) { return r.percentile(0.9); }},
     {"p99", [](const serving_report& r) { return r.percentile(0.99); }}}};

double gib(std::uint64_t bytes) { return static_cast<double>(bytes) / 0x1p30; }

std::uint64_t level_tokens(const machine_cell& cell, std::size_t level)
{
  return cell.sum([level](const serving_report& r) { return r.served_tokens[level]; });
}
std::uint64_t computed(const machine_cell& cell)
{
  return cell.sum([](const serving_report& r) { return r.computed_tokens; });
}
std::uint64_t recomputed(const machine_cell& cell)
{
  return cell.sum([](const serving_report& r) { return r.recomputed_tokens; });
}
std::uint64_t all_tokens(const machine_cell& cell)
{
  return cell.sum([](const serving_report& r) {
    return std::accumulate(r.served_tokens.begin(), r.served_tokens.end(), r.computed_tokens);
  });
}

std::uint64_t run_sum(const machine_cell& cell, std::uint64_t machine_result::* member)
{
  std::uint64_t all = 0;
  for (const machine_result& one : cell.runs) all += one.*member;
  return all;
}

double code_seconds(const machine_cell& cell)
{
  double all = 0;
  for (const machine_result& one : cell.runs) all += one.code_sm_seconds;
  return all;
}

std::string in_quotes(std::string_view field)
{
  std::string out = "\"";
  for (const char c : field) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

}  // namespace

machine_table::machine_table(const machine_lists& l)
    : policies(l.slab_policies.size() > 1 || l.arena_policies.size() > 1 || l.slab_policies[0] != "lru" ||
               l.arena_policies[0] != "lru"),
      memory(l.device_gib.size() > 1 || l.host_gib.size() > 1),
      batch(l.batch.size() > 1),
      rate(l.rate.size() > 1),
      streams(l.streams.size() > 1),
      codecs(l.codecs.size() > 1 || l.codecs[0] != "identity"),
      intervals(l.seeds > 1)
{
}

void machine_table::head(std::ostream& out) const
{
  out << text("%-16s %-12s", "machine", "cache");
  if (policies) out << text(" %-10s %-10s", "slab by", "arena by");
  if (memory) out << text(" %7s %8s", "dev GiB", "host GiB");
  if (batch) out << text(" %5s", "batch");
  if (rate) out << text(" %8s", "rate");
  if (streams) out << text(" %7s", "streams");
  if (codecs) out << text(" %-8s %-6s %5s", "codec", "codes", "exact");
  out << text(" %9s %9s %8s %9s", "requests", "merged", "unserved", "req/s");
  if (intervals) out << text(" %7s", "+-");
  out << text(" %9s %9s %9s %9s", "mean ms", "p50 ms", "p90 ms", "p99 ms");
  if (intervals) out << text(" %8s", "+-");
  out << text(" %8s %8s %8s %8s %10s %8s\n", "stalled", "slab", "arena", "again", "dropped", "GB up");
}

void machine_table::row(std::ostream& out, const machine_cell& cell) const
{
  std::array<mean_interval, figures.size()> f;
  for (std::size_t i = 0; i < f.size(); ++i) f[i] = cell.of(figures[i].of);
  const auto count = [&cell](std::uint64_t serving_report::* member) {
    return static_cast<unsigned long long>(cell.sum([member](const serving_report& r) { return r.*member; }));
  };
  const auto share = [](double part, double whole) { return whole > 0 ? 100 * part / whole : 0; };
  const auto tokens = static_cast<double>(all_tokens(cell));
  const tier_bytes memory_of = bytes_of(cell.point, *cell.machine);
  out << text("%-16s %-12s", cell.machine->name.c_str(), cell.point.cache.c_str());
  if (policies) {
    const bool alone = cell.point.cache == "device_only";
    out << text(" %-10s %-10s", cell.point.slab_policy.c_str(), alone ? "-" : cell.point.arena_policy.c_str());
  }
  if (memory) out << text(" %7g %8g", gib(memory_of.device), gib(memory_of.host));
  if (batch) out << text(" %5u", cell.point.batch);
  if (rate) out << text(" %8g", cell.point.rate);
  if (streams) out << text(" %7u", cell.point.streams);
  if (codecs) {
    const bool any = cell.point.codec != "identity";
    out << text(" %-8s %-6s %5g", cell.point.codec.c_str(), any ? cell.point.codes.c_str() : "-",
                any ? cell.point.exact_share : 1);
  }
  out << text(" %9llu %9llu %8llu %9.1f", count(&serving_report::requests), count(&serving_report::merged),
              count(&serving_report::unserved), f[0].mean);
  if (intervals) out << text(" %7.1f", f[0].half);
  out << text(" %9.2f %9.2f %9.2f %9.2f", 1e3 * f[1].mean, 1e3 * f[2].mean, 1e3 * f[3].mean, 1e3 * f[4].mean);
  if (intervals) out << text(" %8.2f", 1e3 * f[4].half);
  const double stalled = cell.of([](const serving_report& r) { return r.stalled_seconds; }).mean;
  const double seconds = cell.of([](const serving_report& r) { return r.streams * r.seconds; }).mean;
  out << text(" %6.1f %% %6.1f %% %6.1f %% %6.1f %% %10llu %8.1f", share(stalled, seconds),
              share(static_cast<double>(level_tokens(cell, 0)), tokens),
              share(static_cast<double>(level_tokens(cell, 1)), tokens),
              share(static_cast<double>(recomputed(cell)), tokens), count(&serving_report::dropped_tokens),
              static_cast<double>(count(&serving_report::onload_bytes)) / 1e9);
  if (cell.saturated() != 0) out << "  saturated";
  out << '\n';
}

std::string machine_csv_head()
{
  std::string out =
      "trace,machine,cache,slab_policy,arena_policy,device_gib,host_gib,batch,rate,streams,seeds,saturated,requests,"
      "merged,"
      "unserved";
  for (const figure& one : figures) out += std::string(",") + one.name + ',' + one.name + "_95";
  return out + ",stalled_seconds,seconds,slab_tokens,arena_tokens,computed_tokens,recomputed_tokens,dropped_tokens," +
         "onloaded_bytes,offloaded_bytes,codec,codes,exact_share,inexact_tokens,raw_pages,code_sm_seconds" +
         part_csv_head() + "\n";
}

std::string machine_csv_row(const machine_cell& cell)
{
  const auto count = [&cell](std::uint64_t serving_report::* member) {
    return ',' + std::to_string(cell.sum([member](const serving_report& r) { return r.*member; }));
  };
  const machine_point& p = cell.point;
  const tier_bytes memory = bytes_of(p, *cell.machine);
  std::string out = in_quotes(cell.trace) + ',' + in_quotes(cell.machine->name) + ',' + p.cache + ',' + p.slab_policy +
                    ',' + p.arena_policy;
  out += text(",%.9g,%.9g,%u,%.9g,%u,%zu,%zu", gib(memory.device), gib(memory.host), p.batch, p.rate, p.streams,
              cell.runs.size(), cell.saturated());
  out += count(&serving_report::requests) + count(&serving_report::merged) + count(&serving_report::unserved);
  for (const figure& one : figures) {
    const mean_interval f = cell.of(one.of);
    out += text(",%.9g,", f.mean) + (cell.runs.size() > 1 ? text("%.9g", f.half) : "");
  }
  out += text(",%.9g,%.9g", cell.of([](const serving_report& r) { return r.stalled_seconds; }).mean,
              cell.of([](const serving_report& r) { return r.seconds; }).mean);
  for (const std::uint64_t tokens : {level_tokens(cell, 0), level_tokens(cell, 1), computed(cell), recomputed(cell)}) {
    out += ',' + std::to_string(tokens);
  }
  return out + count(&serving_report::dropped_tokens) + count(&serving_report::onload_bytes) +
         count(&serving_report::offload_bytes) + ',' + p.codec + ',' + p.codes + text(",%.9g,", p.exact_share) +
         std::to_string(run_sum(cell, &machine_result::inexact_tokens)) + ',' +
         std::to_string(run_sum(cell, &machine_result::raw_pages)) + text(",%.9g", code_seconds(cell)) +
         part_csv(cell.parts()) + "\n";
}

nlohmann::ordered_json machine_json(const machine_cell& cell, const machine_load& load, const trace_arguments& traces)
{
  using json = nlohmann::ordered_json;
  const auto count = [&cell](std::uint64_t serving_report::* member) {
    return cell.sum([member](const serving_report& r) { return r.*member; });
  };
  const auto mean = [&cell](double serving_report::* member) {
    return cell.of([member](const serving_report& r) { return r.*member; }).mean;
  };
  const machine_point& p = cell.point;
  const kvstrata::machine_description& m = *cell.machine;
  const tier_bytes memory = bytes_of(p, m);
  auto levels = json::array();
  auto served = json::array();
  for (std::size_t i = 0; i < cell.runs[0].levels.size(); ++i) {
    levels.push_back({{"name", cell.runs[0].levels[i]}});
    served.push_back(level_tokens(cell, i));
  }
  json workload{{"event_tokens", load.event_tokens}, {"longest", load.longest}, {"requests", load.requests}};
  if (load.requests_a_day > 0) {
    workload["users"] = traces.users;
    workload["history_scale"] = traces.history_scale;
    workload["requests_a_user_and_day"] = load.requests_a_day;
    workload["session_requests"] = load.session_requests;
    workload["session_gap_seconds"] = load.gap_seconds;
  } else if (traces.paths.empty()) {
    workload["users"] = traces.users;
    workload["days"] = traces.days;
    workload["history_scale"] = traces.history_scale;
  } else {
    workload["stream"] = traces.stream;
  }
  if (load.parts.any()) {
    workload.erase("longest");  // is of histories
    workload["parts"] = settings_json(load.parts);
  }
  workload["first_seed"] = traces.seed;
  const auto link = [](const kvstrata::link_model& l) {
    return json{{"bytes_per_second", l.bytes_per_second},
                {"seconds_per_copy", l.latency_seconds},
                {"seconds_per_piece", l.piece_seconds}};
  };
  json latency;
  json intervals;
  for (const figure& one : figures) {
    const mean_interval f = cell.of(one.of);
    if (&one != &figures[0]) latency[one.name] = f.mean;
    intervals[one.name] = cell.runs.size() > 1 ? json(f.half) : json(nullptr);
  }
  latency["max"] = cell.of([](const serving_report& r) { return r.percentile(1); }).mean;
  return {{"trace", cell.trace},
          {"machine", m.name},
          {"cache", p.cache},
          {"settings",
           {{"slab_policy", p.slab_policy},
            {"arena_policy", p.arena_policy},
            {"device_gib", gib(memory.device)},
            {"host_gib", gib(memory.host)},
            {"batch", p.batch},
            {"rate", p.rate},
            {"streams", p.streams},
            {"codec", p.codec},
            {"codes", p.codes},
            {"exact_share", p.exact_share},
            {"raw_share", p.raw_share},
            {"warmup", load.warm_up},
            {"warm_start", load.warm_start},
            {"prefetch", load.prefetch},
            {"workload", std::move(workload)},
            {"machine",
             {{"flops_per_second", m.flops_per_second},
              {"to_device", link(m.to_device)},
              {"from_device", link(m.from_device)},
              {"layers", m.model.kv.layers},
              {"kv_heads", m.model.kv.kv_heads},
              {"head_dim", m.model.kv.head_dim},
              {"element", std::string(name_of(m.model.kv.element))},
              {"hidden", m.model.hidden},
              {"candidates", m.model.candidates}}}}},
          {"seeds", cell.runs.size()},
          {"saturated", cell.saturated()},
          {"requests", count(&serving_report::requests)},
          {"batches", count(&serving_report::batches)},
          {"merged", count(&serving_report::merged)},
          {"unserved", count(&serving_report::unserved)},
          {"seconds", mean(&serving_report::seconds)},
          {"busy_seconds", mean(&serving_report::busy_seconds)},
          {"stalled_seconds", mean(&serving_report::stalled_seconds)},
          {"requests_per_second", cell.of(figures[0].of).mean},
          {"latency_seconds", std::move(latency)},
          {"intervals_95", std::move(intervals)},
          {"levels", std::move(levels)},
          {"tokens",
           {{"levels", std::move(served)},
            {"computed", computed(cell)},
            {"recomputed", recomputed(cell)},
            {"dropped", count(&serving_report::dropped_tokens)},
            {"inexact", run_sum(cell, &machine_result::inexact_tokens)},
            {"parts", part_json(cell.parts())}}},
          {"raw_pages", run_sum(cell, &machine_result::raw_pages)},
          {"code_multiprocessor_seconds", code_seconds(cell)},
          {"bytes",
           {{"onloaded", count(&serving_report::onload_bytes)}, {"offloaded", count(&serving_report::offload_bytes)}}}};
}

}  // namespace sim
