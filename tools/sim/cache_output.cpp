#include "sim/cache_output.hpp"

#include <array>
#include <cstdio>
#include <ostream>
#include <string_view>

namespace sim {
namespace {

struct figure
{
  const char* name;
  double (*of)(const cache_result&);
};

double share(std::uint64_t part, const cache_result& r)
{
  const std::uint64_t all = r.counts.tokens();
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

constexpr std::array<figure, 8> figures{
    {{"slab", [](const cache_result& r) { return share(r.counts.levels[0].tokens, r); }},
     {"arena", [](const cache_result& r) { return share(r.counts.levels[1].tokens, r); }},
     {"computed", [](const cache_result& r) { return share(r.counts.computed_tokens, r); }},
     {"onloaded_bytes", [](const cache_result& r) { return static_cast<double>(r.counts.onload_bytes); }},
     {"offloaded_bytes", [](const cache_result& r) { return static_cast<double>(r.counts.offload_bytes); }},
     {"dropped_tokens",
      [](const cache_result& r) {
        return static_cast<double>(r.counts.levels[0].dropped + r.counts.levels[1].dropped);
      }},
     {"arena_tokens", [](const cache_result& r) { return static_cast<double>(r.arena_tokens); }},
     {"raw_filled", [](const cache_result& r) {
        if (r.raw_capacity_bytes == 0) return 0.0;
        return static_cast<double>(r.raw_bytes) / static_cast<double>(r.raw_capacity_bytes);
      }}}};

template <class... Values>
std::string text(const char* format, Values... values)
{
  std::array<char, 256> line{};
  std::snprintf(line.data(), line.size(), format, values...);
  return line.data();
}

/// "31.25 %" or, of several seeds, "31.25 +- 0.40 %".
std::string percent(const kvstrata::mean_interval& f, std::size_t seeds)
{
  return seeds > 1 ? text("%.2f +- %.2f %%", 100 * f.mean, 100 * f.half) : text("%.2f %%", 100 * f.mean);
}

double gib(std::uint64_t bytes) { return static_cast<double>(bytes) / 0x1p30; }

std::string in_quotes(std::string_view field)
{
  std::string out = "\"";
  for (const char c : field) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::uint64_t sum(const cache_cell& cell, std::uint64_t kvstrata::simulation_counts::* member)
{
  std::uint64_t all = 0;
  for (const cache_result& one : cell.runs) all += one.counts.*member;
  return all;
}

}  // namespace

void cache_table_head(std::ostream& out, std::size_t seeds)
{
  const int wide = seeds > 1 ? 18 : 10;
  out << text("%-18s %-9s %8s %9s %*s %*s %*s %9s %9s %12s %9s\n", "policy", "codec", "slab GiB", "arena GiB", wide,
              "slab", wide, "arena", wide, "computed", "GB up", "GB down", "dropped", "raw taken");
}

void cache_table_row(std::ostream& out, const kvstrata::machine_description& m, const cache_cell& cell)
{
  const std::size_t seeds = cell.runs.size();
  const int wide = seeds > 1 ? 18 : 10;
  const tier_bytes memory = bytes_of({.device_gib = cell.point.device_gib, .host_gib = cell.point.host_gib}, m);
  std::array<kvstrata::mean_interval, figures.size()> f;
  for (std::size_t i = 0; i < f.size(); ++i) f[i] = cell.of(figures[i].of);
  out << text("%-18s %-9s %8g %9g %*s %*s %*s %9.1f %9.1f %12.0f %9s\n", cell.point.policy.c_str(),
              cell.point.codec.c_str(), gib(memory.device), gib(memory.host), wide, percent(f[0], seeds).c_str(), wide,
              percent(f[1], seeds).c_str(), wide, percent(f[2], seeds).c_str(), f[3].mean / 1e9, f[4].mean / 1e9,
              f[5].mean, cell.point.codec == "identity" ? "-" : text("%.0f %%", 100 * f[7].mean).c_str());
}

std::string cache_csv_head()
{
  std::string out =
      "trace,machine,policy,codec,device_gib,host_gib,batch,raw_share,seeds,requests,merged,missed,unserved";
  for (const figure& one : figures) out += std::string(",") + one.name + ',' + one.name + "_95";
  return out + part_csv_head() + '\n';
}

std::string cache_csv_row(const std::string& trace, const kvstrata::machine_description& m, const cache_lists& lists,
                          const cache_cell& cell)
{
  using counts = kvstrata::simulation_counts;
  const tier_bytes memory = bytes_of({.device_gib = cell.point.device_gib, .host_gib = cell.point.host_gib}, m);
  std::string out = in_quotes(trace) + ',' + in_quotes(m.name) + ',' + cell.point.policy + ',' + cell.point.codec +
                    text(",%.9g,%.9g,%u,%.9g,%zu", gib(memory.device), gib(memory.host), lists.batch, lists.raw_share,
                         cell.runs.size());
  for (const auto member : {&counts::requests, &counts::merged, &counts::missed, &counts::unserved}) {
    out += ',' + std::to_string(sum(cell, member));
  }
  for (const figure& one : figures) {
    const kvstrata::mean_interval f = cell.of(one.of);
    out += text(",%.9g,", f.mean) + (cell.runs.size() > 1 ? text("%.9g", f.half) : "");
  }
  return out + part_csv(cell.parts()) + '\n';
}

nlohmann::ordered_json cache_json(const std::string& trace, const kvstrata::machine_description& m,
                                  const machine_load& load, const cache_lists& lists, std::uint64_t first_seed,
                                  const cache_cell& cell)
{
  using json = nlohmann::ordered_json;
  const tier_bytes memory = bytes_of({.device_gib = cell.point.device_gib, .host_gib = cell.point.host_gib}, m);
  json means, intervals;
  for (const figure& one : figures) {
    const kvstrata::mean_interval f = cell.of(one.of);
    means[one.name] = f.mean;
    intervals[one.name] = cell.runs.size() > 1 ? json(f.half) : json(nullptr);
  }
  using counts = kvstrata::simulation_counts;
  json settings{{"device_gib", gib(memory.device)},
                {"host_gib", gib(memory.host)},
                {"batch", lists.batch},
                {"raw_share", lists.raw_share},
                {"event_tokens", load.event_tokens},
                {"longest", load.longest},
                {"requests", load.requests},
                {"warmup", load.warm_up},
                {"first_seed", first_seed}};
  if (load.parts.any()) {
    settings.erase("longest");  // is of histories
    settings["parts"] = settings_json(load.parts);
  }
  return {{"trace", trace},
          {"machine", m.name},
          {"policy", cell.point.policy},
          {"codec", cell.point.codec},
          {"settings", std::move(settings)},
          {"seeds", cell.runs.size()},
          {"requests", sum(cell, &counts::requests)},
          {"merged", sum(cell, &counts::merged)},
          {"missed", sum(cell, &counts::missed)},
          {"unserved", sum(cell, &counts::unserved)},
          {"parts", part_json(cell.parts())},
          {"figures", std::move(means)},
          {"intervals_95", std::move(intervals)}};
}

}  // namespace sim
