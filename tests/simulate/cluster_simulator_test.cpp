// The cluster's simulator against arithmetic by hand, and against what the placement and the router say.
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/routing/by_user.hpp>
#include <kvstrata/routing/placement/hash_placement.hpp>
#include <kvstrata/simulate/cluster_simulator.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

using namespace kvstrata;
using kvstrata_test::sentence_of;

namespace {

/// Four layers of 64 bytes a token; a token takes 1 ms a layer, a pair next to nothing.
machine_description slow_machine()
{
  machine_description m{.name = "slow", .flops_per_second = 1e6};
  m.to_device = {.bytes_per_second = 64e6, .latency_seconds = 0};
  m.from_device = m.to_device;
  m.model = {.kv = {.layers = 4, .kv_heads = 1, .head_dim = 16}, .hidden = 8, .token_flops = 1e3, .pair_flops = 1e-9};
  m.device_bytes = std::uint64_t{32} << 20U;
  m.host_bytes = std::uint64_t{64} << 20U;
  return m;
}

catalogue_config few_items()
{
  return {.items = 400, .topics = 20, .shortest = 32, .longest = 96, .candidates = 8, .users = 40};
}

cluster_config small(std::uint32_t nodes, serving_way way = serving_way::blocks)
{
  cluster_config c{.nodes = nodes};
  c.node = {.machine = slow_machine(), .way = way, .recompute = 0.25, .instruction = 32};
  return c;
}

std::vector<rendezvous_member> members(std::uint32_t nodes)
{
  std::vector<rendezvous_member> out;
  for (std::uint64_t n = 1; n <= nodes; ++n) out.push_back({.id = n});
  return out;
}

item_placement by_hash(const catalogue& items, std::uint32_t nodes)
{
  std::vector<placed_item> all;
  for (std::uint32_t i = 0; i < items.size(); ++i)
    all.push_back({.key = items.key_of(i), .tokens = items.tokens_of(i)});
  return hash_placement().place(all, {}, members(nodes));
}

std::vector<std::uint32_t> everything(const catalogue& items)
{
  std::vector<std::uint32_t> out(items.size());
  std::iota(out.begin(), out.end(), 0U);
  return out;
}

/// Round robin that notes where it sent.
struct noted_router
{
  std::vector<std::size_t>* to = nullptr;
  std::size_t operator()(const routed_request& asked, std::span<const node_summary> nodes) const noexcept
  {
    const std::size_t n = round_robin_router()(asked, nodes);
    to->push_back(n);
    return n;
  }
};
static_assert(router<noted_router>);

/// To the first, and notes what it was told.
struct told_router
{
  std::vector<node_summary>* told = nullptr;
  std::size_t operator()(const routed_request&, std::span<const node_summary> nodes) const noexcept
  {
    told->assign(nodes.begin(), nodes.end());
    return 0;
  }
};
static_assert(router<told_router>);

}  // namespace

