#include "sim/parts.hpp"

#include "command_line/limits.hpp"
#include "replay/format.hpp"
#include "replay/number_fault.hpp"

#include <kvstrata/core/error.hpp>

#include <CLI/CLI.hpp>

#include <array>
#include <limits>

namespace sim {
namespace {

using namespace kvstrata;

constexpr std::array<part_mode, 2> kept_modes{part_mode::replace, part_mode::append};

void within(const char* option, std::uint32_t value, std::uint32_t least)
{
  tools::within(option, value, least, 1U << 20U);
}

}  // namespace

void add_part_options(CLI::App& app, part_arguments& p)
{
  const auto number = [&app](const char* name, std::uint32_t& value, const char* meaning) {
    app.add_option(name, value, meaning)
        ->group("parts")
        ->check(&replay::number_fault<std::uint32_t>, "")
        ->type_name("N")
        ->capture_default_str();
  };
  number(
      "--static-tokens", p.statics,
      "requests are [S, R, candidates] instead of histories, as of MTGR: S are the last so many tokens before the cut, "
      "a part that is served whole or computed whole, and that is another version at each cut; 0: histories");
  number("--recent-tokens", p.recents,
         "of R at most: what has happened since the cut, which grows on top of S. Where it is full, S is made anew at "
         "once");
  number("--candidates", p.candidates, "tokens of a request that are computed each time, on pages of the slab");
  app.add_option("--cut", p.cut, "when S is made anew: daily or weekly, at midnight (UTC+8 of a trace) and on Mondays")
      ->group("parts")
      ->type_name("NAME")
      ->capture_default_str();
}

void check(const part_arguments& p, const CLI::App& app)
{
  if (!p.any()) {
    for (const char* option : {"--recent-tokens", "--candidates", "--cut"}) {
      if (app.count(option) != 0) throw config_error(option, "given", "it goes with --static-tokens");
    }
    return;
  }
  within("--static-tokens", p.statics, 1);
  within("--recent-tokens", p.recents, 1);
  within("--candidates", p.candidates, 0);
  if (p.cut != "daily" && p.cut != "weekly")
    throw config_error("--cut", "'" + p.cut + "'", "it must be daily or weekly");
  if (app.count("--longest") != 0)
    throw config_error("--longest", "given", "it is of histories: --static-tokens and --recent-tokens bound parts");
}

void cut_into_parts(std::vector<arrival>& requests, const part_arguments& p, std::int64_t zone_ms, kept_parts& kept)
{
  if (!p.any()) return;
  part_cutter cutter({.statics = p.statics,
                      .recents = p.recents,
                      .candidates = p.candidates,
                      .cut = p.cut == "weekly" ? cut_period::weekly : cut_period::daily,
                      .zone_ms = zone_ms});
  for (arrival& one : requests) one.asked = of_parts(one.asked, cutter.cut(one.asked, kept.emplace_back()));
}

std::string part_lines(const part_counts& of)
{
  std::string out;
  for (const part_mode mode : kept_modes) {
    const part_outcome& its = of.of(mode);
    const std::uint64_t all = its.served[0] + its.served[1] + its.computed;
    const auto share = [all](std::uint64_t tokens) {
      return replay::percent(all == 0 ? 0 : static_cast<double>(tokens) / static_cast<double>(all));
    };
    out += mode == part_mode::replace ? "  S: " : "  R: ";
    out += replay::with_commas(all) + " tokens, slab " + share(its.served[0]) + ", arena " + share(its.served[1]) +
           ", computed " + share(its.computed) + "; superseded " + replay::with_commas(its.superseded) + "\n";
  }
  return out + "  candidates: " + replay::with_commas(of.of(part_mode::scratch).computed) + " tokens, computed\n";
}

std::string part_csv_head()
{
  std::string out;
  for (const part_mode mode : kept_modes) {
    for (const char* what : {"slab", "arena", "computed", "superseded"})
      out += "," + std::string(name_of(mode)) + "_" + what + "_tokens";
  }
  return out + ",scratch_computed_tokens";
}

std::string part_csv(const part_counts& of)
{
  std::string out;
  for (const part_mode mode : kept_modes) {
    const part_outcome& its = of.of(mode);
    for (const std::uint64_t tokens : {its.served[0], its.served[1], its.computed, its.superseded})
      out += ',' + std::to_string(tokens);
  }
  return out + ',' + std::to_string(of.of(part_mode::scratch).computed);
}

nlohmann::ordered_json part_json(const part_counts& of)
{
  nlohmann::ordered_json out;
  for (const part_mode mode : kept_modes) {
    const part_outcome& its = of.of(mode);
    out[std::string(name_of(mode))] = {
        {"slab", its.served[0]}, {"arena", its.served[1]}, {"computed", its.computed}, {"superseded", its.superseded}};
  }
  out["scratch"] = {{"computed", of.of(part_mode::scratch).computed}};
  return out;
}

nlohmann::ordered_json settings_json(const part_arguments& p)
{
  return {{"static_tokens", p.statics}, {"recent_tokens", p.recents}, {"candidates", p.candidates}, {"cut", p.cut}};
}

}  // namespace sim
