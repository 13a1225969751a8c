// Routing and placement over nodes, in simulation: no figure of it was measured on a cluster. Each node is the cache of production without
// data, in virtual time on a described machine; catalogue and lists are drawn, and stated below each table (tools/sim/cluster_run.hpp).
//
//   blocks against prefix caches, on 1 to 100 nodes, by load, by the share that is computed again, by copies and router
//   routers beside each other, up to where the best of them saturates
//   what hits rest on: how much of a list is of one topic, how items are placed, and what is left when heat moves
#include "support/target.hpp"

#include "sim/cluster_metis.hpp"
#include "sim/cluster_output.hpp"
#include "sim/cluster_run.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/routing/placement/item_counts.hpp>
#include <kvstrata/routing/placement/stratified_placement.hpp>
#include <kvstrata/simulate/cluster_simulator.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace {

using sim::cluster_answer;
using sim::cluster_curve;
using sim::cluster_question;

std::vector<bench::target> targets;

cluster_question question()
{
  cluster_question q;
  q.machine = sim::usual_node();
  q.requests = 5000;
  return q;
}

struct gains
{
  double least = 1e9;
  double most = 0;
  std::string most_at;
};

/// Curves of one kind.
struct kind
{
  double recompute = 0.3;
  std::uint32_t copies = 2;
  const char* router = "affinity";

  [[nodiscard]] bool holds(const cluster_curve& c) const
  {
    return !c.is_prefix_cache && c.recompute == recompute && c.copies == copies && c.router == router;
  }
};

/// Of these, on 20 nodes and more, under every load that neither they nor the prefix caches are saturated by.
gains gains_of(const cluster_answer& a, const kind& of, double percentile)
{
  gains out;
  for (const cluster_curve& c : a.curves) {
    if (!of.holds(c) || c.nodes < 20) continue;
    for (std::size_t p = 0; p < c.points.size(); ++p) {
      const std::optional<double> gain = sim::gain_over_prefix(a, c, p, percentile);
      if (!gain) continue;
      out.least = (std::min)(out.least, *gain);
      if (*gain <= out.most) continue;
      out.most = *gain;
      out.most_at = std::to_string(c.nodes) + " nodes";
    }
  }
  return out;
}

void against_prefix_caches()
{
  cluster_question q = question();
  q.nodes = {1, 20, 40, 100};
  q.recompute = {0.1, 0.3};
  q.loads = {0.2, 0.5, 0.8, 0.9, 0.95};
  const cluster_answer a = sim::answer(q);
  std::printf("%s\n", sim::cluster_table(q, a).c_str());
  for (const double r : q.recompute) {
    for (const double percentile : {0.5, 0.99}) {
      const kind usual{.recompute = r};
      const gains g = gains_of(a, usual, percentile);
      const std::string of = percentile < 0.9 ? "p50" : "p99";
      targets.push_back({"routing_gain_" + of + (r < 0.2 ? "_r01" : "_r03"), g.least, bench::better::more, 1.3});
      std::printf("r = %.1f, %s: from %.2f to %.2f times as quick on 20 to 100 nodes, the most on %s; 2.8 times at", r,
                  of.c_str(), g.least, g.most, g.most_at.c_str());
      int reached = 0;
      for (const cluster_curve& c : a.curves) {
        if (!usual.holds(c) || c.nodes < 20) continue;
        for (std::size_t p = 0; p < c.points.size(); ++p) {
          if (sim::gain_over_prefix(a, c, p, percentile).value_or(0) < 2.8) continue;
          std::printf(" K=%u load %.2f", c.nodes, c.points[p].load);
          ++reached;
        }
      }
      std::printf(reached != 0 ? "\n" : " no load\n");
    }
  }
  for (const cluster_curve& c : a.curves) {
    if (!kind{}.holds(c)) continue;
    double hits = 1;
    double median = 1;
    for (const auto& p : c.points) {
      hits = (std::min)(hits, p.report.hit_share());
      median = (std::min)(median, p.report.item_hits.percentile(0.5));
    }
    if (c.nodes == 100) targets.push_back({"routing_hits_100_nodes", hits, bench::better::more, 0.75});
    if (c.nodes == 40) targets.push_back({"routing_median_hits_40_nodes", median, bench::better::more, 0.9});
  }
  // The large model of the paper, on four GPUs a node.
  cluster_question large = question();
  large.machine.name = "4 x A100, 72B";
  large.machine.flops_per_second = 560e12;
  large.machine.to_device.bytes_per_second = large.machine.from_device.bytes_per_second = 100e9;
  large.machine.model.kv.layers = 80;
  large.machine.model.hidden = 8192;
  large.machine.model.token_flops = 1753e6;
  large.machine.model.pair_flops = 32768;
  large.machine.device_bytes = std::uint64_t{80} << 30U;
  large.machine.host_bytes = std::uint64_t{512} << 30U;
  large.recompute = {0.1, 0.3};
  large.loads = {0.2, 0.5, 0.8, 0.9};
  const cluster_answer b = sim::answer(large);
  std::printf("\n%s\n", sim::cluster_table(large, b).c_str());
  for (const double r : {0.1, 0.3}) {
    const gains median = gains_of(b, {.recompute = r}, 0.5);
    const gains rare = gains_of(b, {.recompute = r}, 0.99);
    std::printf("72B, r = %.1f: p50 from %.2f to %.2f times, p99 from %.2f to %.2f\n", r, median.least, median.most,
                rare.least, rare.most);
  }
  std::printf("\n");
}