TEST_CASE("cluster node: a prompt takes what its tokens take", "[simulate][cluster]")
{
  node_config c = small(1).node;
  const std::vector<prompt_item> items{{{2, 1}, 64, true}, {{2, 2}, 48, true}, {{2, 3}, 80, false}};
  const auto ms = [](double tokens) { return 4e-3 * tokens; };  // of all layers
  SECTION("a prefix cache computes the items at every request")
  {
    c.way = serving_way::prefix_cache;
    cluster_node<> node(c, c.machine.host_bytes);
    CHECK(std::abs(node.serve(user_id{7}, 100, items).seconds - ms(32 + 100 + 192)) < 1e-6);
    const node_answer second = node.serve(user_id{7}, 110, items);
    CHECK(std::abs(second.seconds - ms(10 + 192)) < 1e-6);
    CHECK(second.slab_tokens == 132);
    CHECK(second.item_tokens == 192);
    CHECK(second.item_hits == 0);
    CHECK(std::abs(node.serve(user_id{8}, 50, items).seconds - ms(50 + 192)) < 1e-6);  // the instruction is everybody's
  }
  SECTION(
      "blocks that should be there are computed once, and of them a share at every request, the first layer in full")
  {
    cluster_node<> node(c, c.machine.host_bytes);
    const node_answer first = node.serve(user_id{7}, 100, items);
    CHECK(std::abs(first.seconds - ms(32 + 100 + 192)) < 1e-6);
    CHECK(first.item_hit_tokens == 0);
    const node_answer second = node.serve(user_id{7}, 100, items);
    CHECK(second.item_hit_tokens == 112);
    CHECK(second.item_hits == 2);
    CHECK(second.computed_tokens == 80);
    CHECK(std::abs(second.seconds - (ms(80) + 1e-3 * 112 + 3 * 0.25e-3 * 112)) < 1e-6);
  }
  SECTION("what was taken in is there at the first request")
  {
    cluster_node<> node(c, c.machine.host_bytes);
    node.take_in(std::vector<prompt_item>(items.begin(), items.begin() + 2));
    node.take_in(user_id{7}, 90);
    const node_answer first = node.serve(user_id{7}, 100, items);
    CHECK(first.item_hit_tokens == 112);
    CHECK(first.computed_tokens == 90);
  }
  SECTION("r = 1 takes what computing all takes, r = 0 without full layers what is new")
  {
    const std::vector<prompt_item> kept(items.begin(), items.begin() + 2);
    for (const auto& [r, full, tokens] : {std::tuple(1.0, 0U, 112.0), std::tuple(1.0, 4U, 112.0),
                                          std::tuple(0.0, 0U, 0.0), std::tuple(0.0, 4U, 112.0)}) {
      c.recompute = r;
      c.full_layers = full;
      cluster_node<> node(c, c.machine.host_bytes);
      static_cast<void>(node.serve(user_id{7}, 100, kept));
      CHECK(std::abs(node.serve(user_id{7}, 104, kept).seconds - ms(4 + tokens)) < 1e-6);
    }
  }
  SECTION("what has to come up takes the link, behind the first layer")
  {
    c.machine.device_bytes = 400 * 256;  // not for long
    c.machine.to_device.bytes_per_second = 32e3;
    cluster_node<> node(c, c.machine.host_bytes);
    const std::vector<prompt_item> kept(items.begin(), items.begin() + 2);
    static_cast<void>(node.serve(user_id{7}, 64, kept));
    static_cast<void>(node.serve(user_id{9}, 300, {}));  // everybody goes down
    const node_answer up = node.serve(user_id{7}, 64, kept);
    REQUIRE(up.arena_tokens > 100);
    CHECK(up.computed_tokens == 0);
    // A token's K and V of a layer are 64 bytes.
    const double a_layer = 2e-3 * static_cast<double>(up.arena_tokens);
    CHECK(std::abs(up.seconds - (4 * a_layer + 0.25e-3 * 112)) < 1e-3 * up.seconds);
  }
  SECTION("what is larger than the slab is computed beside the cache")
  {
    c.machine.device_bytes = 100 * 128;
    cluster_node<> node(c, c.machine.host_bytes);
    const node_answer big = node.serve(user_id{7}, 300, items);
    CHECK(big.is_unserved);
    CHECK(big.computed_tokens == 32 + 300 + 192);
    CHECK(std::abs(big.seconds - ms(32 + 300 + 192)) < 1e-6);
  }
}

