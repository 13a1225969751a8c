#include "sim/cluster_run.hpp"

#include "sim/cluster_metis.hpp"

#include "command_line/named_router.hpp"
#include "replay/format.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/routing/placement/hash_placement.hpp>
#include <kvstrata/routing/placement/item_counts.hpp>
#include <kvstrata/routing/placement/stratified_placement.hpp>
#include <kvstrata/simulate/cluster_simulator.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sim {
namespace {

using namespace kvstrata;

/// Items, heats and pairs of requests of the past.
struct past
{
  item_counts counts;
  std::vector<item_pair> pairs;
  std::vector<std::uint32_t> ascending;  // items, the hottest last
};

past learn(const cluster_question& asked, const catalogue& items)
{
  past out;
  for (std::uint32_t i = 0; i < items.size(); ++i) out.counts.know(items.key_of(i), items.tokens_of(i));
  list_traffic traffic(items, 1, derive_seed(asked.seed, 1));
  list_request one;
  std::vector<sequence_key> keys;
  for (std::uint64_t r = 0; r < asked.learned; ++r) {
    traffic.next(one);
    keys.clear();
    for (const std::uint32_t item : one.items) keys.push_back(items.key_of(item));
    out.counts.add(keys);
  }
  out.pairs = out.counts.pairs();
  out.ascending.resize(items.size());
  std::iota(out.ascending.begin(), out.ascending.end(), 0U);
  std::stable_sort(out.ascending.begin(), out.ascending.end(), [&](std::uint32_t a, std::uint32_t b) {
    return out.counts.items()[a].heat < out.counts.items()[b].heat;
  });
  return out;
}

item_placement place(const cluster_question& asked, const std::string& how, std::uint32_t copies, const past& known,
                     std::uint32_t nodes, std::vector<std::string>& notes)
{
  std::vector<rendezvous_member> members;
  for (std::uint64_t n = 1; n <= nodes; ++n) members.push_back({.id = n});
  const auto items = known.counts.items();
  if (how == "hash") return hash_placement{.copies = copies}.place(items, known.pairs, members);
  const stratified_placement strata({.hot_share = asked.hot_share, .slack = asked.slack, .copies = copies});
  if (how == "stratified") return strata.place(items, known.pairs, members);
  const stratified_placement hot_alone({.hot_share = asked.hot_share, .slack = asked.slack, .passes = 0, .copies = 1});
  std::uint32_t were_empty = 0;
  item_placement out = place_by_metis(items, known.pairs, members, hot_alone.place(items, {}, members),
                                      {.slack = asked.slack, .copies = copies}, were_empty);
  if (were_empty != 0) {
    notes.push_back("METIS left " + std::to_string(were_empty) + " of " + std::to_string(nodes) +
                    " nodes without items; they got some of the fullest ones'.");
  }
  return out;
}

cluster_report run(const cluster_question& asked, const catalogue& items, const past& known, const cluster_curve& curve,
                   const item_placement& placement, double rate, std::uint64_t requests)
{
  cluster_config c{.nodes = curve.nodes, .full_load = asked.full_load, .replicate_users = asked.replicate_users};
  c.node.machine = asked.machine;
  c.node.way = curve.is_prefix_cache ? serving_way::prefix_cache : serving_way::blocks;
  c.node.recompute = curve.recompute;
  c.warm_up = requests / 5;
  cluster_simulator<tools::named_router> cluster(c, items, tools::named_router(curve.router, asked.weights), placement);
  if (!curve.is_prefix_cache) cluster.take_in(known.ascending);
  list_traffic traffic(items, rate, derive_seed(asked.seed, 2));
  list_request one;
  for (std::uint64_t r = 0; r < requests + c.warm_up; ++r) {
    traffic.next(one);
    cluster.add(one);
  }
  return cluster.finish();
}

/// What check() says of a field is said of the option that sets it, which has its name.
template <class Check>
void by_option(Check&& check)
{
  try {
    check();
  } catch (const config_error& e) {
    const std::string said = e.what();
    const std::size_t is = said.find(" is "), but = said.find(", but ");
    for (const std::string owner :
         {"catalogue_config.", "stratified_config.", "cluster_config.", "affinity_router.", "soonest_router."}) {
      if (!said.starts_with(owner) || is == std::string::npos || but == std::string::npos || but < is) continue;
      std::string option = "--" + said.substr(owner.size(), is - owner.size());
      std::replace(option.begin(), option.end(), '_', '-');
      throw config_error(option, said.substr(is + 4, but - is - 4), said.substr(but + 6));
    }
    throw;
  }
}

/// Throws where something is in the list twice, and would be simulated twice.
template <class T>
void require_once(const char* option, std::vector<T> values)
{
  std::sort(values.begin(), values.end());
  const auto twice = std::adjacent_find(values.begin(), values.end());
  if (twice == values.end()) return;
  std::ostringstream text;
  text << *twice << " twice";
  throw config_error(option, text.str(), "everything in the list is simulated once");
}

}  // namespace

std::string cluster_curve::name() const
{
  if (is_prefix_cache) return "prefix cache";
  return "blocks, r " + replay::fixed(recompute, 2) + ", " + router + ", " + placement +
         (copies == 1 ? "" : " x" + std::to_string(copies));
}