/// What the copies and the router are worth.
void copies_and_routers()
{
  cluster_question q = question();
  q.nodes = {20, 40, 100};
  q.copies = {1, 2, 3};
  q.routers = {"affinity", "soonest"};
  q.loads = {0.2, 0.5, 0.8, 0.95};
  const cluster_answer a = sim::answer(q);
  std::printf("Copies\n%s\n", sim::cluster_table(q, a).c_str());
  for (const std::uint32_t copies : q.copies) {
    for (const std::string& router : q.routers) {
      const kind one{.copies = copies, .router = router.c_str()};
      const gains median = gains_of(a, one, 0.5);
      const gains rare = gains_of(a, one, 0.99);
      std::printf("copies %u, %s: p50 %.2f to %.2f times as quick, p99 %.2f to %.2f\n", copies, router.c_str(),
                  median.least, median.most, rare.least, rare.most);
    }
  }
  std::printf("\n");
}

void routers_beside_each_other()
{
  cluster_question q = question();
  q.routers = tools::named_router::names();
  q.loads = {0.5, 0.9, 1.2, 1.5, 1.8};
  const cluster_answer a = sim::answer(q);
  std::printf("Routers on 40 nodes\n%s\n", sim::cluster_table(q, a).c_str());
  const auto curve_of = [&](const char* name) -> const cluster_curve& {
    return *std::find_if(a.curves.begin(), a.curves.end(),
                         [&](const cluster_curve& c) { return !c.is_prefix_cache && c.router == name; });
  };
  const cluster_curve& affinity = curve_of("affinity");
  const cluster_curve& soonest = curve_of("soonest");
  for (std::size_t p = 0; p < soonest.points.size(); ++p) {
    std::printf(
        "soonest against affinity, load %.2f: mean %.2f times, p99 %.2f times\n", soonest.points[p].load,
        soonest.points[p].report.first_token.mean() / affinity.points[p].report.first_token.mean(),
        soonest.points[p].report.first_token.percentile(0.99) / affinity.points[p].report.first_token.percentile(0.99));
  }
  std::size_t last = 0;  // the highest load that it bears
  for (std::size_t p = 0; p < affinity.points.size(); ++p) {
    if (!affinity.points[p].report.saturated()) last = p;
  }
  for (const char* name : {"hit", "load"}) {
    const cluster_curve& other = curve_of(name);
    double least = 1e9;
    for (std::size_t p = 0; p <= last; ++p) {
      const double ratio = other.points[p].report.first_token.mean() / affinity.points[p].report.first_token.mean();
      std::printf(
          "%s only against affinity, load %.2f: mean %.2f times, p99 %.2f times%s\n", name, other.points[p].load, ratio,
          other.points[p].report.first_token.percentile(0.99) / affinity.points[p].report.first_token.percentile(0.99),
          other.points[p].report.saturated() ? " (saturated)" : "");
      if (p > 0) least = (std::min)(least, ratio);
    }
    targets.push_back({std::string("routing_") + name + "_only_slower", least, bench::better::more, 1.0});
  }
}

void weights()
{
  cluster_question q = question();
  q.learned = 30'000;
  q.loads = {0.9, 1.8, 2.2};
  const auto row = [&](double weight) {
    const cluster_answer a = sim::answer(q);
    std::printf("%12.1f", weight);
    for (const auto& p : a.curves.back().points) {
      std::printf("  %5.0f/%4.0f%s", 1e3 * p.report.first_token.mean(), 1e3 * p.report.first_token.percentile(0.99),
                  p.report.saturated() ? "*" : "");
    }
    std::printf("\n");
  };
  const auto head = [&](const char* of, const char* what) {
    std::printf("\n%s, 40 nodes: mean and p99 in ms\n%12s", of, what);
    for (const double load : q.loads) std::printf("   load %.1f", load);
    std::printf("\n");
  };
  head("What a load of 1 is, of affinity with weights 1 and 1", "full load");
  for (const double full : {1.0, 2.0, 4.0, 8.0}) {
    q.full_load = full;
    row(full);
  }
  q.routers = {"soonest"};
  head("What a second of computing counts, of soonest", "work weight");
  for (const double work : {1.0, 2.0, 4.0}) {
    q.weights.work = work;
    row(work);
  }
}