TEST_CASE("cluster: routers are told what waits and what the request takes, in seconds", "[simulate][cluster]")
{
  const catalogue items(few_items());
  item_placement placement({1, 2, 3});
  placement.add(items.key_of(1), std::vector<std::uint32_t>{0, 2});
  placement.add(items.key_of(2), 2);
  placement.add(items.key_of(3), item_placement::everywhere);
  std::vector<node_summary> told;
  const auto ask = [&](auto& cluster, double seconds, std::vector<std::uint32_t> list) {
    cluster.add({.seconds = seconds, .user = user_id{1}, .history = 100, .items = std::move(list)});
  };
  cluster_simulator<told_router> cluster(small(3), items, told_router{&told}, placement);
  cluster.take_in(everything(items));
  ask(cluster, 1, {1, 2, 3, 4});
  const auto t = [&](std::uint32_t item) { return static_cast<double>(items.tokens_of(item)); };
  const auto ms = [](double tokens) { return 4e-3 * tokens; };                     // of all layers
  const auto again = [](double tokens) { return (1e-3 + 3 * 0.25e-3) * tokens; };  // of a block, the first in full
  REQUIRE(told.size() == 3);
  CHECK(std::abs(told[0].work_seconds - (ms(100 + t(2) + t(4)) + again(t(1) + t(3)))) < 1e-6);
  CHECK(std::abs(told[1].work_seconds - (ms(100 + t(1) + t(2) + t(4)) + again(t(3)))) < 1e-6);
  CHECK(std::abs(told[2].work_seconds - (ms(100 + t(4)) + again(t(1) + t(2) + t(3)))) < 1e-6);
  CHECK(told[2].hit == 0.75);
  for (const node_summary& n : told) CHECK(n.waiting_seconds == 0);
  // It went to the first. What is there of it waits, and its history is known everywhere.
  ask(cluster, 1.1, {3});
  const double first = ms(32 + 100 + t(2) + t(4)) + again(t(1) + t(3));  // the instruction was nowhere yet
  CHECK(std::abs(told[0].waiting_seconds - (first - 0.1)) < 1e-3);
  CHECK(told[1].waiting_seconds == 0);
  CHECK(std::abs(told[1].work_seconds - again(t(3))) < 1e-6);
}

TEST_CASE("cluster: what the slowest were slow by", "[simulate][cluster]")
{
  slow_requests slow;
  CHECK(slow.slowest(0.01).seconds == 0);
  for (int k = 0; k < 98; ++k) slow.add(0.1, 0.01, 1);
  slow.add(2, 1.5, 0.5);
  slow.add(4, 3, 0.25);
  CHECK(slow.slowest(0.01).seconds == 4);
  CHECK(slow.slowest(0.02).seconds == 3);
  CHECK(slow.slowest(0.02).waiting == 2.25);
  CHECK(slow.slowest(0.02).hits == 0.375);
  CHECK(std::abs(slow.slowest(1).seconds - (9.8 + 6) / 100) < 1e-9);
}

TEST_CASE("cluster: a node answers in turn, and waiting counts", "[simulate][cluster]")
{
  const catalogue items(few_items());
  cluster_simulator<> cluster(small(1, serving_way::prefix_cache), items);
  const list_request one{.seconds = 1, .user = user_id{1}, .history = 100, .items = {1, 2}};
  const list_request other{.seconds = 1.1, .user = user_id{2}, .history = 68, .items = {3}};
  cluster.add(one);
  cluster.add(other);
  const double first = 4e-3 * (32 + 100 + items.tokens_of(1) + items.tokens_of(2));
  const double second = 4e-3 * (68 + items.tokens_of(3));
  const cluster_report r = cluster.finish();
  CHECK(r.requests == 2);
  CHECK(std::abs(r.first_token.mean() - (first + first + second - 0.1) / 2) < 1e-6);
  CHECK(std::abs(r.drain_seconds - (first + second - 0.1)) < 1e-6);
  CHECK(std::abs(r.nodes[0].busy_seconds - first - second) < 1e-6);
}