const std::vector<std::string>& placement_names()
{
  static const std::vector<std::string> names{"stratified", "hash", "metis"};
  return names;
}

machine_description usual_node()
{
  machine_description m{.name = "A100, Qwen3-8B", .flops_per_second = 175e12};
  m.to_device = {.bytes_per_second = 25e9, .latency_seconds = 4 / 1e6, .piece_seconds = 0.1 / 1e6};
  m.from_device = m.to_device;
  m.copy_kernels.latency_seconds = 4 / 1e6;
  m.copy_kernels.sm_bytes_per_second = 4.4e9;
  m.copy_kernels.device_bytes_per_second = 1330e9;
  m.copy_kernels.sm_device_bytes_per_second = 12.3e9;
  m.model = {
      .kv = {.layers = 36, .kv_heads = 8, .head_dim = 128}, .hidden = 4096, .token_flops = 386e6, .pair_flops = 16384};
  m.device_bytes = std::uint64_t{20} << 30U;
  m.host_bytes = std::uint64_t{256} << 30U;
  return m;
}

void check(const cluster_question& asked)
{
  check(asked.machine);
  tools::require_names("--router", asked.routers, tools::named_router::names());
  tools::require_names("--placement", asked.placements, placement_names());
  if (!has_metis() && std::find(asked.placements.begin(), asked.placements.end(), "metis") != asked.placements.end()) {
    throw config_error("--placement", "'metis'",
                       "METIS was not found when this program was built; Debian and Ubuntu have it in libmetis-dev");
  }
  const auto each = [](const char* option, const auto& values, double least, double most, const char* limit) {
    if (values.empty()) throw config_error(option, "empty", "give at least one number");
    for (const auto value : values) {
      if (!(static_cast<double>(value) >= least && static_cast<double>(value) <= most)) {
        if constexpr (std::is_integral_v<decltype(value)>) throw config_error(option, value, limit);
        else throw config_error(option, replay::fixed(static_cast<double>(value), 3), limit);
      }
    }
  };
  require_once("--router", asked.routers);
  require_once("--placement", asked.placements);
  require_once("--nodes", asked.nodes);
  require_once("--copies", asked.copies);
  require_once("--recompute", asked.recompute);
  require_once("--loads", asked.loads);
  each("--nodes", asked.nodes, 1, 4096, "it must be from 1 to 4096");
  each("--copies", asked.copies, 1, 64, "it must be from 1 to 64");
  each("--recompute", asked.recompute, 0, 1, "it must be from 0 to 1");
  each("--loads", asked.loads, 0.01, 10, "it must be from 0.01 to 10, in units of what as many prefix caches bear");
  if (asked.requests < 100 || asked.requests > 100'000'000) {
    throw config_error("--requests", asked.requests, "it must be from 100 to 100000000");
  }
  if (asked.learned > 100'000'000) throw config_error("--learned", asked.learned, "it may be at most 100000000");
  by_option([&] {
    check(asked.items);
    static_cast<void>(tools::named_router("affinity", asked.weights));
    check(stratified_config{.hot_share = asked.hot_share, .slack = asked.slack});
    cluster_config c{.full_load = asked.full_load, .replicate_users = asked.replicate_users};
    c.node.machine = asked.machine;
    check(c);
    static_cast<void>(bytes_set_aside(c, asked.items));
  });
}

cluster_answer answer(const cluster_question& asked, const std::function<void(const std::string&)>& told)
{
  check(asked);
  const catalogue items(asked.items);
  const past known = learn(asked, items);
  cluster_answer out;
  for (const std::uint32_t nodes : asked.nodes) {
    const auto say = [&](const cluster_curve& c) {
      if (told) told(std::to_string(nodes) + (nodes == 1 ? " node, " : " nodes, ") + c.name());
    };
    cluster_curve yardstick{.nodes = nodes, .is_prefix_cache = true, .router = "soonest"};
    say(yardstick);
    // What they bear: hardly loaded, a request takes its time alone.
    const std::uint64_t few = (std::max)(std::uint64_t{500}, std::uint64_t{10} * nodes);
    const cluster_report alone = run(asked, items, known, yardstick, item_placement(), 1e-3, few);
    double busy = 0;
    for (const node_figures& n : alone.nodes) busy += n.busy_seconds;
    const double bears = nodes * static_cast<double>(alone.requests) / busy;
    const auto draw = [&](cluster_curve curve, const item_placement& placement) {
      for (const double load : asked.loads) {
        curve.points.push_back({.load = load,
                                .requests_per_second = load * bears,
                                .report = run(asked, items, known, curve, placement, load * bears, asked.requests)});
      }
      out.curves.push_back(std::move(curve));
    };
    draw(std::move(yardstick), item_placement());
    for (const std::string& how : asked.placements) {
      for (const std::uint32_t copies : asked.copies) {
        const item_placement placement = place(asked, how, copies, known, nodes, out.notes);
        for (const std::string& router : asked.routers) {
          for (const double recompute : asked.recompute) {
            cluster_curve curve{
                .nodes = nodes, .recompute = recompute, .router = router, .placement = how, .copies = copies};
            say(curve);
            draw(std::move(curve), placement);
          }
        }
      }
    }
  }
  return out;
}

}  // namespace sim