void what_hits_rest_on()
{
  std::printf("\nItem hits and the p50's gain at load 0.5, by the share of a list that is of its topic\n");
  for (const double own : {0.6, 0.7, 0.8, 0.9}) {
    cluster_question q = question();
    q.items.own_share = own;
    q.nodes = {40, 100};
    q.loads = {0.5};
    const cluster_answer a = sim::answer(q);
    std::printf("  %.1f:", own);
    for (const cluster_curve& c : a.curves) {
      if (c.is_prefix_cache) continue;
      std::printf("  %3u nodes %5.1f %% (median %2.0f %%), %.2f times", c.nodes, 100 * c.points[0].report.hit_share(),
                  100 * c.points[0].report.item_hits.percentile(0.5), sim::gain_over_prefix(a, c, 0, 0.5).value_or(0));
    }
    std::printf("\n");
  }
  cluster_question q = question();
  q.placements = {"stratified", "hash"};
  if (sim::has_metis()) q.placements.push_back("metis");
  else std::printf("SKIPPED: METIS was not found when this was built\n");
  q.nodes = {40, 100};
  q.copies = {1, 2};
  q.loads = {0.5};
  std::printf("\nPlacements\n%s\n", sim::cluster_table(q, sim::answer(q)).c_str());
}

/// Topics' popularity is dealt anew: what the old placement is worth then, and what one that goes on from it moves.
void heat_moves()
{
  using namespace kvstrata;
  constexpr std::uint32_t nodes = 40;
  constexpr double rate = 160;
  const catalogue items{catalogue_config{}};
  std::vector<rendezvous_member> members;
  for (std::uint64_t n = 1; n <= nodes; ++n) members.push_back({.id = n});
  item_counts counts;
  for (std::uint32_t i = 0; i < items.size(); ++i) counts.know(items.key_of(i), items.tokens_of(i));
  const auto learn = [&](std::uint64_t heat) {
    counts.forget();
    list_traffic traffic(items, 1, 11 + heat, heat);
    list_request one;
    std::vector<sequence_key> keys;
    for (int r = 0; r < 50'000; ++r) {
      traffic.next(one);
      keys.clear();
      for (const std::uint32_t item : one.items) keys.push_back(items.key_of(item));
      counts.add(keys);
    }
  };
  const stratified_placement policy;
  learn(0);
  const item_placement before = policy.place(counts.items(), counts.pairs(), members);
  learn(1);
  const item_placement kept = policy.place(counts.items(), counts.pairs(), members, before);
  const item_placement anew = policy.place(counts.items(), counts.pairs(), members);
  const std::uint64_t all = moved_tokens(counts.items(), item_placement(), before);
  const auto serve = [&](const char* name, const item_placement& p, std::uint64_t heat) {
    cluster_config c{.nodes = nodes, .warm_up = 1000};
    c.node.machine = sim::usual_node();
    cluster_simulator<> cluster(c, items, affinity_router(), p);
    std::vector<std::uint32_t> everything;
    for (std::uint32_t i = 0; i < items.size(); ++i) everything.push_back(i);
    cluster.take_in(everything);
    list_traffic traffic(items, rate, 99, heat);
    list_request one;
    for (int r = 0; r < 6000; ++r) {
      traffic.next(one);
      cluster.add(one);
    }
    const cluster_report r = cluster.finish();
    std::printf("  %-34s hits %5.1f %%  p99 %6.1f ms  busiest %.2f  moved %5.1f %% of what nodes hold\n", name,
                100 * r.hit_share(), 1e3 * r.first_token.percentile(0.99), r.imbalance(),
                100.0 * static_cast<double>(moved_tokens(counts.items(), before, p)) / static_cast<double>(all));
  };
  std::printf("Heat moves, 40 nodes, %.0f requests/s\n", rate);
  serve("before", before, 0);
  serve("moved, placed as before", before, 1);
  serve("moved, going on from before", kept, 1);
  serve("moved, placed from scratch", anew, 1);
}

}  // namespace

int main()
{
  try {
    against_prefix_caches();
    copies_and_routers();
    routers_beside_each_other();
    weights();
    what_hits_rest_on();
    heat_moves();
    for (const bench::target& t : targets) print(t);
    return 0;
  } catch (const kvstrata::error& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