TEST_CASE("cluster: with room for all, a node has of a request what the placement says", "[simulate][cluster]")
{
  const catalogue items(few_items());
  const item_placement placement = by_hash(items, 5);
  std::vector<std::size_t> to;
  cluster_simulator<noted_router> cluster(small(5), items, noted_router{&to}, placement);
  cluster.take_in(everything(items));
  list_traffic traffic(items, 2, 4);
  std::vector<list_request> asked(300);
  std::uint64_t prompts = 0;
  for (list_request& one : asked) {
    traffic.next(one);
    cluster.add(one);
  }
  const cluster_report r = cluster.finish();
  std::vector<std::uint64_t> hits(5);
  std::vector<std::uint64_t> all(5);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    prompts += 32 + asked[i].history;
    for (const std::uint32_t item : asked[i].items) {
      all[to[i]] += items.tokens_of(item);
      if (placement.home_of(items.key_of(item)) == to[i]) hits[to[i]] += items.tokens_of(item);
    }
  }
  for (std::size_t n = 0; n < 5; ++n) {
    CHECK(r.nodes[n].item_tokens == all[n]);
    CHECK(r.nodes[n].item_hit_tokens == hits[n]);
    CHECK(r.nodes[n].requests == 60);
    CHECK(r.nodes[n].arena_bytes > 0);
  }
  prompts += r.item_tokens;
  CHECK(r.slab_tokens + r.arena_tokens + r.computed_tokens == prompts);
  CHECK(r.item_hit_tokens == std::accumulate(hits.begin(), hits.end(), std::uint64_t{0}));
}

TEST_CASE("cluster: an item that nobody holds is a miss, time after time", "[simulate][cluster]")
{
  const catalogue items(few_items());
  cluster_simulator<> cluster(small(2), items);  // no placement
  for (int k = 1; k <= 3; ++k) cluster.add({.seconds = 9.0 * k, .user = user_id{1}, .history = 80, .items = {5, 6}});
  const cluster_report r = cluster.finish();
  CHECK(r.hit_share() == 0);
  CHECK(r.requests == 3);
}

TEST_CASE("cluster: a node that vanishes costs what it had and what it was doing, and nothing else",
          "[simulate][cluster]")
{
  const catalogue items(few_items());
  item_placement placement({1, 2, 3});
  for (std::uint32_t i = 0; i < items.size(); ++i) placement.add(items.key_of(i), i % 3);
  cluster_simulator<> cluster(small(3), items, affinity_router(), placement);
  cluster.take_in(everything(items));
  const auto ask = [&](double seconds) {  // node 0 has all of it
    cluster.add({.seconds = seconds, .user = user_id{1}, .history = 80, .items = {3, 6, 9}});
  };
  ask(1);
  ask(10);
  cluster.lose(0);  // the second is under way
  ask(20);
  CHECK(sentence_of<config_error>([&] { cluster.lose(0); }) == "the node that vanishes is 0, but it is gone already");
  CHECK(sentence_of<config_error>([&] { cluster.lose(3); }) == "the node that vanishes is 3, but there are only 3");
  // Placed anew, what it had is computed once more, and is there then.
  item_placement mended({1, 2, 3});
  for (std::uint32_t i = 0; i < items.size(); ++i) mended.add(items.key_of(i), 1 + i % 2);
  cluster.place(mended);
  cluster.add({.seconds = 30, .user = user_id{1}, .history = 80, .items = {3, 9, 15}});
  cluster.add({.seconds = 40, .user = user_id{1}, .history = 80, .items = {3, 9, 15}});
  cluster.lose(1);
  cluster.lose(2);
  cluster.add({.seconds = 50, .user = user_id{1}, .history = 80, .items = {3}});
  const cluster_report r = cluster.finish();
  CHECK(r.requests == 6);
  CHECK(r.rerouted == 2);  // at 10 s, and the last one before all were gone, which finds nobody
  CHECK(r.turned_away == 2);
  CHECK(r.first_token.count() == 4);
  CHECK(r.nodes[0].is_gone);
  CHECK(r.nodes[0].requests == 1);
  const auto tokens = [&](std::initializer_list<std::uint32_t> list) {
    std::uint64_t sum = 0;
    for (const std::uint32_t i : list) sum += items.tokens_of(i);
    return sum;
  };
  CHECK(r.item_hit_tokens == tokens({3, 6, 9}));
  CHECK(r.item_tokens == 3 * tokens({3, 6, 9}) + tokens({3, 9, 15}));
}

