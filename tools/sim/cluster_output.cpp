#include "sim/cluster_output.hpp"

#include "replay/format.hpp"

#include <kvstrata/simulate/printable_text.hpp>

#include <algorithm>
#include <cstddef>
#include <iomanip>
#include <optional>
#include <sstream>
#include <utility>

namespace sim {
namespace {

using replay::fixed;

constexpr double slow_share = 0.01;

const cluster_curve* yardstick_of(const cluster_answer& a, const cluster_curve& curve)
{
  for (const cluster_curve& c : a.curves) {
    if (c.is_prefix_cache && c.nodes == curve.nodes) return &c;
  }
  return nullptr;
}

/// Host memory that a node needs, on average.
double bytes_a_node(const kvstrata::cluster_report& r)
{
  double sum = 0;
  for (const auto& n : r.nodes) sum += static_cast<double>(n.host_bytes());
  return r.nodes.empty() ? 0 : sum / static_cast<double>(r.nodes.size());
}

std::string gain_text(std::optional<double> gain) { return gain ? fixed(*gain, 2) : "-"; }
std::string gain_field(std::optional<double> gain) { return gain ? fixed(*gain, 4) : ""; }
nlohmann::ordered_json gain_value(std::optional<double> gain)
{
  return gain ? nlohmann::ordered_json(*gain) : nlohmann::ordered_json(nullptr);
}

}  // namespace

std::optional<double> gain_over_prefix(const cluster_answer& a, const cluster_curve& curve, std::size_t point,
                                       double percentile)
{
  const cluster_curve* const than = yardstick_of(a, curve);
  if (than == nullptr || curve.is_prefix_cache) return std::nullopt;
  const auto& mine = curve.points[point].report;
  const auto& theirs = than->points[point].report;
  if (mine.saturated() || theirs.saturated()) return std::nullopt;
  const double own = mine.first_token.percentile(percentile);
  if (!(own > 0)) return std::nullopt;
  return theirs.first_token.percentile(percentile) / own;
}

std::vector<std::string> cluster_remarks(const cluster_question& asked, const cluster_answer& a)
{
  const auto& c = asked.items;
  std::vector<std::string> out{
      "A simulation in virtual time: caches and routers are those of production, the model is its arithmetic on " +
          kvstrata::printable(asked.machine.name) + ", and nothing was measured on a cluster.",
      "Drawn, as no public trace has candidate lists: " + replay::with_commas(c.items) + " items of " +
          std::to_string(c.shortest) + " to " + std::to_string(c.longest) + " tokens in " +
          replay::with_commas(c.topics) + " topics; lists of " + std::to_string(c.candidates) + ", of which " +
          replay::percent(c.own_share) + " are of the list's topic; Zipf exponents " + fixed(c.topic_exponent, 2) +
          " of topics and " + fixed(c.item_exponent, 2) + " of the items in each; " + replay::with_commas(c.users) +
          " users. Seed " + std::to_string(asked.seed) + ".",
      "Placements are made from " + replay::with_commas(asked.learned) + " requests of the past; " +
          replay::percent(asked.hot_share) +
          " of the items, the hottest, are on every node, the others on as many as copies are said (xN).",
      "Prefix caches have as much memory a node, every user's history on each, and the router that serves them best: "
      "to who is done first.",
      "Blocks are approximate: of what is reused a share r is computed again, and what that costs in accuracy is no "
      "matter of this simulation.",
      "Load 1 is what as many prefix caches bear. waits: of the slowest hundredth, in ms, on average. * requests come "
      "faster than some node answers them."};
  out.push_back(
      asked.replicate_users
          ? "GiB/node: of host memory, what is set aside for the histories of all users, and the items that a node "
            "holds. A history that its arena holds is not counted again."
          : "GiB/node: of host memory, the items and histories that a node holds.");
  out.insert(out.end(), a.notes.begin(), a.notes.end());
  return out;
}

std::string cluster_table(const cluster_question& asked, const cluster_answer& a)
{
  std::ostringstream out;
  std::uint32_t nodes = 0;
  for (const cluster_curve& c : a.curves) {
    if (c.nodes != nodes) {
      nodes = c.nodes;
      out << (nodes == 1 ? "1 node" : std::to_string(nodes) + " nodes") << " (simulated), time to first token in ms\n"
          << std::left << std::setw(42) << "" << std::right << std::setw(6) << "load" << std::setw(10) << "req/s"
          << std::setw(10) << "p50" << std::setw(10) << "p99" << std::setw(8) << "x p50" << std::setw(8) << "x p99"
          << std::setw(8) << "waits" << std::setw(8) << "hits" << std::setw(8) << "median" << std::setw(9) << "busiest"
          << std::setw(10) << "GiB/node" << '\n';
    }
    for (std::size_t p = 0; p < c.points.size(); ++p) {
      const auto& r = c.points[p].report;
      out << std::left << std::setw(42) << (p == 0 ? c.name() : "") << std::right << std::setw(6)
          << fixed(c.points[p].load, 2) << std::setw(10) << fixed(c.points[p].requests_per_second, 1) << std::setw(10)
          << fixed(1e3 * r.first_token.percentile(0.5), 1) << std::setw(10)
          << fixed(1e3 * r.first_token.percentile(0.99), 1) + (r.saturated() ? "*" : "") << std::setw(8)
          << gain_text(gain_over_prefix(a, c, p, 0.5)) << std::setw(8) << gain_text(gain_over_prefix(a, c, p, 0.99))
          << std::setw(8) << fixed(1e3 * r.slow.slowest(slow_share).waiting, 0) << std::setw(8)
          << (c.is_prefix_cache ? "-" : fixed(100 * r.hit_share(), 1)) << std::setw(8)
          << (c.is_prefix_cache ? "-" : fixed(100 * r.item_hits.percentile(0.5), 0)) << std::setw(9)
          << fixed(r.imbalance(), 2) << std::setw(10) << fixed(bytes_a_node(r) / 0x1p30, 1) << '\n';
    }
  }
  out << '\n';
  for (const std::string& sentence : cluster_remarks(asked, a)) out << sentence << '\n';
  return out.str();
}

std::string cluster_csv(const cluster_answer& a)
{
  std::ostringstream out;
  out << "simulated,nodes,case,recompute,router,placement,copies,load,requests_per_second,requests,p50_seconds,p99_"
         "seconds,"
         "mean_seconds,slow_waiting_seconds,slow_item_hit_share,saturated,gain_p50,gain_p99,item_hit_share,median_item_"
         "hit_share,imbalance,bytes_a_node\n";
  for (const cluster_curve& c : a.curves) {
    for (std::size_t p = 0; p < c.points.size(); ++p) {
      const auto& r = c.points[p].report;
      out << "yes," << c.nodes << ',' << (c.is_prefix_cache ? "prefix_cache" : "blocks") << ',' << fixed(c.recompute, 3)
          << ',' << c.router << ',' << c.placement << ',' << (c.is_prefix_cache ? 0 : c.copies) << ','
          << fixed(c.points[p].load, 3) << ',' << fixed(c.points[p].requests_per_second, 3) << ',' << r.requests << ','
          << fixed(r.first_token.percentile(0.5), 6) << ',' << fixed(r.first_token.percentile(0.99), 6) << ','
          << fixed(r.first_token.mean(), 6) << ',' << fixed(r.slow.slowest(slow_share).waiting, 6) << ','
          << fixed(r.slow.slowest(slow_share).hits, 4) << ',' << (r.saturated() ? "yes" : "no") << ','
          << gain_field(gain_over_prefix(a, c, p, 0.5)) << ',' << gain_field(gain_over_prefix(a, c, p, 0.99)) << ','
          << fixed(r.hit_share(), 4) << ',' << fixed(r.item_hits.percentile(0.5), 2) << ',' << fixed(r.imbalance(), 4)
          << ',' << fixed(bytes_a_node(r), 0) << '\n';
    }
  }
  return out.str();
}

nlohmann::ordered_json cluster_json(const cluster_question& asked, const cluster_answer& a)
{
  using json = nlohmann::ordered_json;
  const auto& c = asked.items;
  auto curves = json::array();
  for (const cluster_curve& curve : a.curves) {
    auto points = json::array();
    for (std::size_t p = 0; p < curve.points.size(); ++p) {
      const auto& r = curve.points[p].report;
      auto nodes = json::array();
      for (const auto& n : r.nodes) {
        nodes.push_back({{"id", n.id},
                         {"requests", n.requests},
                         {"item_hit_share", n.hit_share()},
                         {"busy_seconds", n.busy_seconds},
                         {"slab_bytes", n.slab_bytes},
                         {"arena_bytes", n.arena_bytes},
                         {"user_bytes", n.user_bytes},
                         {"set_aside_bytes", n.set_aside_bytes},
                         {"host_bytes", n.host_bytes()}});
      }
      points.push_back({{"load", curve.points[p].load},
                        {"requests_per_second", curve.points[p].requests_per_second},
                        {"requests", r.requests},
                        {"p50_seconds", r.first_token.percentile(0.5)},
                        {"p99_seconds", r.first_token.percentile(0.99)},
                        {"mean_seconds", r.first_token.mean()},
                        {"slowest_hundredth",
                         {{"mean_seconds", r.slow.slowest(slow_share).seconds},
                          {"waiting_seconds", r.slow.slowest(slow_share).waiting},
                          {"item_hit_share", r.slow.slowest(slow_share).hits}}},
                        {"saturated", r.saturated()},
                        {"gain_p50", gain_value(gain_over_prefix(a, curve, p, 0.5))},
                        {"gain_p99", gain_value(gain_over_prefix(a, curve, p, 0.99))},
                        {"item_hit_share", r.hit_share()},
                        {"median_item_hit_share", r.item_hits.percentile(0.5)},
                        {"unserved", r.unserved},
                        {"slab_tokens", r.slab_tokens},
                        {"arena_tokens", r.arena_tokens},
                        {"computed_tokens", r.computed_tokens},
                        {"imbalance", r.imbalance()},
                        {"nodes", std::move(nodes)}});
    }
    curves.push_back({{"nodes", curve.nodes},
                      {"case", curve.is_prefix_cache ? "prefix_cache" : "blocks"},
                      {"recompute", curve.recompute},
                      {"router", curve.router},
                      {"placement", curve.placement},
                      {"copies", curve.is_prefix_cache ? 0 : curve.copies},
                      {"points", std::move(points)}});
  }
  return {{"simulated", true},
          {"machine", asked.machine.name},
          {"catalogue",
           {{"items", c.items},
            {"topics", c.topics},
            {"topic_exponent", c.topic_exponent},
            {"item_exponent", c.item_exponent},
            {"shortest", c.shortest},
            {"longest", c.longest},
            {"candidates", c.candidates},
            {"own_share", c.own_share},
            {"users", c.users},
            {"replicated_users", asked.replicate_users}}},
          {"hit_weight", asked.weights.hit},
          {"load_weight", asked.weights.load},
          {"work_weight", asked.weights.work},
          {"full_load", asked.full_load},
          {"hot_share", asked.hot_share},
          {"learned", asked.learned},
          {"seed", asked.seed},
          {"remarks", cluster_remarks(asked, a)},
          {"curves", std::move(curves)}};
}

}  // namespace sim