TEST_CASE("cluster: histories are on every node, or where they were served", "[simulate][cluster]")
{
  const catalogue items(few_items());
  for (const bool replicated : {true, false}) {
    cluster_config c = small(2, serving_way::prefix_cache);
    c.replicate_users = replicated;
    cluster_simulator<round_robin_router> cluster(c, items);
    for (int k = 1; k <= 4; ++k) cluster.add({.seconds = 9.0 * k, .user = user_id{1}, .history = 100, .items = {1}});
    const cluster_report r = cluster.finish();
    const std::uint64_t instruction = 32;
    const std::uint64_t item = items.tokens_of(1);
    // Each node computes the instruction once; when histories come from elsewhere it comes with them.
    CHECK(r.computed_tokens == 4 * item + (replicated ? 1 : 2) * (instruction + 100));
    const std::uint64_t aside = 40 * 700 * 256;
    CHECK(r.nodes[0].user_bytes == (replicated ? aside : 0));
    // The history that its arena has is among those that are set aside for, and is not counted twice.
    CHECK(r.nodes[0].arena_bytes >= (instruction + 100) * 256);
    CHECK(r.nodes[0].host_bytes() == (replicated ? aside + instruction * 256 : r.nodes[0].arena_bytes));
  }
  cluster_config c = small(2);
  c.node.machine.host_bytes = std::uint64_t{8} << 20U;
  CHECK(
      sentence_of<config_error>([&] { cluster_simulator<>(c, items); }) ==
      "catalogue_config.users is 40, but the histories of all of them take up to 6 MiB on each node, and may take half "
      "of its 8; let users be where they are served");
}

TEST_CASE("cluster: requests that come faster than they are served are told", "[simulate][cluster]")
{
  const catalogue items(few_items());
  const auto at = [&](double rate) {
    cluster_config c = small(4);
    c.warm_up = 50;
    cluster_simulator<load_only_router> cluster(c, items, {}, by_hash(items, 4));
    list_traffic traffic(items, rate, 4);
    list_request one;
    for (int r = 0; r < 1500; ++r) {
      traffic.next(one);
      cluster.add(one);
    }
    return cluster.finish();
  };
  const cluster_report calm = at(1);
  const cluster_report full = at(10);
  CHECK(!calm.saturated());
  CHECK(full.saturated());
  CHECK(calm.requests == 1450);
  CHECK(full.first_token.percentile(0.5) > 10 * calm.first_token.percentile(0.5));
}

TEST_CASE("cluster: what makes no sense is refused in a sentence", "[simulate][cluster]")
{
  const catalogue items(few_items());
  const auto refused = [&](auto&& change) {
    cluster_config c = small(2);
    change(c);
    return sentence_of<config_error>([&] { cluster_simulator<>(c, items); });
  };
  CHECK(refused([](cluster_config& c) { c.nodes = 0; }) == "cluster_config.nodes is 0, but there must be at least one");
  CHECK(refused([](cluster_config& c) { c.full_load = 0; }) ==
        "cluster_config.full_load is 0.000000, but it must be more than 0");
  CHECK(refused([](cluster_config& c) { c.node.recompute = 1.5; }) ==
        "node_config.recompute is 1.500000, but it must be from 0 to 1");
  CHECK(refused([](cluster_config& c) { c.node.full_layers = 5; }) ==
        "node_config.full_layers is 5, but the model has 4 layers");
  CHECK(refused([](cluster_config& c) { c.node.machine.host_bytes = 0; }) ==
        "machine.host_bytes is 0, but a node keeps its items in host memory");
  CHECK(refused([](cluster_config& c) { c.node.machine.model.pair_flops = 0; }) ==
        "machine.model.pair_flops is 0.000000, but token_flops is 1000.000000: give both, or neither for HSTU");
  CHECK(sentence_of<config_error>([&] {
          cluster_simulator<>(small(2), items, affinity_router(), by_hash(items, 3));
        }) == "node 2 of the placement is 3, but the cluster's are numbered from 1 to 2, in this order");
  cluster_simulator<> cluster(small(2), items);
  cluster.add({.seconds = 2, .user = user_id{1}, .history = 80, .items = {1}});
  CHECK(sentence_of<usage_error>([&] {
          cluster.add({.seconds = 1, .user = user_id{1}, .history = 80, .items = {1}});
        }) == "the requests go back in time, from 2.000000 s to 1.000000 s; sort them");
}
